/** Says what happens when a link is followed. */
export type Following =
  | { kind: "open" }
  /** A person is asked first, being told what it does. */
  | { kind: "ask"; what: string }
  | { kind: "refuse"; why: string };

/** Judges a link by its scheme; what a program prints is not to be trusted further than that. */
export function following(link: string): Following {
  let url: URL;
  try {
    url = new URL(link);
  } catch {
    return { kind: "refuse", why: "it is no link that can be read" };
  }
  switch (url.protocol) {
    case "http:":
    case "https:":
      // user@host is the oldest trick to dress one host up as another.
      if (url.username !== "" || url.password !== "") return { kind: "ask", what: `opens ${url.host} in the browser` };
      return { kind: "open" };
    case "mailto:":
      return { kind: "ask", what: "writes a mail" };
    case "file:":
      return { kind: "ask", what: "opens a file on this machine" };
    default:
      return { kind: "refuse", why: "only the web, mail and the project's files are opened" };
  }
}
