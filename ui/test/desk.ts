import { flushSync, mount, unmount } from "svelte";
import { expect, vi } from "vitest";
import App from "../src/App.svelte";
import { Fake } from "../src/backend/fake/fake";
import type { Scene } from "../src/backend/fake/scenes";
import { soon } from "./soon";

let app: Record<string, unknown> | null = null;

/** Opens the window on a scene; it shows no terminal, but for the runner of a name. */
export async function open(scene: Scene, attach: string | null = null): Promise<Fake> {
  const fake = new Fake(scene);
  const id = fake.runners.find(({ name }) => name === attach)?.id ?? null;
  vi.spyOn(fake, "desktopState").mockResolvedValue({ tray: true, notifications: true, embedded: true, attach: id });
  app = mount(App, { target: document.body, props: { backend: fake } });
  await soon(() => expect(document.querySelector('[data-loaded="true"]')).not.toBeNull());
  return fake;
}

export async function close(): Promise<void> {
  if (app !== null) await unmount(app);
  app = null;
  document.body.replaceChildren();
  localStorage.clear();
}

export const all = (id: string): HTMLElement[] => [
  ...document.querySelectorAll<HTMLElement>(`[data-testid="${id}"]`),
];
export const one = (id: string): HTMLElement => all(id)[0] ?? expect.fail(`nothing is marked ${id}`);

export function click(id: string): void {
  one(id).click();
  flushSync();
}

export function press(key: string, held: KeyboardEventInit = {}): void {
  window.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...held }));
  flushSync();
}

export function write(id: string, text: string): void {
  const field = one(id) as HTMLInputElement;
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  flushSync();
}

export function choose(id: string, value: string): void {
  const field = one(id) as HTMLSelectElement;
  for (const option of field.options) option.selected = option.value === value;
  field.dispatchEvent(new Event("change", { bubbles: true }));
  flushSync();
}

export function submit(within: string): void {
  one(within).closest("form")?.requestSubmit();
  flushSync();
}
