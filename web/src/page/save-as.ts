/** Gives the browser a text to keep as a file. */
export function saveAs(name: string, text: string, type = "text/markdown"): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name.replaceAll(/[\\/:*?"<>|\u0000-\u001f]/g, " ").slice(0, 100);
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
