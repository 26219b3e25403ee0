package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"muster/internal/config"
	"muster/internal/fault"
)

// taskTable is one [[task]] of a tasks file.
type taskTable struct {
	dispatchOptions
	Prompt     string `toml:"prompt"`
	PromptFile string `toml:"prompt_file"`
}

// readTasksFile reads the tables of a tasks file; what a table leaves out comes from the flags.
func readTasksFile(env Env, o dispatchOptions, path string) ([]order, error) {
	name, data, err := openTasksFile(env, &path)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Task []taskTable `toml:"task"`
	}
	dec := toml.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, tomlFault(name, err)
	}
	lines := tableLines(data)
	if len(doc.Task) == 0 || len(lines) != len(doc.Task) { // [task] would do for the decoder
		return nil, fault.New(fault.Usage, "%s: no [[task]] in double brackets", name).
			WithHint("Write one table for each task:\n  [[task]]\n  prompt = \"…\"")
	}
	var out []order
	for i, t := range doc.Task {
		o := order{options: o.under(t.dispatchOptions), file: name, line: lines[i]}
		if o.prompt, err = t.text(filepath.Dir(path)); err != nil {
			return nil, o.placed(err)
		}
		out = append(out, o)
	}
	return out, nil
}

// openTasksFile reads all of the file; its path becomes absolute, and a short name is given for errors.
func openTasksFile(env Env, path *string) (name string, data []byte, err error) {
	if *path == "-" {
		*path, name = filepath.Join(env.Dir, "-"), "standard input"
		data, err = io.ReadAll(env.Stdin)
	} else {
		if !filepath.IsAbs(*path) {
			*path = filepath.Join(env.Dir, *path)
		}
		name = filepath.Base(*path)
		data, err = os.ReadFile(*path)
	}
	if err != nil {
		code := fault.Usage
		if errors.Is(err, os.ErrNotExist) {
			code = fault.NotFound
		}
		return "", nil, fault.Wrap(code, err, "--file").WithHint("Give --file the path of a TOML file with [[task]] tables.")
	}
	return name, data, nil
}

// text is the prompt of a table: in it, or in a file beside the tasks file.
func (t taskTable) text(dir string) (string, error) {
	switch {
	case t.Prompt != "" && t.PromptFile != "":
		return "", fault.New(fault.Usage, "a task has prompt and prompt_file").WithHint("Leave one of them out.")
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

// tableLines are the lines on which the tables [[task]] begin, in their order. The document is known to be right.
func tableLines(data []byte) []int {
	var lines []int
	p := unstable.Parser{}
	p.Reset(data)
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind != unstable.ArrayTable {
			continue
		}
		for key := e.Key(); key.Next(); {
			lines = append(lines, p.Shape(key.Node().Raw).Start.Line)
		}
	}
	return lines
}

// tomlFault says where a tasks file is wrong.
func tomlFault(name string, err error) error {
	keys := taskKeys()
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(strict.Errors) > 0 {
		row, col := strict.Errors[0].Position()
		path := strict.Errors[0].Key()
		key := path[len(path)-1]
		hint := fmt.Sprintf("A [[task]] may have: %s.", strings.Join(keys, ", "))
		if near := config.Nearest(key, keys); near != "" {
			hint = fmt.Sprintf("Did you mean `%s`? %s", near, hint)
		}
		return fault.New(fault.Usage, "%s:%d:%d: unknown key `%s`", name, row, col, key).WithHint("%s", hint)
	}
	dec, ok := errors.AsType[*toml.DecodeError](err)
	if !ok {
		return fault.Wrap(fault.Usage, err, "%s", name)
	}
	row, col := dec.Position()
	if path := dec.Key(); len(path) > 1 && slices.Contains(keys, path[1]) {
		return fault.New(fault.Usage, "%s:%d:%d: %s must be %s", name, row, col, path[1], keyWants(path[1])).
			WithHint("`muster dispatch --help` shows a whole file.")
	}
	return fault.New(fault.Usage, "%s:%d:%d: %s", name, row, col, strings.TrimPrefix(dec.Error(), "toml: ")).
		WithHint("The file is TOML: strings are quoted, and tables stand in [[double brackets]].")
}

// taskKeys are the keys that a [[task]] may have.
func taskKeys() []string {
	var keys []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[taskTable]()) {
		if name := f.Tag.Get("toml"); name != "" {
			keys = append(keys, name)
		}
	}
	return keys
}

// keyWants says in words what a value of a key of [[task]] looks like.
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

// under lays the words of a table over those of the flags.
func (o dispatchOptions) under(t dispatchOptions) dispatchOptions {
	text := func(dst *string, src string) {
		if src != "" {
			*dst = src
		}
	}
	text(&o.Name, t.Name)
	text(&o.Repo, t.Repo)
	text(&o.Agent, t.Agent)
	text(&o.Command, t.Command)
	text(&o.Model, t.Model)
	text(&o.Base, t.Base)
	text(&o.Publish, t.Publish)
	text(&o.Timeout, t.Timeout)
	text(&o.Keep, t.Keep)
	o.Checks = append(slices.Clone(o.Checks), t.Checks...)
	o.Env = append(slices.Clone(o.Env), t.Env...)
	o.After = append(slices.Clone(o.After), t.After...)
	o.NoChecks = o.NoChecks || t.NoChecks
	for _, p := range []struct{ dst, src **int }{{&o.Priority, &t.Priority}, {&o.Rounds, &t.Rounds}, {&o.Attempts, &t.Attempts}} {
		if *p.src != nil {
			*p.dst = *p.src
		}
	}
	if t.Setup != nil {
		o.Setup = t.Setup
	}
	return o
}
