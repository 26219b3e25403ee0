package generic

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/recipe"
	"muster/internal/text"
)

// Plan implements agent.Adapter.
func (a adapter) Plan(l agent.Launch) (agent.Plan, error) {
	if err := a.checkSpec(l.Spec); err != nil {
		return agent.Plan{}, err
	}
	r := a.described()
	session := r.Session.ID(l.Conversation)
	if r.Session == event.SessionReported {
		session = sessionOf(l)
		if l.Resume && session == "" {
			return agent.Plan{}, fault.New(fault.Conflict, "agent %s: the conversation %s has no session to resume", l.Spec.Agent, l.Conversation)
		}
	}
	words := a.command(l.Spec, l.Resume)
	if len(words) == 0 {
		return agent.Plan{}, fault.New(fault.Conflict, "agent %s: nothing says how a conversation is resumed", l.Spec.Agent)
	}
	argument, file := agent.FirstPrompt(l)
	if !l.Resume && !places(r, words, "preamble") {
		argument = agent.Frame(l) + "\n\n" + l.Preamble + strings.TrimPrefix(argument, agent.Frame(l))
	}
	values := a.values(l, session)
	argv := fill(words, l.Spec.Args, l.Spec.Model, values, argument)
	program, err := agent.LookPath(argv[0], l.Worktree, l.Env)
	if err != nil {
		return agent.Plan{}, fault.Wrap(fault.Conflict, err, "agent %s: no program %s", l.Spec.Agent, text.Line(argv[0], 200)).
			WithHint("A relative path is looked up in the worktree: commit the program, or copy it there by [workspace] copy.")
	}
	argv[0] = program
	known := launchFile{Kind: a.kind, Conversation: l.Conversation, Recipe: r}
	if l.Resume && r.Session == event.SessionReported {
		known.Session = session
	}
	noted, err := json.Marshal(known)
	if err != nil {
		return agent.Plan{}, fmt.Errorf("encode the description: %w", err)
	}
	files := []agent.File{agent.PromptFile(file), {Path: launchName, Data: noted, Mode: 0o600}}
	inFiles := maps.Clone(values)
	inFiles["muster"] = text.Quote(l.Exe) // there it is a word of a shell's command line
	for _, name := range sorted(r.Files) {
		files = append(files, agent.File{Path: name, Data: []byte(recipe.FillFile(name, r.Files[name], inFiles)), Mode: 0o600})
	}
	// A request that was allowed after its process was gone is allowed once for the next process.
	return agent.Plan{Argv: argv, Env: variables(l, r, values), Files: append(files, agent.Grants(l)...)}, nil
}

// values returns what the placeholders stand for, without the prompt.
func (a adapter) values(l agent.Launch, session string) map[string]string {
	return map[string]string{
		"prompt_file": agent.PromptPath(l), "session": session, "worktree": l.Worktree, "gen_dir": l.Dirs().RO(), "muster": l.Exe,
		"task": string(l.Task), "home": environ.Get(l.Env, "HOME"), "agent_home": a.home(l.Env), "preamble": l.Preamble,
	}
}

// places reports whether a placeholder is in a command line or a file.
func places(r event.Recipe, words []string, name string) bool {
	in := func(s string) bool { return strings.Contains(s, "{"+name+"}") }
	return slices.ContainsFunc(words, in) || slices.ContainsFunc(slices.Collect(maps.Values(r.Files)), in)
}

// fill returns a command line: each word is filled by itself, {args} alone becomes the further arguments, and a word with {model} is
// left out if no model is chosen. Without {args} they follow the program.
func fill(words, args []string, model string, values map[string]string, prompt string) []string {
	values = maps.Clone(values)
	values["prompt"], values["goon"], values["model"] = prompt, prompt, model
	var out []string
	for i, w := range words {
		switch {
		case w == "{args}":
			out = append(out, args...)
			continue
		case strings.Contains(w, "{model}") && model == "":
			continue
		}
		out = append(out, recipe.Fill(w, values))
		if i == 0 && !slices.Contains(words, "{args}") {
			out = append(out, args...)
		}
	}
	return out
}

// variables returns the variables of a launch besides those that it has. A choice of the user stays.
func variables(l agent.Launch, r event.Recipe, values map[string]string) []string {
	out := []string{environ.PromptFile + "=" + agent.PromptPath(l)}
	for _, name := range sorted(r.Env) {
		if _, ok := environ.Lookup(l.Env, name); !ok {
			out = append(out, name+"="+recipe.Fill(r.Env[name], values))
		}
	}
	for _, name := range sorted(l.Spec.Env) {
		raw := l.Spec.Env[name]
		if filled := recipe.Fill(raw, values); filled != raw && environ.Get(l.Env, name) == raw {
			out = append(out, name+"="+filled)
		}
	}
	return out
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
