/** Puts text on the clipboard; the older way serves webviews that refuse the newer one. */
export async function copy(text: string): Promise<void> {
  if (text === "") return;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const fill = (event: ClipboardEvent): void => {
      event.clipboardData?.setData("text/plain", text);
      event.preventDefault();
    };
    document.addEventListener("copy", fill, { once: true, capture: true });
    document.execCommand("copy");
    document.removeEventListener("copy", fill, { capture: true });
  }
}

/**
 * Pastes into whatever has the focus. True: done. False: the webview does not let pages paste by themselves, but its own
 * handling of the key will, if the key is left to it.
 */
export function paste(): boolean {
  return document.execCommand("paste");
}
