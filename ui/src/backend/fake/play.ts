import type { TerminalMessage } from "../terminal";

const blue = (text: string): string => `\x1b[34m${text}\x1b[0m`;
const green = (text: string): string => `\x1b[32m${text}\x1b[0m`;
const dim = (text: string): string => `\x1b[90m${text}\x1b[0m`;
const bold = (text: string): string => `\x1b[1m${text}\x1b[0m`;

const SCREEN = [
  dim("╭──────────────────────────────────────────────────────────╮"),
  `${dim("│")} ${blue("✻")} Welcome back                                           ${dim("│")}`,
  dim("╰──────────────────────────────────────────────────────────╯"),
  "",
  `${dim("❯")} split the token check out of the middleware and test it`,
  "",
  `${green("●")} I'll move the check into ${blue("auth/token.rs")} and keep the middleware thin.`,
  "",
  `${green("●")} ${bold("Update")}(src/auth/token.rs)`,
  `  ${dim("└")}  Added 84 lines`,
  green("     + pub fn verify(token: &str, now: Timestamp) -> Result<Claims, Refused> {"),
  green("     +     let claims = decode(token)?;"),
  "",
  `${green("●")} ${bold("Bash")}(cargo test -p auth --all-features)`,
  `  ${dim("└")}  test result: ${green("ok")}. 31 passed; 0 failed; see https://docs.rs/jsonwebtoken`,
  "",
  `${green("●")} The check is one function now, with its own tests.`,
  "",
  `${dim("❯")} `,
].join("\r\n");

const encoder = new TextEncoder();

/** Plays a terminal: shows a screen, echoes what is typed, answers a line. */
export class Play {
  /** All that was typed. */
  typed = "";
  #line = "";
  #size = { columns: 80, rows: 24 };

  constructor(
    readonly say: (message: TerminalMessage) => void,
    private readonly ended: boolean,
  ) {}

  begin(columns: number, rows: number): void {
    this.#size = { columns, rows };
    this.redraw();
    if (this.ended) this.say({ kind: "control", control: { kind: "ended", exit: null } });
    else this.takeOver();
  }

  redraw(): void {
    this.say({ kind: "snapshot", ...this.#size, bytes: encoder.encode(SCREEN) });
  }

  resize(columns: number, rows: number): void {
    if (this.ended) return;
    this.#size = { columns, rows };
    this.takeOver();
  }

  /** Gives the terminal this window's size. */
  takeOver(): void {
    this.say({ kind: "control", control: { kind: "resized", ...this.#size } });
    const you = { place: "window", ...this.#size, readOnly: false, decides: true, you: true };
    this.say({ kind: "control", control: { kind: "viewers", attached: [you] } });
  }

  type(bytes: Uint8Array): void {
    this.typed += new TextDecoder().decode(bytes);
    for (const character of new TextDecoder().decode(bytes)) {
      if (character === "\r") {
        this.#output(
          this.#line === "" ? `\r\n${dim("❯")} ` : `\r\n\r\n${green("●")} You said: ${this.#line}\r\n\r\n${dim("❯")} `,
        );
        this.#line = "";
      } else if (character === "\x7f") {
        if (this.#line === "") continue;
        this.#line = this.#line.slice(0, -1);
        this.#output("\b \b");
      } else if (character >= " ") {
        this.#line += character;
        this.#output(character);
      }
    }
  }

  #output(text: string): void {
    this.say({ kind: "output", bytes: encoder.encode(text) });
  }
}
