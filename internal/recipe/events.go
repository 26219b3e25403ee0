package recipe

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/event"
)

// fields reads pointers: one, or a list of which the first with a value counts.
func (r *reader) fields(f *map[string][]string) setter {
	return func(path []string, v any) {
		out := map[string][]string{}
		keys := map[string]setter{}
		for _, name := range Fields {
			keys[name] = func(path []string, v any) {
				items, list := v.([]any)
				if !list {
					items = []any{v}
				}
				for _, item := range items {
					var p string
					if r.pointer(&p)(path, item); p != "" {
						out[name] = append(out[name], p)
					}
				}
			}
		}
		r.table(path, v, keys)
		*f = out
	}
}

// reserved lists the names in the directory of a generation that muster itself writes.
var reserved = []string{"in", "checks.json", "rules.json", "prompt.md", "granted", "recipe.json", "session.json"}

func (r *reader) files(f *map[string]string) setter {
	return func(at []string, v any) {
		out := map[string]string{}
		r.each(at, v, func(at []string, name string, v any) {
			first, _, _ := strings.Cut(name, "/")
			switch {
			case !filepath.IsLocal(name) || path.Clean(name) != name || strings.ContainsRune(name, 0):
				r.add(at, "Name files relative to the directory, without ..", "is no path within the directory")
				return
			case slices.Contains(reserved, first):
				r.add(at, "Choose another name.", "has a name that muster uses itself")
				return
			}
			var content string
			if r.text(&content)(at, v); content != "" {
				out[name] = content
			}
		})
		*f = out
	}
}

func (r *reader) tools(f *map[string]event.ToolClass) setter {
	return func(path []string, v any) {
		out := map[string]event.ToolClass{}
		r.each(path, v, func(path []string, name string, v any) {
			var words []string
			for _, c := range event.ToolClasses() {
				words = append(words, string(c))
			}
			r.word(func(s string) { out[name] = event.ToolClass(s) }, words...)(path, v)
		})
		*f = out
	}
}

// meanings are the words of a meaning.
var meanings = []string{
	"prompted", "working", "tool", "tool_ended", "waiting", "idle", "interrupted", "done", "error", "limited", "ended", "nothing",
}

// events reads meanings: a word, a table, or a list of tables of which the first that fits counts.
func (r *reader) events(f *map[string][]event.RecipeEvent) setter {
	return func(path []string, v any) {
		out := map[string][]event.RecipeEvent{}
		r.each(path, v, func(path []string, name string, v any) {
			if strings.ContainsAny(name, " \t\n\x00") || strings.HasPrefix(name, "-") {
				r.add(path, "", "is no word of a command line")
				return
			}
			items, list := v.([]any)
			if !list {
				items = []any{v}
			}
			for i, item := range items {
				m, ok := r.meaning(path, item)
				if !ok {
					return
				}
				if len(m.When) == 0 && i+1 < len(items) {
					r.add(path, "Give it `when`, or put it last.", "has a meaning that always holds before others, which can never match")
					return
				}
				out[name] = append(out[name], m)
			}
			if len(items) == 0 {
				r.add(path, "", "is an empty list")
			}
		})
		*f = out
	}
}

// meaning reads one meaning.
func (r *reader) meaning(path []string, v any) (m event.RecipeEvent, ok bool) {
	before := len(r.wrong)
	state := r.word(func(s string) { m.State = event.RecipeMeaning(s) }, meanings...)
	if s, isWord := v.(string); isWord {
		state(path, s)
		r.checkMeaning(path, m)
		return m, len(r.wrong) == before
	}
	var reasons, errs []string
	for _, w := range []event.WaitReason{event.WaitPermission, event.WaitQuestion, event.WaitDialog} {
		reasons = append(reasons, string(w))
	}
	for _, e := range []event.ErrorKind{
		event.ErrorRateLimit, event.ErrorOverloaded, event.ErrorAuth, event.ErrorBilling, event.ErrorNetwork, event.ErrorInvalidRequest, event.ErrorContextFull, event.ErrorOther,
	} {
		errs = append(errs, string(e))
	}
	r.table(path, v, map[string]setter{
		"state":  state,
		"when":   r.when(&m.When),
		"reason": r.word(func(s string) { m.Reason = event.WaitReason(s) }, reasons...),
		"error":  r.word(func(s string) { m.Error = event.ErrorKind(s) }, errs...),
		"until":  r.pointer(&m.Until),
		"note":   r.pointer(&m.Note),
		"allow":  r.text(&m.Allow),
		"deny":   r.text(&m.Deny),
		"ahead":  r.flag(&m.Ahead),
		"words":  r.text(&m.Words),
	})
	if len(r.wrong) == before {
		r.checkMeaning(path, m)
	}
	return m, len(r.wrong) == before
}

func (r *reader) when(f *map[string]any) setter {
	return func(path []string, v any) {
		out := map[string]any{}
		r.each(path, v, func(path []string, name string, v any) {
			if what := CheckPointer(name); what != "" {
				r.add(path, "The key is a JSON pointer in quotes, such as \"/recoverable\".", "can never match: it %s", what)
				return
			}
			switch v.(type) {
			case string, bool, int64, float64:
				out[name] = v
			default:
				r.add(path, "", "must be a string, a number, true or false: nothing else can be compared")
			}
		})
		if len(out) == 0 {
			r.add(path, "Leave `when` out of what always holds.", "has no condition")
		}
		*f = out
	}
}

// checkMeaning checks that a meaning has what belongs to its state, and nothing else.
func (r *reader) checkMeaning(path []string, m event.RecipeEvent) {
	is := func(states ...event.RecipeMeaning) bool { return slices.Contains(states, m.State) }
	switch {
	case m.State == "":
		r.add(under(path, "state"), "It is one of "+quoted(meanings)+".", "is missing")
	case is(event.MeansWaiting) != (m.Reason != ""):
		r.add(under(path, "reason"), "A waiting agent has reason = \"permission\", \"question\" or \"dialog\"; no other state has one.", "does not fit the state %q", m.State)
	case is(event.MeansError) != (m.Error != ""):
		r.add(under(path, "error"), "State \"error\" has error = \"other\" or a more exact one; no other state has one.", "does not fit the state %q", m.State)
	case m.Until != "" && !is(event.MeansLimited):
		r.add(under(path, "until"), "Only state \"limited\" has an end.", "does not fit the state %q", m.State)
	case is(event.MeansLimited) && m.Until == "":
		r.add(under(path, "until"), "Without an end it is state = \"error\", error = \"rate_limit\".", "is missing")
	case m.Allow != "" && (m.Reason != event.WaitPermission || m.Deny == ""):
		r.add(under(path, "allow"), "A request for permission has both allow and deny.", "has no request that it could allow")
	case m.Deny != "" && !is(event.MeansTool) && m.Allow == "":
		r.add(under(path, "deny"), "A request for permission has both allow and deny; state \"tool\" may have deny.", "has nothing to deny")
	case m.Ahead && m.Allow == "":
		r.add(under(path, "ahead"), "Only a request for permission with allow and deny comes ahead of a tool.", "has no request")
	case m.Words != "" && !is(event.MeansToolEnded):
		r.add(under(path, "words"), "Only state \"tool_ended\" has words.", "does not fit the state %q", m.State)
	}
	for key, template := range map[string]string{"allow": m.Allow, "deny": m.Deny} {
		if what := checkAnswer(template, "reason"); template != "" && what != "" {
			r.add(under(path, key), "The answer is JSON, such as '{\"decision\":\"deny\",\"reason\":\"{reason}\"}'.", "%s", what)
		}
	}
	if m.Words != "" && (!strings.Contains(m.Words, "{words}") || checkAnswer(m.Words, "words") != "") {
		r.add(under(path, "words"), "The answer is JSON with {words} in a string.", "is no answer with {words}")
	}
}

// check checks what depends on several keys.
func (r *reader) check(out *event.Recipe) {
	need := func(missing bool, key, hint, what string, args ...any) {
		if missing && !slices.ContainsFunc(r.wrong, func(p Problem) bool { return p.Path[0] == key }) {
			r.add([]string{key}, hint, what, args...)
		}
	}
	hooks, record := len(out.Events) > 0, len(out.Record.Events) > 0
	means := func(want ...event.RecipeMeaning) bool {
		return Means(out.Events, want...) || Means(out.Record.Events, want...)
	}
	need(out.FirstRecord > 0 && !hooks && !record, "events", "Describe its hooks in `events`, or its record in `record`, or set first_record = \"none\".",
		"is missing, and nothing would ever report to muster")
	need(out.FirstRecord > 0 && (hooks || record) && !means(event.MeansIdle, event.MeansDone), "events", "Name the event at which a turn ends: EVENT = \"idle\".",
		"has no end of a turn, and the work would never be judged")
	need(out.Session != event.SessionNone && hooks && len(out.Fields["session"]) == 0, "fields", "Give it session = \"/…\": another conversation must not speak for this one.",
		"has no `session`, although session is %q", out.Session)
	need(out.Session != event.SessionNone && len(out.Resume) > 0 && !has(out.Resume, "session"), "resume", "Put {session} into it.", "does not name {session}")
	need(out.Session == event.SessionNone && has(out.Resume, "session"), "resume", "Set session = \"pinned\" or \"reported\".", "names {session}, and session is \"none\"")
	need(out.FirstRecord > 0 && out.Deliver == event.DeliverPaste && !r.acknowledges(out), "deliver", "Map the event of a new prompt to \"prompted\" and give fields.prompt, or set deliver = \"none\".",
		"is \"paste\", and nothing tells that a message has arrived")
	need(out.Record.File == "" && record && len(out.Fields["transcript"]) == 0, "record", "Give its `file`, or fields.transcript.", "names no file")
	need(record && out.Record.Event == "", "record", "Give `event`, the pointer to the word of a line.", "does not say where a line has its word")
	need(!record && (out.Record.File != "" || out.Usage.Event != ""), "record", "Give [record.events].", "has no `events`")
	need(out.Usage.Event != "" && (out.Usage.Input == "" || out.Usage.Output == ""), "usage", "Give `input` and `output`.", "does not say where the tokens are")
	need(out.Usage.Event != "" && out.Usage.ID == "", "usage", "Give `id`, the pointer to what is different in each line.", "has no `id`, and a line that is read again would count twice")
	need(out.Usage.Event == "" && out.Usage != (event.RecipeUsage{}), "usage", "Give `event`, the word of the lines that have it.", "names no lines")
	need((out.Trusted.File == "") != (out.Trusted.List == ""), "trusted", "Give both `file` and `list`.", "is incomplete")
	r.checkHome(out)
	need(len(out.Quit.Interrupt) == 0, "quit", "Give it the keys, such as interrupt = [\"Escape\"].", "has no key that interrupts a turn")
	for _, name := range slices.Sorted(maps.Keys(out.Tools)) {
		need(!hooks || len(out.Fields["tool"]) == 0, "tools", "Give fields.tool, the pointer to the name of a tool.", "can never match %q: no field has the name of a tool", name)
	}
}

// checkHome checks that an agent with files in its configuration directory has such a directory.
func (r *reader) checkHome(out *event.Recipe) {
	missing := out.Home.Dir == "" && (out.Trusted.File != "" || len(out.Seed) > 0 || out.Home.Variable != "")
	if missing && !slices.ContainsFunc(r.wrong, func(p Problem) bool { return p.Path[0] == "home" }) {
		r.add([]string{"home"}, "Give home.dir, such as \".droid\".", "has no `dir`")
	}
}

// acknowledges reports whether something tells the text of a prompt.
func (r *reader) acknowledges(out *event.Recipe) bool {
	return Means(out.Events, event.MeansPrompted) && len(out.Fields["prompt"]) > 0 || Means(out.Record.Events, event.MeansPrompted) && out.Record.Prompt != ""
}

// CheckCommand returns what is wrong with the command line of a described agent.
func CheckCommand(command []string, r event.Recipe) []Problem {
	c := &reader{}
	path := []string{"command"}
	c.checkWords(path, command)
	switch {
	case len(command) == 0:
		c.add(path, `Give it one, such as command = ["droid", "{prompt}"].`, "is missing")
	case r.Session.Pinned() && !has(command, "session"):
		c.add(path, "Put {session} into it, or set session = \"reported\".", "does not name {session}, and session is %q", r.Session)
	case !has(command, "prompt") && !has(command, "prompt_file"):
		c.add(path, "Put {prompt} or {prompt_file} into it.", "does not name the prompt")
	}
	if len(r.Resume) > 0 && !has(r.Resume, "goon") && !has(r.Resume, "prompt_file") {
		c.add([]string{"resume"}, "Put {goon} or {prompt_file} into it.", "does not say how the agent is told to go on")
	}
	return c.wrong
}
