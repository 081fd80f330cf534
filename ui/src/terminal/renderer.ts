import type { Terminal } from "@xterm/xterm";
import type { Preferred } from "../settings/preferences.svelte";

/** A webview has few; those beyond are taken from the first, which would then stand still. */
const CONTEXTS = 8;
let contexts = 0;

/**
 * Draws by WebGL where that is preferred and possible; else the DOM does, which needs nothing. Returns what ends it.
 *
 * `auto` is the DOM: measured in WebKitGTK (`src-tauri/tests/window/figures.rs`) both draw as many bytes a second, for the
 * parser is what takes the time, but a key shows a frame after it was typed by the DOM, and three or four by WebGL.
 */
export function accelerate(terminal: Terminal, wanted: Preferred["renderer"]): () => void {
  let ended = false;
  let end: (() => void) | null = null;
  if (wanted === "webgl" && contexts < CONTEXTS) {
    contexts += 1;
    end = () => {
      end = null;
      contexts -= 1;
    };
    import("@xterm/addon-webgl").then(
      ({ WebglAddon }) => {
        if (ended) return;
        try {
          const webgl = new WebglAddon();
          terminal.loadAddon(webgl);
          const release = end;
          end = () => {
            webgl.dispose();
            release?.();
          };
          webgl.onContextLoss(() => end?.());
        } catch {
          end?.();
        }
      },
      () => end?.(),
    );
  }
  return () => {
    ended = true;
    end?.();
  };
}
