package config

import (
	"fmt"
	"strings"

	"muster/internal/event"
	"muster/internal/recipe"
)

// recipeKeys are the rows of the keys that describe an agent of kind generic. Package recipe reads them.
func recipeKeys() []key {
	const (
		g = "Of kind `generic`: "
		b = "Of kinds `generic` and `acp`: "
	)
	rows := []key{
		{path: "agents.NAME.hooks", kind: kindWord, words: []string{kindClaude}, doc: g + "a known shape of hooks, which fills in `fields` and `events`; both may override it."},
		{path: "agents.NAME.resume", kind: kindArgv, def: "none", doc: g + "the command line that takes a conversation up again. Without it each process begins a new one, with the prompt."},
		{path: "agents.NAME.install", kind: kindText, doc: b + "the command that installs the program, for hints."},
		{path: "agents.NAME.session", kind: kindWord, words: []string{"pinned", "pinned_v4", "reported", "none"}, def: `"none"`, doc: g + "who chooses the id of a conversation: muster, by `{session}` in the command, a UUID of version 8, or of version 4 for an agent that takes no other; the agent, whose first hook reports it; nobody."},
		{path: "agents.NAME.first_record", kind: kindText, def: `"60s"`, doc: b + "how long a start may take until its first hook, or until it has opened a conversation; `\"none\"`, of kind `generic`, promises none, and the exit of the program ends its turn."},
		{path: "agents.NAME.files.VAR", kind: kindText, doc: g + "a file for the directory of the generation (`{gen_dir}`), by its path there. In a `.json` file the values of placeholders are escaped."},
		{path: "agents.NAME.home.variable", kind: kindText, doc: b + "the variable that moves the agent's configuration to another directory."},
		{path: "agents.NAME.home.dir", kind: kindText, doc: b + "that directory below the user's home directory; `{agent_home}`."},
		{path: "agents.NAME.seed.VAR", kind: kindText, doc: b + "a file for the configuration directory of a fenced agent, which has one of its own."},
		{path: "agents.NAME.trusted.file", kind: kindText, doc: g + "the JSON file below `home` with the directories that the user trusts."},
		{path: "agents.NAME.trusted.list", kind: kindText, doc: g + "the pointer to them. `muster dispatch` refuses a repository that is not among them."},
		{path: "agents.NAME.bypass", kind: kindList, def: "[]", doc: b + "arguments by which it asks for no permission; a dispatch with one of them warns."},
		{path: "agents.NAME.refuse", kind: kindList, def: "[]", doc: b + "arguments that would break a start; a dispatch with one of them is refused."},
		{path: "agents.NAME.configures", kind: kindList, def: "[]", doc: b + "files of a repository that configure the agent."},
		{path: "agents.NAME.variables", kind: kindList, def: "[]", doc: b + "variables that select its account or set-up; `*` at the end makes a prefix."},
	}
	for _, f := range recipe.Fields {
		rows = append(rows, key{path: "agents.NAME.fields." + f, kind: kindPointers, doc: g + "the pointer to this field in the payload of a hook, or a list of pointers of which the first with a value counts."})
	}
	return append(rows,
		key{path: "agents.NAME.events.VAR", kind: kindMeaning, doc: g + "what the hook `muster hook generic VAR` means; see [adapters.md](../adapters.md)."},
		key{path: "agents.NAME.tools.VAR", kind: kindWord, words: toolWords(), doc: g + "what one of its tools does, for rules and checks after edits."},
		key{path: "agents.NAME.deliver", kind: kindWord, words: []string{"paste", "none"}, def: `"paste"`, doc: g + "how a message reaches it: typed into the idle agent, or with the next process."},
		key{path: "agents.NAME.record.file", kind: kindText, def: "`fields.transcript`", doc: g + "its own record of a conversation, a file of JSON lines."},
		key{path: "agents.NAME.record.event", kind: kindText, doc: g + "the pointer to the word of a line."},
		key{path: "agents.NAME.record.time", kind: kindText, doc: g + "the pointer to the time of a line."},
		key{path: "agents.NAME.record.prompt", kind: kindText, doc: g + "the pointer to the text of a line that means `prompted`."},
		key{path: "agents.NAME.record.events.VAR", kind: kindMeaning, doc: g + "what a line with this word means."},
		key{path: "agents.NAME.usage.event", kind: kindText, doc: g + "the word of the lines that say what a call of the model used."},
		key{path: "agents.NAME.usage.id", kind: kindText, doc: g + "the pointer to their id: each counts once."},
		key{path: "agents.NAME.usage.model", kind: kindText, doc: g + "the pointer to the model, for its price."},
		key{path: "agents.NAME.usage.input", kind: kindText, doc: g + "the pointer to the tokens of the input."},
		key{path: "agents.NAME.usage.output", kind: kindText, doc: g + "the pointer to the tokens of the output."},
		key{path: "agents.NAME.usage.cache_read", kind: kindText, doc: g + "the pointer to the tokens that were read from a cache."},
		key{path: "agents.NAME.usage.cache_write", kind: kindText, doc: g + "the pointer to the tokens that were written to a cache."},
		key{path: "agents.NAME.usage.cost", kind: kindText, doc: g + "the pointer to the price in US dollars."},
		key{path: "agents.NAME.usage.inclusive", kind: kindBool, def: "false", doc: g + "whether the input includes the cached tokens."},
		key{path: "agents.NAME.quit.interrupt", kind: kindList, def: `["Escape"]`, doc: g + "the keys that interrupt a turn, as tmux names them."},
		key{path: "agents.NAME.quit.signal", kind: kindWord, words: []string{"TERM", "INT", "HUP"}, def: `"TERM"`, doc: g + "the signal that ends it."},
		key{path: "agents.NAME.quit.grace", kind: kindDuration, def: `"3s"`, doc: g + "how long that may take; then it is killed."},
	)
}

// ofRecipe reports whether a path belongs to the description of an agent, and returns the agent's name.
func ofRecipe(path []string) (name string, ok bool) {
	if len(path) < 3 || path[0] != "agents" || !recipe.Owns(path[2]) {
		return "", false
	}
	return path[1], true
}

// described notes a key of a description. finish reads them all together.
func (d *draft) described(file, name string, e entry) *complaint {
	if !validName(name) {
		return &complaint{what: fmt.Sprintf("bad name %q below [agents]", name), hint: nameRule}
	}
	if e.array {
		return &complaint{what: strings.Join(e.path, ".") + " is one table, not an array of tables", hint: "Write it with single brackets."}
	}
	a := d.agent(name)
	if a.Described == nil {
		a.Described = map[string]any{}
	}
	dotted := strings.Join(e.path, ".")
	d.setBy[dotted] = e.at.in(file)
	at := a.Described
	for _, part := range e.path[2 : len(e.path)-1] {
		next, ok := at[part].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[part] = next
		}
		at = next
	}
	last := e.path[len(e.path)-1]
	if _, below := at[last].(map[string]any); !e.table || e.value != nil {
		at[last] = e.value
	} else if !below {
		at[last] = map[string]any{} // also an empty one is there
	}
	if !e.table {
		d.Origin[dotted] = fmt.Sprintf("%s:%d", file, e.at.line)
	}
	return nil
}

// finishRecipe reads the description of an agent.
func (d *draft) finishRecipe(a *Agent) []complaint {
	if a.Kind == kindACP {
		read, problems := recipe.DecodeSpeaker(a.Described)
		a.Recipe = &read
		return d.mistakes(a, problems)
	}
	if a.Kind != kindGeneric {
		if len(a.Described) > 0 {
			return []complaint{{
				where: d.place("agents." + a.Name), what: fmt.Sprintf("agent `%s` is of kind %q and has keys of kind %q", a.Name, a.Kind, kindGeneric),
				hint: fmt.Sprintf("Set kind = %q, or remove %s.", kindGeneric, strings.Join(sortedKeys(a.Described), ", ")),
			}}
		}
		return nil
	}
	read, problems := recipe.Decode(a.Described)
	problems = append(problems, recipe.CheckCommand(a.Command, read)...)
	a.Recipe = &read
	return d.mistakes(a, problems)
}

// mistakes returns what is wrong with the description of an agent.
func (d *draft) mistakes(a *Agent, problems []recipe.Problem) []complaint {
	var wrong []complaint
	for _, p := range problems {
		wrong = append(wrong, complaint{
			where: d.nearest(append([]string{"agents", a.Name}, p.Path...)),
			what:  "agents." + a.Name + "." + p.Key() + " " + p.What, hint: p.Hint,
		})
	}
	return wrong
}

// nearest returns where a key, or else the closest table above it, was set.
func (d *draft) nearest(path []string) string {
	for n := len(path); n > 0; n-- {
		if at, ok := d.setBy[strings.Join(path[:n], ".")]; ok {
			return at
		}
	}
	return d.place(strings.Join(path[:min(2, len(path))], "."))
}

// describedRows lists the keys of a description for Show.
func (c Config) describedRows(name string) []Row {
	var rows []Row
	var walk func(path string, v any)
	walk = func(path string, v any) {
		if in, ok := v.(map[string]any); ok && c.Origin[path] == "" {
			for _, k := range sortedKeys(in) {
				walk(path+"."+k, in[k])
			}
			return
		}
		rows = append(rows, Row{Key: path, Value: literalOf(v), Origin: c.Origin[path]})
	}
	for _, k := range sortedKeys(c.Agents[name].Described) {
		walk("agents."+name+"."+k, c.Agents[name].Described[k])
	}
	return rows
}

// literalOf formats a decoded value as TOML.
func literalOf(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case []any:
		var out []string
		for _, item := range v {
			out = append(out, literalOf(item))
		}
		return "[" + strings.Join(out, ", ") + "]"
	case map[string]any:
		var out []string
		for _, k := range sortedKeys(v) {
			out = append(out, quote(k)+" = "+literalOf(v[k]))
		}
		return "{ " + strings.Join(out, ", ") + " }"
	}
	return fmt.Sprint(v)
}

func toolWords() []string {
	var words []string
	for _, c := range event.ToolClasses() {
		words = append(words, string(c))
	}
	return words
}
