// Pauses that end early when there is a reason to.

/** Resolves after `milliseconds`, or as soon as the browser says that it is connected again. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    addEventListener("online", end);
  });
}

/** 0.5, 1, 2, 4, 8 s: how long to wait after so many failures in a row. */
export const backoff = (failures: number) => Math.min(8000, 250 * 2 ** Math.max(1, failures));
