package recipe

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"muster/internal/event"
)

// Problem is something wrong in a description. Path is the key, from the description on; What continues it as a sentence.
type Problem struct {
	Path       []string
	What, Hint string
}

// Key returns the dotted key of a problem.
func (p Problem) Key() string { return strings.Join(p.Path, ".") }

const (
	// maxWord bounds pointers, words and names in bytes.
	maxWord = 300
	// DefaultFirstRecord is how long a launch may take until its first record if the description does not say it.
	DefaultFirstRecord = 60 * time.Second
)

// Decode reads a description from a decoded table. It returns every problem: keys that do not exist, values of a wrong type,
// and what contradicts itself or can never match.
func Decode(table map[string]any) (event.Recipe, []Problem) {
	r := &reader{}
	out := event.Recipe{Session: event.SessionNone, FirstRecord: DefaultFirstRecord, Deliver: event.DeliverPaste}
	out.Quit = event.RecipeQuit{Interrupt: []string{"Escape"}, Signal: "TERM", Grace: 3 * time.Second}
	if shape, ok := table["hooks"].(string); ok {
		table = overlay(shapes[shape], table)
	}
	r.table(nil, table, keysOf(r, &out))
	r.check(&out)
	slices.SortStableFunc(r.wrong, func(a, b Problem) int { return strings.Compare(a.Key(), b.Key()) })
	return out, r.wrong
}

// ofSpeaker are the keys that describe an agent which speaks a protocol: all else the protocol says.
var ofSpeaker = []string{"install", "first_record", "home", "seed", "bypass", "refuse", "configures", "variables"}

// DecodeSpeaker reads the description of an agent that speaks a protocol. It has fewer keys.
func DecodeSpeaker(table map[string]any) (event.Recipe, []Problem) {
	r := &reader{}
	var out event.Recipe
	keys := keysOf(r, &out)
	maps.DeleteFunc(keys, func(name string, _ setter) bool { return !slices.Contains(ofSpeaker, name) })
	keys["first_record"] = r.duration(&out.FirstRecord, time.Second, time.Hour)
	if table != nil {
		r.table(nil, table, keys)
	}
	r.checkHome(&out)
	return out, r.wrong
}

// Owns reports whether a key of an agent belongs to its description.
func Owns(key string) bool {
	_, ok := keysOf(&reader{}, &event.Recipe{})[key]
	return ok
}

// setter reads the value of one key.
type setter func(path []string, v any)

// keysOf returns the keys of a description.
func keysOf(r *reader, out *event.Recipe) map[string]setter {
	return map[string]setter{
		"hooks":        r.word(func(string) {}, slices.Sorted(maps.Keys(shapes))...),
		"resume":       r.argv(&out.Resume),
		"install":      r.text(&out.Install),
		"session":      r.word(func(s string) { out.Session = event.RecipeSession(s) }, "pinned", "pinned_v4", "reported", "none"),
		"first_record": r.firstRecord(&out.FirstRecord),
		"files":        r.files(&out.Files),
		"home":         r.sub(map[string]setter{"variable": r.text(&out.Home.Variable), "dir": r.text(&out.Home.Dir)}),
		"seed":         r.files(&out.Seed),
		"trusted":      r.sub(map[string]setter{"file": r.text(&out.Trusted.File), "list": r.pointer(&out.Trusted.List)}),
		"bypass":       r.words(&out.Bypass),
		"refuse":       r.words(&out.Refuse),
		"configures":   r.words(&out.Configures),
		"variables":    r.words(&out.Variables),
		"fields":       r.fields(&out.Fields),
		"events":       r.events(&out.Events),
		"tools":        r.tools(&out.Tools),
		"deliver":      r.word(func(s string) { out.Deliver = event.RecipeDelivery(s) }, "paste", "none"),
		"record": r.sub(map[string]setter{
			"file": r.text(&out.Record.File), "event": r.pointer(&out.Record.Event), "time": r.pointer(&out.Record.Time),
			"prompt": r.pointer(&out.Record.Prompt), "events": r.events(&out.Record.Events),
		}),
		"usage": r.sub(map[string]setter{
			"event": r.text(&out.Usage.Event), "id": r.pointer(&out.Usage.ID), "model": r.pointer(&out.Usage.Model), "input": r.pointer(&out.Usage.Input), "output": r.pointer(&out.Usage.Output),
			"cache_read": r.pointer(&out.Usage.CacheRead), "cache_write": r.pointer(&out.Usage.CacheWrite), "cost": r.pointer(&out.Usage.Cost),
			"inclusive": r.flag(&out.Usage.Inclusive),
		}),
		"quit": r.sub(map[string]setter{
			"interrupt": r.words(&out.Quit.Interrupt), "signal": r.word(func(s string) { out.Quit.Signal = s }, "TERM", "INT", "HUP"),
			"grace": r.duration(&out.Quit.Grace, 0, time.Minute),
		}),
	}
}

// Fields are the names of the fields of a payload.
var Fields = []string{"session", "prompt", "tool", "tool_id", "input", "command", "path", "transcript", "message"}

// reader collects what is wrong.
type reader struct{ wrong []Problem }

func (r *reader) add(path []string, hint, what string, args ...any) {
	r.wrong = append(r.wrong, Problem{Path: slices.Clone(path), What: fmt.Sprintf(what, args...), Hint: hint})
}

// under returns a path with one more part.
func under(path []string, part string) []string { return append(slices.Clone(path), part) }

func (r *reader) table(path []string, v any, keys map[string]setter) {
	in, ok := v.(map[string]any)
	if !ok {
		r.add(path, "", "must be a table")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		set, known := keys[name]
		if !known {
			r.add(under(path, name), "It is one of "+strings.Join(slices.Sorted(maps.Keys(keys)), ", ")+".", "is no key of a description")
			continue
		}
		set(under(path, name), in[name])
	}
}

func (r *reader) sub(keys map[string]setter) setter {
	return func(path []string, v any) { r.table(path, v, keys) }
}

// each reads a table whose keys are of the user's choice.
func (r *reader) each(path []string, v any, set func(path []string, name string, v any)) {
	in, ok := v.(map[string]any)
	if !ok {
		r.add(path, "", "must be a table")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if name == "" || len(name) > maxWord {
			r.add(path, "", "has a key that is empty or too long")
			continue
		}
		set(under(path, name), name, in[name])
	}
}

func (r *reader) text(f *string) setter {
	return func(path []string, v any) {
		s, ok := v.(string)
		if !ok || s == "" || strings.ContainsRune(s, 0) {
			r.add(path, "", "must be a string that is not empty")
			return
		}
		*f = s
	}
}

func (r *reader) flag(f *bool) setter {
	return func(path []string, v any) {
		b, ok := v.(bool)
		if !ok {
			r.add(path, "", "must be true or false")
		}
		*f = b
	}
}

func (r *reader) pointer(f *string) setter {
	return func(path []string, v any) {
		s, ok := v.(string)
		if !ok {
			r.add(path, "", "must be a JSON pointer, such as \"/session_id\"")
			return
		}
		if what := CheckPointer(s); what != "" {
			r.add(path, "Write a JSON pointer, such as \"/tool_input/command\".", "%s", what)
			return
		}
		*f = s
	}
}

func (r *reader) word(set func(string), words ...string) setter {
	return func(path []string, v any) {
		s, ok := v.(string)
		if !ok || !slices.Contains(words, s) {
			r.add(path, "", "must be one of %s", quoted(words))
			return
		}
		set(s)
	}
}

func (r *reader) words(f *[]string) setter {
	return func(path []string, v any) {
		items, ok := v.([]any)
		if !ok {
			r.add(path, "", "must be a list of strings")
			return
		}
		out := []string{}
		for _, item := range items {
			s, ok := item.(string)
			if !ok || s == "" || strings.ContainsRune(s, 0) {
				r.add(path, "", "must be a list of strings that are not empty")
				return
			}
			out = append(out, s)
		}
		*f = out
	}
}

// argv reads a command line.
func (r *reader) argv(f *[]string) setter {
	return func(path []string, v any) {
		r.words(f)(path, v)
		r.checkWords(path, *f)
	}
}

// checkWords checks the placeholders of a command line.
func (r *reader) checkWords(path, words []string) {
	for _, w := range words {
		if p := unknown(w); p != "" {
			r.add(path, "There are "+strings.Join(placeholders, ", ")+".", "has %s, which is no placeholder", p)
		}
	}
}

func (r *reader) duration(f *time.Duration, least, most time.Duration) setter {
	return func(path []string, v any) {
		s, ok := v.(string)
		d, err := time.ParseDuration(s)
		if !ok || err != nil || d < least || d > most {
			r.add(path, `Write it like "90s" or "5m".`, "must be a duration from %s to %s", least, most)
			return
		}
		*f = d
	}
}

func (r *reader) firstRecord(f *time.Duration) setter {
	return func(path []string, v any) {
		if v == "none" {
			*f = 0
			return
		}
		r.duration(f, time.Second, time.Hour)(path, v)
	}
}

func quoted(words []string) string {
	var out []string
	for _, w := range words {
		out = append(out, fmt.Sprintf("%q", w))
	}
	return strings.Join(out, ", ")
}

// overlay returns a table with the values of another one over it. Tables within are merged.
func overlay(base, over map[string]any) map[string]any {
	out := maps.Clone(base)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range over {
		lower, ok := out[k].(map[string]any)
		upper, both := v.(map[string]any)
		if ok && both {
			v = overlay(lower, upper)
		}
		out[k] = v
	}
	return out
}
