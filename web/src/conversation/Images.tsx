import { createContext, useContext, useEffect, useRef, useState } from "react";
import type { Image } from "../client";

/** Reads an image's bytes: the browser by itself would ask for them without a token. */
export const ImageReader = createContext<(url: string) => Promise<Blob>>(() => Promise.reject(new Error("no reader")));

const AHEAD = "600px"; // how far from what is in view images are read

/** An image of an answer, read when it comes near to view. */
export function ImageItem({ image }: { image: Image }) {
  const box = useRef<HTMLDivElement>(null);
  const { address, failed, again } = useAddress(image.url, box);
  const name = image.description || "An image without a description";
  if (image.error) return <p className="cut">{image.error.message}</p>;
  const shape = image.width && image.height ? { aspectRatio: `${image.width} / ${image.height}` } : undefined;
  return (
    <div ref={box} className="image">
      {address ? (
        <a href={address} download={fileName(image)} title="Save this image">
          <img src={address} alt={name} width={image.width} height={image.height} />
        </a>
      ) : failed ? (
        <p className="state wrong">
          The image could not be loaded.
          <button type="button" className="text" onClick={again}>
            Try again
          </button>
        </p>
      ) : (
        <div className="awaited" style={shape} role="img" aria-label={`Loading: ${name}`} />
      )}
    </div>
  );
}

/** Where the browser has the image's bytes, once they are there. */
function useAddress(url: string | undefined, box: React.RefObject<HTMLElement | null>) {
  const read = useContext(ImageReader);
  const [address, setAddress] = useState<string | null>(null);
  const [failed, setFailed] = useState(false);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    if (!url || !box.current) return;
    let made: string | null = null;
    let left = false;
    const near = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        near.disconnect();
        read(url).then(
          (bytes) => {
            if (!left) setAddress((made = URL.createObjectURL(bytes)));
          },
          () => !left && setFailed(true),
        );
      },
      { rootMargin: AHEAD },
    );
    near.observe(box.current);
    return () => {
      left = true;
      near.disconnect();
      if (made) URL.revokeObjectURL(made);
    };
  }, [url, read, box, attempt]);
  const again = () => {
    setFailed(false);
    setAttempt(attempt + 1);
  };
  return { address, failed, again };
}

function fileName({ description, media_type }: Image): string {
  const name = (description ?? "").replaceAll(/[\\/:*?"<>|\u0000-\u001f]/g, " ").slice(0, 60).trim();
  return `${name || "image"}.${media_type?.split("/")[1] ?? "png"}`;
}
