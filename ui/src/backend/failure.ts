/** Says what failed, why, and what to do about it. */
export interface Failure {
  code: string;
  message: string;
  hint: string | null;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value.trim() !== "" ? value.trim() : null;
}

/** Shapes whatever was thrown or rejected into a `Failure`. */
export function failure(cause: unknown): Failure {
  if (typeof cause === "object" && cause !== null) {
    const { code, message, hint } = cause as Record<string, unknown>;
    const said = text(message);
    if (said !== null) return { code: text(code) ?? "internal", message: said, hint: text(hint) };
  }
  return { code: "internal", message: text(cause) ?? "the host gave no reason", hint: null };
}

/** Turns the host's lower-case sentence into one that can stand alone. */
export function sentence(message: string): string {
  const first = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}
