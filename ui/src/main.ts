import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import "./form.css";
import type { Backend } from "./backend/backend";
import { exposeText } from "./terminal/screen";

/** The real host, or in a browser during development believable data. A production build carries only the former. */
async function backend(): Promise<Backend> {
  if (import.meta.env.DEV && !("__TAURI_INTERNALS__" in window)) {
    const { fake } = await import("./backend/fake/fake");
    return fake(new URLSearchParams(location.search).get("scene") ?? "day");
  }
  return (await import("./backend/tauri")).tauri;
}

exposeText();
mount(App, { target: document.getElementById("app") as HTMLElement, props: { backend: await backend() } });
