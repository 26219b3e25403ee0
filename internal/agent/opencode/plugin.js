// The plugin of muster: it runs within OpenCode, reports its events to `muster hook opencode EVENT`, and carries out the
// answers. The files beside it are launch.json (what to do) and ../rw (what this side writes).
import fs from "node:fs"
import path from "node:path"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const here = path.dirname(fileURLToPath(import.meta.url))
const launch = JSON.parse(fs.readFileSync(path.join(here, "launch.json"), "utf8"))
const rw = launch.rw
const journal = path.join(rw, launch.journal)
const far = 60_000 // a longer wait for the next try is a limit, and muster waits for its end instead of the agent
const tries = 7 // of one call, so that a service that is down ends the turn after a minute or two

// own reports whether this process is the generation's agent. An OpenCode that the agent starts loads this plugin too, and
// does not speak for it.
function own() {
  const file = path.join(rw, "owner")
  try {
    fs.writeFileSync(file, String(process.pid), { flag: "wx", mode: 0o600 })
    return true
  } catch {
    try {
      return fs.readFileSync(file, "utf8") === String(process.pid)
    } catch {
      return false
    }
  }
}

// State is kept for the process: OpenCode may load the plugin more than once.
const S = (globalThis[Symbol.for("muster.opencode")] ??= {
  directory: "", client: null, session: launch.session, children: new Set(), texts: new Map(), prompted: new Set(), counted: new Set(),
  tools: new Map(), asking: new Map(), tail: Promise.resolve(), turn: false, timer: undefined, error: null, aborting: false, submitted: false, pumping: false,
})

function note(entry) {
  fs.appendFileSync(journal, JSON.stringify({ ...entry, session: S.session, time: new Date().toISOString() }) + "\n", { mode: 0o600 })
}

// hook runs one hook of muster and returns its answer, {} if there is none.
function hook(event, payload, started) {
  return new Promise((resolve) => {
    let out = ""
    const child = spawn(launch.exe, ["hook", "opencode", event], { stdio: ["pipe", "pipe", "ignore"], cwd: S.directory || undefined })
    started?.(child)
    child.on("error", () => resolve({}))
    child.stdin.on("error", () => {})
    child.stdout.on("data", (d) => (out += d))
    child.on("close", () => {
      try {
        resolve(JSON.parse(out) ?? {})
      } catch {
        resolve({})
      }
    })
    child.stdin.end(JSON.stringify({ session: S.session, ...payload }))
  })
}

// record runs hooks one after another, so that records keep the order of the events.
function record(event, payload) {
  const done = S.tail.then(() => hook(event, payload))
  S.tail = done.catch(() => {})
  return done
}

async function post(url, body) {
  const client = S.client._client ?? S.client.client
  const r = await client.post({ url, body, headers: { "Content-Type": "application/json" } })
  if (r.error) throw new Error(`${url}: ${JSON.stringify(r.error)}`)
  return r.data
}

const tag = /^\[muster m[1-9][0-9]{0,9}\]/gm

// arrived returns the tags of a text that the conversation already has.
async function arrived(text) {
  const tags = text.match(tag)
  if (!tags) return []
  const r = await S.client.session.messages({ path: { id: S.session } })
  if (r.error) throw new Error(JSON.stringify(r.error))
  const had = new Set()
  for (const m of r.data ?? []) {
    if (m.info.role === "user") for (const t of words(m.parts).match(tag) ?? []) had.add(t)
  }
  return tags.filter((t) => had.has(t))
}

const words = (parts) => parts.filter((p) => p.type === "text" && !p.synthetic).map((p) => p.text).join("\n")

// submit makes texts part of the conversation, in one prompt. It leaves out those that are there already: a message that was
// taken just before a kill is handed over again.
async function submit(texts) {
  const fresh = []
  for (const text of texts) {
    const had = await arrived(text)
    if (had.length) note({ type: "user", text: had.join("\n") })
    else fresh.push(text)
  }
  if (!fresh.length) return
  const text = fresh.join("\n\n")
  await post(`/session/${S.session}/prompt_async`, { parts: [{ type: "text", text }] })
}

// pump takes messages for the agent from its mailbox, for as long as it runs.
async function pump() {
  if (S.pumping) return
  S.pumping = true
  for (let failed = 0; ; ) {
    const { messages } = await hook("wait", {})
    if (!messages) {
      failed = Math.min(failed + 1, 60)
      await new Promise((resolve) => setTimeout(resolve, failed * 1000))
      continue
    }
    failed = 0
    for (const text of messages) {
      try {
        await submit([text])
      } catch (e) {
        await record("failed", { text: String(e) })
      }
    }
  }
}

// ask holds a request open until it is answered, by muster or by a person at the keyboard.
async function ask(event, p, answer) {
  await S.tail
  let child
  S.asking.set(p.id, () => child?.kill())
  const r = await hook(event, { ...p, session: S.session, tool: S.tools.get(p.tool?.callID), child: p.sessionID !== S.session }, (c) => (child = c))
  if (!S.asking.has(p.id)) return // answered at the keyboard
  if (!r.reply && !r.answers) return // without an answer the dialog stays open for a person
  S.asking.delete(p.id)
  await answer(r).catch(() => {})
}

function answered(id) {
  const stop = S.asking.get(id)
  if (!stop) return
  S.asking.delete(id)
  stop()
  record("replied", { id })
}

async function abort(event, payload) {
  S.aborting = true
  await record(event, payload)
  await S.client.session.abort({ path: { id: S.session } }).catch(() => {})
}

// over ends the turn after a moment, in which an error may follow. A turn that begins meanwhile goes on with this one.
function over() {
  clearTimeout(S.timer)
  S.timer = setTimeout(ended, 100)
}

// begun takes back the end of a turn that over has put off. If that turn was aborted, its end is on record already. The
// end of the next turn is then recorded as that of any turn.
function begun() {
  if (!S.timer) return
  clearTimeout(S.timer)
  S.timer = undefined
  S.aborting = false
}

function ended() {
  S.timer = undefined
  S.turn = false
  for (const id of [...S.asking.keys()]) answered(id)
  const error = S.error
  S.error = null
  if (S.aborting) {
    S.aborting = false
    return
  }
  if (error?.name === "MessageAbortedError") record("interrupted", {})
  else if (error) record("error", { error })
  else record("idle", {})
}

function userMessage(info) {
  const text = S.texts.get(info.id)
  if (text === undefined || S.prompted.has(info.id)) return
  S.prompted.add(info.id)
  S.texts.delete(info.id)
  if (!S.session && !launch.session && text.startsWith(launch.frame)) {
    S.session = info.sessionID
    fs.writeFileSync(path.join(rw, "session"), S.session, { mode: 0o600 })
  }
  if (info.sessionID !== S.session) return record("prompted", { session: info.sessionID, text })
  note({ type: "user", id: info.id, text })
  record("prompted", { message: info.id, text })
  pump()
}

function assistantMessage(info) {
  if (!info.time?.completed || S.counted.has(info.id)) return
  S.counted.add(info.id)
  note({ type: "assistant", id: info.id, model: `${info.providerID}/${info.modelID}`, cost: info.cost, tokens: info.tokens })
}

const ours = (id) => id === S.session || S.children.has(id)

const handlers = {
  "session.created": ({ info }) => {
    if (info.parentID && ours(info.parentID)) S.children.add(info.id)
  },
  "message.updated": ({ info }) => {
    if (info.role === "user") userMessage(info)
    else if (ours(info.sessionID)) assistantMessage(info)
  },
  "message.part.updated": ({ part }) => {
    // A tool that fails has no other event at its end.
    if (part.type === "tool" && part.state?.status === "error" && S.tools.delete(part.callID)) record("tool-failed", { call: part.callID })
  },
  "session.status": ({ sessionID, status }) => {
    if (sessionID !== S.session) return
    if (status.type === "busy") {
      // Only this begins a turn: the end of the one before may be reported after the prompt.
      begun()
      S.turn = true
      S.error = null
    }
    if (status.type === "idle" && S.turn) over()
    if (status.type !== "retry" || S.aborting) return
    if (status.next - Date.now() > far) abort("limited", { text: status.message, next: status.next })
    else if (status.attempt >= tries) abort("error", { error: { name: "APIError", data: { message: status.message, isRetryable: true } } })
  },
  "session.idle": ({ sessionID }) => {
    if (sessionID === S.session && S.turn) over()
  },
  "session.error": ({ sessionID, error }) => {
    if (sessionID !== S.session) return
    S.error = error
    if (!S.turn) over() // the turn ended before it began
  },
  "permission.asked": (p) => {
    if (!ours(p.sessionID)) return
    ask("permission", p, async (r) => r.reply && post(`/permission/${p.id}/reply`, { reply: r.reply, message: r.message }))
  },
  "permission.replied": ({ requestID }) => answered(requestID),
  "question.asked": (p) => {
    if (!ours(p.sessionID)) return
    ask("question", p, async (r) => {
      if (r.answers) await post(`/question/${p.id}/reply`, { answers: r.answers })
      else if (r.reply === "reject") await post(`/question/${p.id}/reject`, {})
    })
  },
  "question.replied": ({ requestID }) => answered(requestID),
  "question.rejected": ({ requestID }) => answered(requestID),
}

export const muster = async ({ client, directory }) => {
  if (!own()) return {}
  S.directory ||= directory
  if (directory !== S.directory) return {}
  S.client = client
  if (launch.session && !S.submitted) {
    S.submitted = true
    fs.writeFileSync(path.join(rw, "session"), S.session, { mode: 0o600 })
    // The API answers only after all plugins are loaded.
    setTimeout(() => submit(launch.parts).catch((e) => record("failed", { text: String(e) })), 100)
  }
  return {
    event: async ({ event }) => {
      try {
        handlers[event.type]?.(event.properties)
      } catch {} // the agent's work goes on; the lack of a record is seen by the fleet
    },
    "chat.message": async (_, output) => {
      S.texts.set(output.message.id, words(output.parts))
    },
    "tool.execute.before": async (input, output) => {
      if (!ours(input.sessionID)) return
      S.tools.set(input.callID, input.tool)
      const r = await record("tool-begins", { tool: input.tool, call: input.callID, input: output.args, child: input.sessionID !== S.session })
      if (r.deny) throw new Error(r.deny)
    },
    "tool.execute.after": async (input, output) => {
      if (!S.tools.delete(input.callID)) return
      const r = await record("tool-ended", { tool: input.tool, call: input.callID, input: input.args, child: input.sessionID !== S.session })
      if (r.words && typeof output?.output === "string") output.output += "\n\n" + r.words
    },
  }
}
