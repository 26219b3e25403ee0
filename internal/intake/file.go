package intake

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/fault"
)

// taskTable is one [[task]] of a tasks file.
type taskTable struct {
	Options
	Prompt     string      `toml:"prompt"`
	PromptFile string      `toml:"prompt_file"`
	Permission []ruleTable `toml:"permission"`
	// Race is a number of tasks with this order, or the names of their agents.
	Race any `toml:"race"`
}

// ruleTable is one [[task.permission]], with the keys of [[permission]] in a configuration.
type ruleTable struct {
	Tool    string `toml:"tool"`
	Command string `toml:"command"`
	Path    string `toml:"path"`
	Action  string `toml:"action"`
	Reason  string `toml:"reason"`
	Wait    string `toml:"wait"`
	Default string `toml:"default"`
}

// rule returns the rule of a table. origin is where its task is.
func (t ruleTable) rule(origin string) (event.PermissionRule, error) {
	r := event.PermissionRule{
		Tool: t.Tool, Command: t.Command, Path: t.Path, Action: event.PermissionAction(t.Action), Reason: t.Reason,
		Default: event.PermissionDefault(t.Default), Origin: origin,
	}
	if t.Wait != "" {
		if err := ParseDuration("permission.wait", t.Wait, &r.Wait); err != nil {
			return r, err
		}
	}
	return r, config.CheckRule(r)
}

// rules returns the rules of a task. origin is where the task is.
func (t taskTable) rules(origin string) (all []event.PermissionRule, err error) {
	for _, table := range t.Permission {
		r, err := table.rule(origin)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// Read parses the orders of a tasks file: tables in TOML, or one task in Markdown if the name says so. name is the file's name in
// errors, dir is the directory of a relative prompt_file, and defaults apply to options that a table does not set.
func Read(data []byte, name, dir string, defaults Options) ([]Order, error) {
	if isMarkdown(name) {
		return readMarkdown(data, name, defaults)
	}
	var doc struct {
		Task []taskTable `toml:"task"`
	}
	dec := toml.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, tomlFault(name, err)
	}
	lines := tableLines(data)
	if len(doc.Task) == 0 || len(lines) != len(doc.Task) { // the decoder accepts [task], too
		return nil, fault.New(fault.Usage, "%s: no [[task]] in double brackets", name).
			WithHint("Write one table for each task:\n  [[task]]\n  prompt = \"…\"")
	}
	out := make([]Order, 0, len(doc.Task))
	for i, t := range doc.Task {
		o := Order{Options: defaults.with(t.Options), File: name, Line: lines[i]}
		var err error
		if o.Prompt, err = t.text(dir); err != nil {
			return nil, o.At(err)
		}
		if o.Permission, err = t.rules(fmt.Sprintf("%s:%d", name, lines[i])); err != nil {
			return nil, o.At(err)
		}
		racers, err := t.raced(o)
		if err != nil {
			return nil, o.At(err)
		}
		out = Join(out, racers)
	}
	return out, nil
}

// text returns the prompt of a table, which may be in a file beside the tasks file.
func (t taskTable) text(dir string) (string, error) {
	switch {
	case t.Prompt != "" && t.PromptFile != "":
		return "", fault.New(fault.Usage, "a task has both prompt and prompt_file").WithHint("Leave one of them out.")
	case t.PromptFile == "":
		return t.Prompt, nil
	}
	path := t.PromptFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fault.Wrap(fault.NotFound, err, "prompt_file").WithHint("A relative path starts at the directory of the tasks file.")
	}
	return string(text), nil
}

// tableLines returns the line numbers of the tables [[task]], in order. The document must be valid.
func tableLines(data []byte) []int {
	var lines []int
	line, counted := 1, 0 // Parser.Shape would count from the beginning each time
	p := unstable.Parser{}
	p.Reset(data)
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind != unstable.ArrayTable {
			continue
		}
		key := e.Key()
		key.Next()
		at := int(key.Node().Raw.Offset)
		line += bytes.Count(data[counted:at], []byte{'\n'})
		counted = at
		if !key.Next() { // not a table within one
			lines = append(lines, line)
		}
	}
	return lines
}

// wrongKey is what the TOML decoder says is wrong with the keys of a task.
type wrongKey struct {
	row, col int
	key      string // "" if the text is no TOML
	what     string
	hint     string // a similar key; "" for none
	unknown  bool
}

// wrongOf reads an error of the TOML decoder. depth is how many keys stand before those of a task. It returns false for an
// error of another kind.
func wrongOf(err error, depth int) (w wrongKey, ok bool) {
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(strict.Errors) > 0 {
		w.row, w.col = strict.Errors[0].Position()
		path := strict.Errors[0].Key()
		w.key, w.unknown = path[len(path)-1], true
		w.what = fmt.Sprintf("unknown key `%s`", w.key)
		if near := config.Nearest(w.key, taskKeys()); near != "" {
			w.hint = fmt.Sprintf("Did you mean `%s`? ", near)
		}
		return w, true
	}
	dec, ok := errors.AsType[*toml.DecodeError](err)
	if !ok {
		return w, false
	}
	w.row, w.col = dec.Position()
	w.what = strings.TrimPrefix(dec.Error(), "toml: ")
	if path := dec.Key(); len(path) > depth && slices.Contains(taskKeys(), path[depth]) {
		w.key = path[depth]
		w.what = fmt.Sprintf("%s must be %s", w.key, keyWants(w.key))
	}
	return w, true
}

// tomlFault returns the error for an invalid tasks file, with its position.
func tomlFault(name string, err error) error {
	w, ok := wrongOf(err, 1)
	if !ok {
		return fault.Wrap(fault.Usage, err, "%s", name)
	}
	hint := "The file is TOML: strings are quoted, and tables are in [[double brackets]]."
	switch {
	case w.unknown:
		hint = fmt.Sprintf("%sA [[task]] may have: %s.", w.hint, strings.Join(taskKeys(), ", "))
	case w.key != "":
		hint = "`muster dispatch --help` shows a whole file."
	}
	return fault.New(fault.Usage, "%s:%d:%d: %s", name, w.row, w.col, w.what).WithHint("%s", hint)
}

// taskKeys returns the keys that a [[task]] may have.
func taskKeys() []string {
	var keys []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[taskTable]()) {
		if name := f.Tag.Get("toml"); name != "" {
			keys = append(keys, name)
		}
	}
	return keys
}

// keyWants describes the value of a key of [[task]].
func keyWants(key string) string {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[taskTable]()) {
		if f.Tag.Get("toml") != key {
			continue
		}
		kind := f.Type.Kind()
		if kind == reflect.Pointer {
			kind = f.Type.Elem().Kind()
		}
		switch kind {
		case reflect.Slice:
			return "a list of strings"
		case reflect.Int:
			return "an integer"
		case reflect.Bool:
			return "true or false"
		default:
		}
	}
	return "a string"
}
