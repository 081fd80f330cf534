import type { Terminal } from "@xterm/xterm";
import type { Preferred } from "../settings/preferences.svelte";

/** A webview has few; those beyond are taken from the first, which would then stand still. */
const CONTEXTS = 8;
let contexts = 0;

/**
 * Draws by WebGL where that is preferred and possible; else the DOM does, which needs nothing. Returns what ends it.
 *
 * `auto` is the DOM: in WebKitGTK without a graphics card (`src-tauri/tests/window/figures.rs`) a key shows about a frame
 * after it was typed by the DOM, and about three by WebGL, which draws a flood somewhat faster. A person waits for the key.
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
