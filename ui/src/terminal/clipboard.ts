/**
 * Pastes into whatever has the focus. True: done. False: the webview does not let pages paste by themselves, but its own
 * handling of the key will, if the key is left to it.
 */
export function paste(): boolean {
  return document.execCommand("paste");
}
