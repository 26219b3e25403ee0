package config

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// kind is the type of a key, named as in the reference.
type kind string

const (
	kindText     kind = "string"
	kindWord     kind = "word"     // one of a fixed set of strings
	kindName     kind = "name"     // a string of letters, digits, _ . -
	kindCount    kind = "integer"  // within min and max
	kindDuration kind = "duration" // a string such as "90s", "3h", "2d"
	kindSize     kind = "size"     // a string such as "512MiB", or an integer of bytes
	kindList     kind = "list of strings"
	kindPaths    kind = "list of paths"    // relative, within the checkout
	kindGlobs    kind = "list of patterns" // as kindPaths, with wildcards
	kindArgv     kind = "command line"     // a list of strings whose first is a program
	kindScript   kind = "shell command"    // a string that is not blank
	kindEdit     kind = "event"            // "edit" or ["edit"]
	kindEnv      kind = "variable"         // the value of an environment variable
	kindEnvPath  kind = "variable or path" // the same; a value that begins with ~/ is below the home directory
	kindVariable kind = "name of a variable"
	kindNames    kind = "list of variables"
	kindFile     kind = "file" // an absolute path, or one that begins with ~/
	kindFiles    kind = "list of absolute paths"
	kindPorts    kind = "ports"   // "any", or a list of numbers
	kindMeaning  kind = "meaning" // of an event: a word, a table, or a list of tables
	kindPointers kind = "pointer" // a JSON pointer, or a list of them
	kindBool     kind = "true or false"
	kindAmount   kind = "USD"   // a number, with or without a fraction
	kindShare    kind = "share" // a number from 0 to 1
	kindTokens   kind = "tokens"
	kindClock    kind = "time of day" // a string such as "18:00"
	kindSpans    kind = "list of spans of the day"
)

// key is one row of the table for decoding, strict errors, the reference, the schema and Show.
type key struct {
	path     string // dotted; NAME and VAR stand for any name, N for the number of a table in a list
	kind     kind
	words    []string // of a kindWord
	min, max int64    // of a kindCount; of a duration, min is in nanoseconds
	def      string   // as the reference prints it; "" for no default
	doc      string
}

// open reports whether the path contains a name of the user's choice, or a number.
func (k key) open() bool { return strings.Contains(k.path, "NAME") || strings.Contains(k.path, ".N.") }

// field returns a pointer to the field of a key within d. If the path has a NAME or N, it is the field of the check, agent
// or rule called name. A field is found by its name, ignoring case: task.wait_limit is Task.WaitLimit.
func (d *draft) field(k key, name string) any {
	parts := strings.Split(k.path, ".")
	field := strings.ReplaceAll(parts[len(parts)-1], "_", "")
	var in any = &d.Config
	switch parts[0] {
	case "checks":
		if slices.Contains(reviewKeys, field) {
			return member(d.review(name), field)
		}
		in = d.check(name)
		switch field {
		case "NAME":
			field = "run"
		case "on":
			field = "onedit"
		}
	case "permission":
		in = d.rule(name)
	case "prices":
		in = d.price(name)
	case "budget":
		in = member(member(in, parts[0]), parts[1])
	case "agents":
		if in = d.agent(name); field == "VAR" {
			return d.agent(name).Env
		}
	case "accounts":
		a := d.account(name)
		if in = a; parts[2] == "budget" {
			in = &a.Budget
		}
		if field == "VAR" {
			if parts[2] == "env_from" {
				return a.EnvFrom
			}
			return a.Env
		}
	case "forges":
		in = d.forge(name)
	case "recurring":
		in = d.recurring(name)
	case "notify":
		if in = member(in, parts[0]); len(parts) > 2 {
			in = d.channel(name)
		}
	default:
		in = member(in, parts[0])
	}
	return member(in, field)
}

// member returns a pointer to the field of the struct that in points to; a pointer to any string type is a *string.
func member(in any, name string) any {
	v := reflect.ValueOf(in).Elem().FieldByNameFunc(func(n string) bool { return strings.EqualFold(n, name) }).Addr()
	if v.Elem().Kind() == reflect.String {
		v = v.Convert(reflect.TypeFor[*string]())
	}
	return v.Interface()
}

// mostCount bounds counts. It is far more than is ever needed, and small enough to be a number of processes.
const mostCount = 10000

// keys returns the table of all keys, in the order of the reference.
func keys() []key {
	const second = int64(time.Second)
	rows := []key{
		{path: "task.agent", kind: kindName, def: `"claude"`, doc: "Who does the work: a built-in agent, or one of `[agents.NAME]`."},
		{path: "task.base", kind: kindText, def: "the branch checked out", doc: "The branch or commit that work starts from."},
		{path: "task.publish", kind: kindWord, words: publishWords(), def: `"branch"`, doc: "What happens to work that passed its checks: nothing, a local branch, a pushed branch, a pull request (`pr`), or (`merge`) one merge commit on the base branch. See [publishing](../publishing.md)."},
		{path: "task.timeout", kind: kindDuration, min: second, def: `"3h"`, doc: "Time of the whole task; then it is failed. Time in which its agent could not go on does not count: a limit, a question to a person, a round of checks."},
		{path: "task.attempts", kind: kindCount, min: 1, max: mostCount, def: "3", doc: "Agent processes that may end by the agent's own fault (crash, no first record, restart after a stall)."},
		{path: "task.rounds", kind: kindCount, min: 1, max: mostCount, def: "5", doc: "Rounds of checks; then the task is parked."},
		{path: "task.respawns", kind: kindCount, max: mostCount, def: "20", doc: "Further agent processes of any cause: feedback, reboot, limit, upgrade."},
		{path: "task.priority", kind: kindCount, min: -mostCount, max: mostCount, def: "0", doc: "A higher number goes first."},
		{path: "task.keep", kind: kindDuration, def: `"24h"`, doc: "How long a finished session keeps its last screen."},
		{path: "task.wait_limit", kind: kindDuration, min: second, def: "`fleet.wait`", doc: "How long a permission request or a question stays open before the task is parked."},
		{path: "task.silence", kind: kindDuration, min: second, def: `"10m"`, doc: "How long a working agent may say nothing; then it is looked at, nudged, interrupted, started again, and at last parked."},
		{path: "task.silence_in_tool", kind: kindDuration, min: second, def: `"1h"`, doc: "The same while one of its tool calls is open: a long build is no stall."},
		{path: "task.ci_limit", kind: kindDuration, def: `"6h"`, doc: "How long a check of a task's pull request may be queued, run, or be cancelled without being started again; then the task is parked. 0 is for ever."},
		{path: "checks.NAME", kind: kindScript, doc: "A check in short: the command alone."},
		{path: "checks.NAME.run", kind: kindScript, doc: "The command, given to `sh -c` in the worktree; exit status 0 is a pass."},
		{path: "checks.NAME.on", kind: kindEdit, doc: "`\"edit\"`: run it also right after each edit, so that the agent hears of it within its turn."},
		{path: "checks.NAME.timeout", kind: kindDuration, min: second, def: `"10m"`, doc: "Then the check is ended, and counts as failed. A review has `\"30m\"`, and then it has no verdict."},
		{path: "checks.NAME.flaky", kind: kindCount, max: 20, def: "0", doc: "How often a failed run is repeated before it counts; a pass in a later run is a pass, and says so."},
		{path: "checks.NAME.only", kind: kindGlobs, def: "every change", doc: "Patterns of files, such as `\"go/**\"`: a round in which the work has changed none of them leaves the check out, and says so."},
		{path: "checks.NAME.agent", kind: kindName, doc: "Instead of `run`: the check is a review by this agent, in a task of its own. It begins when all commands are green; see [done.md](../done.md)."},
		{path: "checks.NAME.prompt", kind: kindText, doc: "Of a review: what it is to look at."},
		{path: "checks.NAME.model", kind: kindText, def: "the agent's", doc: "Of a review: the model."},
		{path: "checks.NAME.cost_usd", kind: kindAmount, def: "none", doc: "Of a review: what it may cost, at list prices."},
		{path: "done.scope", kind: kindGlobs, def: "all files", doc: "Patterns of the files that a task may change, such as `\"src/**\"`; a directory stands for all that is below it. `muster dispatch --scope` adds to it."},
		{path: "done.outside_scope", kind: kindWord, words: reactions(), def: `"back"`, doc: "What happens to finished work that changed other files: `\"back\"` sends it to its agent with the reason, as a red check does, `\"park\"` asks a person, and `\"allow\"` takes it."},
		{path: "done.deleted_tests", kind: kindWord, words: reactions(), def: `"back"`, doc: "The same for files with tests that are gone, and not moved."},
		{path: "done.prose_only", kind: kindWord, words: reactions(), def: `"allow"`, doc: "The same for work that changed nothing but texts for people, such as `.md`."},
		{path: "done.check_config", kind: kindWord, words: reactions(), def: `"allow"`, doc: "The same for changes of `muster.toml`, and of files that the command of a check names and that were there before."},
		{path: "done.too_large", kind: kindWord, words: reactions(), def: `"park"`, doc: "The same for work beyond one of the two limits that follow."},
		{path: "done.max_files", kind: kindCount, max: mostChange, def: "none", doc: "Changed files."},
		{path: "done.max_lines", kind: kindCount, max: mostChange, def: "none", doc: "Added and removed lines."},
		{path: "merge.style", kind: kindWord, words: mergeStyles(), def: `"merge"`, doc: "What the base branch gets: one merge commit for each landing (`\"merge\"`), or one commit for the work of each task, without any merge commit (`\"linear\"`). See [publishing](../publishing.md#a-linear-history)."},
		{path: "done.no_change", kind: kindWord, words: reactions(), def: `"back"`, doc: "What happens if an agent ends its turn without any change: `\"back\"` asks it once, and then parks the task. With `publish = \"none\"` it is no matter."},
		{path: "workspace.setup", kind: kindText, doc: "Given to `sh -c` once in each new worktree, such as `npm ci`."},
		{path: "workspace.copy", kind: kindPaths, def: "[]", doc: "Files that git does not carry, copied from the checkout into each new worktree, such as `.env`."},
		{path: "agents.NAME.kind", kind: kindWord, words: kinds(), def: "NAME, if it is a kind", doc: "What sort of program it is."},
		{path: "agents.NAME.command", kind: kindArgv, doc: "The program and its arguments, run without a shell. Placeholders for kind `command`: `{prompt} {prompt_file} {worktree} {task}`."},
		{path: "agents.NAME.args", kind: kindList, def: "[]", doc: "Further arguments."},
		{path: "agents.NAME.env.VAR", kind: kindEnv, doc: "A variable for the agent's environment. No secrets: the file is shared; name them in `env_from`."},
		{path: "agents.NAME.env_from", kind: kindNames, def: "[]", doc: "Names of variables that are handed on from the environment the fleet was started with."},
		{path: "agents.NAME.model", kind: kindText, def: "the agent's own", doc: "The model, in the agent's own words."},
		{path: "agents.NAME.trust", kind: kindWord, words: []string{trustInherit, trustSandboxed}, def: `"inherit"`, doc: "Whether a worktree is trusted as the user's own set-up trusts its repository, or because it is sandboxed."},
		{path: "accounts.NAME.agent", kind: kindName, def: "NAME, if it is an agent", doc: "Which tasks may use the account: those of this agent, or of all agents of this kind that have no account of their own."},
		{path: "accounts.NAME.env.VAR", kind: kindEnvPath, doc: "A variable that selects the account, such as `CLAUDE_CONFIG_DIR = \"~/.claude-work\"`. It wins over the agent's. No secrets: name them in `env_from`."},
		{path: "accounts.NAME.env_from.VAR", kind: kindVariable, doc: "The variable of the environment the fleet was started with whose value the agent's variable gets, such as `ANTHROPIC_API_KEY = \"WORK_KEY\"`."},
		{path: "accounts.NAME.max_agents", kind: kindCount, max: mostCount, def: "no limit of its own", doc: "Agents that run on the account at once, besides `fleet.max_agents`."},
		{path: "accounts.NAME.spread", kind: kindDuration, min: second, def: "`\"10s\"`", doc: "The pause between two agents that are woken after a rest. The first one goes alone."},
		{path: "accounts.NAME.prefer_below", kind: kindCount, min: 1, max: 100, def: "`90`", doc: "Percent of a usage limit. Above it new work goes to another account, if one is free."},
		{path: "accounts.NAME.budget.cost_usd", kind: kindAmount, def: "none", doc: "What the tasks on the account may cost from one `budget.night.since` to the next, at list prices. Then the account rests until it is renewed."},
		{path: "accounts.NAME.budget.tokens", kind: kindTokens, def: "none", doc: "Tokens that they may use in this time, counted as in `budget.task.tokens`."},
		{path: "accounts.NAME.budget.soft", kind: kindShare, def: "0.8", doc: "The share of a limit from which on no task is begun on the account; those that have begun go on."},
		{path: "accounts.NAME.budget.hard", kind: kindBool, def: "false", doc: "Whether agents at work are interrupted when a limit is reached. Otherwise each ends its turn."},
		{path: "permission.N.tool", kind: kindText, def: "every tool", doc: "What the request is about: `run` a command, `edit` or `read` a file, `fetch`, `mcp`, `plan`, `question`, `other`. Or a tool by its agent's own name, such as `\"claude:WebFetch\"` or `\"mcp:github/*\"`."},
		{path: "permission.N.command", kind: kindScript, def: "every command", doc: "Of `run`: a pattern for one simple command, such as `\"git push*\"`; `*` matches anything in it. Each part of a compound command is judged by itself."},
		{path: "permission.N.path", kind: kindText, def: "every file", doc: "Of `edit` and `read`: a pattern relative to the worktree, such as `\"docs/**\"`. Files outside of it, also by a link, match only absolute patterns."},
		{path: "permission.N.action", kind: kindWord, words: []string{string(event.PermissionAllow), string(event.PermissionDeny), string(event.PermissionAsk)}, doc: "What happens to the request: `ask` waits for `muster answer`."},
		{path: "permission.N.reason", kind: kindText, doc: "Is told to the agent with a denial."},
		{path: "permission.N.wait", kind: kindDuration, min: second, def: "`task.wait_limit`", doc: "Of `ask`: how long the request stays open."},
		{path: "permission.N.default", kind: kindWord, words: []string{string(event.DefaultPark), string(event.DefaultDeny), string(event.DefaultRecommended)}, def: `"park"`, doc: "Of `ask`: what happens if nobody answers in time. `\"park\"` parks the task, `\"deny\"` lets the agent go on another way, and `\"recommended\"` answers a question by its first option."},
		{path: "budget.task.cost_usd", kind: kindAmount, def: "none", doc: "What a task may cost, at list prices. Then it is interrupted and parked with reason `budget`; `muster retry` grants the same again."},
		{path: "budget.task.tokens", kind: kindTokens, def: "none", doc: "Tokens that a task may use: input that does not come from a cache, cache writes, and output."},
		{path: "budget.task.turns", kind: kindCount, max: mostCount, def: "none", doc: "Answers of the model, each of which may call tools."},
		{path: "budget.task.wall", kind: kindDuration, def: "none", doc: "Time in which the agent can work. As with `task.timeout`, waiting does not count; but the task is parked and not failed."},
		{path: "budget.task.soft", kind: kindShare, def: "0.8", doc: "The share of any of these limits at which the agent is told, once, to come to an end. 1 means never."},
		{path: "budget.night.since", kind: kindClock, def: `"18:00"`, doc: "The time of day, in the local zone, at which the budgets of the night and of accounts are renewed. Only in the user's file, like all of `[budget.night]`."},
		{path: "budget.night.cost_usd", kind: kindAmount, def: "none", doc: "What all tasks of the fleet may cost from one `since` to the next, at list prices. Then the fleet rests until it is renewed, or until `muster accounts wake budget:night`."},
		{path: "budget.night.tokens", kind: kindTokens, def: "none", doc: "Tokens that they may use in this time, counted as in `budget.task.tokens`."},
		{path: "budget.night.soft", kind: kindShare, def: "0.8", doc: "The share of a limit from which on no task is begun; those that have begun go on."},
		{path: "budget.night.hard", kind: kindBool, def: "false", doc: "Whether agents at work are interrupted when a limit is reached. Otherwise each ends its turn."},
		{path: "prices.NAME.input", kind: kindAmount, doc: "USD for a million tokens of input."},
		{path: "prices.NAME.output", kind: kindAmount, doc: "USD for a million tokens of output."},
		{path: "prices.NAME.cache_read", kind: kindAmount, def: "as input", doc: "USD for a million tokens that are read from a cache."},
		{path: "prices.NAME.cache_write", kind: kindAmount, def: "as input", doc: "USD for a million tokens that are written to a cache of five minutes. A cache of an hour costs twice the input."},
		{path: "fence.mode", kind: kindWord, words: []string{FenceOff, FenceOn}, def: `"off"`, doc: "Whether agents, checks and setup are fenced in: they can then use only what is granted. A machine that cannot do that refuses the task."},
		{path: "fence.read", kind: kindFiles, def: "[]", doc: "Further files and directories that may be read and executed, such as `~/sdk`. Only in the user's file."},
		{path: "fence.write", kind: kindFiles, def: "[]", doc: "Further files and directories that may be changed. Refused are `/`, `~`, the state directory, `~/.ssh`, `~/.gnupg`, `~/.aws`, `~/.config/gh`, and what holds one of them. Only in the user's file."},
		{path: "fence.unix", kind: kindWord, words: []string{UnixAllow, UnixDeny}, def: `"deny"`, doc: "Whether Unix sockets may be made. Through them run docker, tmux, ssh-agent and systemd, outside of the fence: `\"allow\"` opens it to an agent that means to get out."},
		{path: "fence.tcp", kind: kindPorts, def: `"any"`, doc: "The TCP ports that may be connected to, such as `[443]`. Names of hosts cannot be listed, and UDP stays open."},
		{path: "fence.cache", kind: kindWord, words: []string{CacheUser, CacheRepository, CacheTask}, def: `"repository"`, doc: "Where builds keep their caches: the user's own, one of the fleet for each repository, one for each task."},
		{path: "fence.git", kind: kindWord, words: []string{GitCommit, GitRead}, def: `"commit"`, doc: "`\"commit\"`: the agent may commit on branches below `muster/`. `\"read\"`: it changes files only."},
		{path: "notify.quiet", kind: kindSpans, def: "[]", doc: "Spans of the day, in the local zone, in which nothing is sent but that the fleet stands still, such as `\"23:00-07:00\"`. What waited is told at their end, with a digest."},
		{path: "notify.digest", kind: kindClock, def: "at the end of quiet", doc: "The time of day at which what happened since the last digest is told, if anything did."},
		{path: "notify.NAME.kind", kind: kindWord, words: []string{ChannelNtfy, ChannelDesktop, ChannelWebhook, ChannelCommand}, doc: "How the channel reaches you."},
		{path: "notify.NAME.url", kind: kindText, def: "`https://ntfy.sh` for ntfy", doc: "Of `ntfy` the server, of `webhook` an address without a secret."},
		{path: "notify.NAME.url_from", kind: kindVariable, doc: "Of `webhook`: the variable of the environment the fleet was started with that has the address. The addresses of Slack and Discord are secrets."},
		{path: "notify.NAME.topic_from", kind: kindVariable, doc: "Of `ntfy`: the variable that has the topic, which is as good as a password."},
		{path: "notify.NAME.token_from", kind: kindVariable, def: "none", doc: "Of `ntfy` and `webhook`: the variable that has an access token, which is sent as `Authorization: Bearer`."},
		{path: "notify.NAME.shape", kind: kindWord, words: []string{ShapeJSON, ShapeSlack, ShapeDiscord}, def: `"json"`, doc: "Of `webhook`: what it gets."},
		{path: "notify.NAME.command", kind: kindArgv, doc: "Of `command`: the program and its arguments, run without a shell. It gets the same JSON on its standard input, and has 10 seconds."},
		{path: "notify.NAME.detail", kind: kindWord, words: []string{DetailName, DetailQuestion, DetailFull}, def: "`\"question\"`, and `\"name\"` at ntfy.sh", doc: "What leaves the machine: the id and name of the task, also the first line of what its agent asks or why it is parked, or all of the text that muster keeps."},
		{path: "notify.NAME.answer", kind: kindWord, words: []string{AnswerNone, AnswerQuestion, AnswerAll}, def: `"none"`, doc: "Of `ntfy`: what its buttons may answer: questions, or (`\"all\"`, on a server of your own) permissions, too."},
		{path: "forges.NAME.host", kind: kindText, doc: "The host of the forge, as in the URL of the remote."},
		{path: "forges.NAME.command", kind: kindArgv, doc: "The program and its arguments, run without a shell. It gets one request as JSON on its standard input, and answers in JSON."},
		{path: "recurring.NAME.cron", kind: kindText, doc: "When: minute, hour, day of the month, month and day of the week, as cron reads them, or `@daily` and the like."},
		{path: "recurring.NAME.zone", kind: kindText, def: "the local one", doc: "The zone of these times, such as `\"Europe/Berlin\"`. A time that a change of clocks leaves out is the first minute after it; one that is there twice counts once."},
		{path: "recurring.NAME.missed", kind: kindWord, words: []string{string(life.MissedSkip), string(life.MissedOnce), string(life.MissedAll)}, def: `"once"`, doc: "What happens to runs whose time has passed while no supervisor was there: none is made up for, the newest one, or all of them, at most 50."},
		{path: "recurring.NAME.file", kind: kindFile, doc: "The file of tasks, TOML or Markdown, as `muster dispatch --file` takes it. It is read at each run."},
		{path: "recurring.NAME.repo", kind: kindFile, def: "as the tasks say", doc: "The checkout that the tasks are for."},
		{path: "recording.mode", kind: kindWord, words: []string{RecordingOn, RecordingOff}, def: `"on"`, doc: "Whether what the terminal of an agent shows is recorded for `muster replay`. It costs one small process for each running agent."},
		{path: "recording.size", kind: kindSize, min: leastRecording, def: `"16MiB"`, doc: "What the recordings of one task may take on the disk, compressed; at least 2 MiB. One agent process gets half of it, and of more than that its beginning and its end are kept. The recordings of the oldest ones make room."},
		{path: "fleet.max_agents", kind: kindCount, max: mostCount, def: "two a core, as memory allows", doc: "Agents that run at once."},
		{path: "fleet.max_checks", kind: kindCount, max: mostCount, def: "half the cores", doc: "Checks that run at once."},
		{path: "fleet.min_free_memory", kind: kindSize, def: `"512MiB"`, doc: "With less memory free than this no agent is started."},
		{path: "fleet.min_free_disk", kind: kindSize, def: `"1GiB"`, doc: "With less room than this where the state lies no agent is started."},
		{path: "fleet.wait", kind: kindDuration, min: second, def: `"15m"`, doc: "Default of `task.wait_limit`."},
		{path: "fleet.tmux_conf", kind: kindFile, def: "none", doc: "A file that muster's own tmux server sources after its generated configuration."},
		{path: "fleet.deadman_url", kind: kindText, def: "none", doc: "An address that gets a GET each minute in which the supervisor judged every agent, for a service that raises the alarm when it gets none."},
	}
	agents := slices.IndexFunc(rows, func(k key) bool { return k.path == "permission.N.tool" })
	return slices.Insert(rows, agents, recipeKeys()...)
}

// mostChange bounds the limits of a change.
const mostChange = 10_000_000

// reactions returns the words of event.Reaction.
func reactions() []string {
	return []string{string(event.ReactionAllow), string(event.ReactionBack), string(event.ReactionPark)}
}

// Words of agents.NAME.trust; the first is stored as "".
const (
	trustInherit   = "inherit"
	trustSandboxed = "sandboxed"
)

func mergeStyles() []string {
	return []string{string(event.MergeStyleMerge), string(event.MergeStyleLinear)}
}

func publishWords() []string {
	var words []string
	for _, p := range []event.Publish{
		event.PublishNone, event.PublishBranch, event.PublishPush, event.PublishPR, event.PublishMerge,
	} {
		words = append(words, string(p))
	}
	return words
}

// tables lists the paths that are tables and not values, with their purposes.
func tables() []section {
	return []section{
		{"task", "Defaults of a task; flags of `muster dispatch` override them."},
		{"checks", "What judges an agent's work, in this order. Only in a project's `" + ProjectFile + "`."},
		{"done", "What finished work must show besides green checks. A task that is parked for it has the key as its reason; `muster retry --allow REASON` takes the work as it is."},
		{"merge", "How `publish = \"merge\"` lands work."},
		{"workspace", "What a new worktree needs."},
		{"agents", "Agents and how they are started. The names `" + strings.Join(kinds(), "`, `") + "` exist without any configuration."},
		{"accounts", "Accounts of the agents' services, in the order of preference; see [accounts.md](../accounts.md). Without any, each agent has one implied account of its name. Only in the user's `" + UserFile + "`."},
		{"permission", "Rules for what agents ask, in `[[double brackets]]`; see [permissions.md](../permissions.md). The first that matches decides. The user's denials come first, then the rules of the project's `" + ProjectFile + "`, then the user's others."},
		{"budget", "What a task may use before a person is asked, and all tasks in a night; see [budgets.md](../budgets.md). A limit of 0 is none."},
		{"prices", "What models cost, before muster's own table. NAME is the name of a model in quotes, in which `*` matches any characters: `[prices.\"claude-sonnet-5*\"]`. The longest that matches wins."},
		{"fence", "What agents, checks and setup may use of the machine; see [security.md](../security.md). A project's `" + ProjectFile + "` can only narrow what the user's `" + UserFile + "` allows."},
		{"notify", "Who is told in the night, and when; see [notifications.md](../notifications.md). `[notify.NAME]` is one channel. Without any, nothing is sent. Only in the user's `" + UserFile + "`."},
		{"forges", "Programs of yours that stand for forges other than GitHub; see [publishing.md](../publishing.md#another-forge). Only in the user's `" + UserFile + "`."},
		{"recurring", "Tasks that are dispatched by a schedule; see [recurring.md](../recurring.md). Only in the user's `" + UserFile + "`."},
		{"recording", "What is recorded of the terminals of agents; see [replay.md](../replay.md)."},
		{"fleet", "What concerns this machine. Only in the user's `" + UserFile + "`."},
	}
}

// section is a top-level table.
type section struct{ name, doc string }
