// Tells Stratavore what OpenCode does and waits for, beside a person's own plugins. It changes nothing of the conversation but by
// the answer that a person gives to a permission, and whatever goes wrong here is silent.
import { spawn } from "node:child_process"

// Nobody may listen.
const PATIENCE = 10_000

const tui = async (api, options) => {
  const [program, ...words] = options?.command ?? []
  if (!program) return

  const statuses = new Map()
  const failures = new Map()
  const parents = new Map()
  // What a person is asked for, by the request's id, the oldest first.
  const asked = new Map()
  let shown
  let last
  let told = Promise.resolve()

  const run = (payload, patience) => {
    let child
    const output = new Promise((resolve) => {
      try {
        child = spawn(program, words, { stdio: ["pipe", "pipe", "ignore"] })
        const late = patience && setTimeout(() => child.kill("SIGKILL"), patience)
        let said = ""
        child.stdout.on("data", (bytes) => (said += bytes))
        child.stdin.on("error", () => {})
        child.on("error", () => (clearTimeout(late), resolve("")))
        child.on("close", () => (clearTimeout(late), resolve(said)))
        child.stdin.end(payload)
      } catch {
        resolve("")
      }
    })
    return { output, end: () => child?.kill() }
  }

  // The conversation that a person sees: a subagent's is a part of the one that began it.
  const root = (id) => {
    const parent = parents.get(id) ?? api.state?.session?.get?.(id)?.parentID
    return parent ? root(parent) : id
  }

  const status = () => {
    if (shown) return statuses.get(shown) ?? { type: "idle" }
    return [...statuses.values()].find((it) => it.type !== "idle") ?? { type: "idle" }
  }

  const tell = () => {
    const first = (kind) => [...asked.values()].find((it) => it.kind === kind)?.request
    const payload = JSON.stringify({
      hook_event_name: "SessionStatus",
      session_id: shown,
      status: status(),
      permission: first("permission"),
      question: first("question"),
      error: failures.get(shown),
    })
    if (payload === last) return
    last = payload
    // One after another: the last one told is what is true.
    told = told.then(() => run(payload, PATIENCE).output)
  }

  const look = () => {
    const route = api.route?.current
    const id = route?.name === "session" ? route.params?.sessionID : undefined
    shown = id && root(id)
    tell()
  }

  const ask = async (id, entry) => {
    await told
    if (asked.get(id) !== entry) return
    const hook = run(JSON.stringify({ hook_event_name: "PermissionRequest", session_id: shown, permission: entry.request }))
    entry.end = hook.end
    const output = await hook.output
    if (asked.get(id) !== entry || !output) return
    const { reply, message } = JSON.parse(output)
    if (reply) await api.client.permission.reply({ requestID: id, reply, message })
  }

  const over = ({ requestID }) => {
    const entry = asked.get(requestID)
    asked.delete(requestID)
    entry?.end?.()
  }

  const heard = {
    "session.created": ({ sessionID, info }) => {
      if (info?.parentID) parents.set(sessionID, info.parentID)
    },
    "session.status": ({ sessionID, status }) => {
      statuses.set(sessionID, status)
      if (status.type !== "idle") failures.delete(sessionID)
    },
    "session.error": ({ sessionID, error }) => {
      // A person ended the turn.
      if (!sessionID || error?.name === "MessageAbortedError") return
      failures.set(sessionID, { name: error?.name, message: error?.data?.message, status: error?.data?.statusCode })
    },
    "permission.asked": ({ id, permission, patterns, metadata }) => {
      const { command, filepath, url, description } = metadata ?? {}
      const entry = { kind: "permission", request: { tool: permission, patterns, command, filepath, url, description } }
      asked.set(id, entry)
      tell()
      ask(id, entry).catch(() => {})
    },
    "permission.replied": over,
    "question.asked": ({ id, questions }) => {
      asked.set(id, { kind: "question", request: questions?.map((it) => it.question) })
    },
    "question.replied": over,
    "question.rejected": over,
  }
  for (const [type, hear] of Object.entries(heard)) {
    api.event.on(type, (event) => {
      try {
        hear(event.properties ?? {})
        look()
      } catch {}
    })
  }

  look()
  // Another conversation is chosen without any event.
  const solid = await import("solid-js").catch(() => undefined)
  solid?.createRoot(() => solid.createEffect(look))
}

export default { id: "stratavore", tui }
