// What a message may hold. The server takes 32,000 characters and no control characters; people paste both.

export const MOST_CHARACTERS = 32_000;
const NEAR = 1000; // characters before the limit from which on they are counted

/** A text as it may be sent: line ends of every kind are newlines, other control characters are left out. */
export function cleaned(text: string): string {
  return text
    .replaceAll(/\r\n?|[\v\f\u0085\u2028\u2029]/g, "\n")
    .replaceAll(/[\u0000-\u0008\u000e-\u001f\u007f-\u009f]/g, "")
    .toWellFormed();
}

/** How many more characters fit; null while that need not be said. */
export function charactersLeft(text: string): number | null {
  if (text.length < MOST_CHARACTERS - NEAR) return null;
  const left = MOST_CHARACTERS - [...text].length; // as the server counts them
  return left <= NEAR ? left : null;
}
