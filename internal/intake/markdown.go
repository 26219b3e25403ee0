package intake

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"

	"muster/internal/fault"
	"muster/internal/text"
)

// isMarkdown reports whether a file holds one task as Markdown.
func isMarkdown(name string) bool {
	return slices.Contains([]string{".md", ".markdown"}, strings.ToLower(filepath.Ext(name)))
}

// readMarkdown parses a file that is the prompt of one task. Its front matter, YAML between lines of --- or TOML between lines of
// +++, has the keys of a [[task]].
func readMarkdown(data []byte, name string, defaults Options) ([]Order, error) {
	front, body, err := splitFront(string(data), name)
	if err != nil {
		return nil, err
	}
	t, err := front.decode(name)
	if err != nil {
		return nil, err
	}
	o := Order{Options: defaults.with(t.Options), File: name, Prompt: strings.TrimSpace(body), Line: 1}
	if t.Prompt != "" || t.PromptFile != "" {
		return nil, o.At(fault.New(fault.Usage, "the front matter has a prompt").WithHint("The text below it is the prompt."))
	}
	if o.Permission, err = t.rules(name + ":1"); err != nil {
		return nil, o.At(err)
	}
	if o.Prompt == "" {
		return nil, o.At(fault.New(fault.Usage, "there is no text below the front matter").WithHint("The text is the prompt."))
	}
	racers, err := t.raced(o)
	if err != nil {
		return nil, o.At(err)
	}
	return racers, nil
}

// frontMatter is the head of a Markdown file.
type frontMatter struct {
	fence string // the line above and below it; "" if there is none
	text  string
}

// splitFront splits a file into its front matter and the rest.
func splitFront(s, name string) (frontMatter, string, error) {
	s = strings.ReplaceAll(strings.TrimPrefix(s, "\ufeff"), "\r\n", "\n")
	first, rest, _ := strings.Cut(s, "\n")
	fence := strings.TrimRight(first, " \t")
	if fence != "---" && fence != "+++" {
		return frontMatter{}, s, nil
	}
	at := 0
	for line := range strings.Lines(rest) {
		if strings.TrimRight(line, " \t\n") == fence {
			return frontMatter{fence, rest[:at]}, rest[at+len(line):], nil
		}
		at += len(line)
	}
	return frontMatter{}, "", fault.New(fault.Usage, "%s:1: the front matter has no end", name).WithHint("Write another line %s below its last key.", fence)
}

// decode returns the options of the front matter.
func (f frontMatter) decode(name string) (t taskTable, err error) {
	lines := map[string]int{}
	doc := f.text
	if f.fence == "---" {
		if doc, lines, err = asTOML(f.text, name); err != nil {
			return t, err
		}
	}
	dec := toml.NewDecoder(strings.NewReader(doc))
	dec.DisallowUnknownFields()
	err = dec.Decode(&t)
	if err == nil {
		return t, nil
	}
	w, ok := wrongOf(err, 0)
	if !ok {
		w.what = strings.TrimPrefix(err.Error(), "toml: ")
	}
	keys := slices.DeleteFunc(taskKeys(), func(k string) bool { return strings.HasPrefix(k, "prompt") })
	return t, fault.New(fault.Usage, "%s:%d: %s", name, cmp.Or(lines[w.key], w.row+1), w.what).
		WithHint("%sThe front matter may have: %s.", w.hint, strings.Join(keys, ", "))
}

// yamlLine finds the line in an error of the YAML decoder.
var yamlLine = text.Pattern(`line (\d+): `)

// asTOML turns front matter in YAML into TOML, so that one decoder knows the keys. lines are the lines of the keys in the file.
func asTOML(front, name string) (doc string, lines map[string]int, err error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(front), &root); err != nil {
		return "", nil, yamlFault(name, err)
	}
	if len(root.Content) == 0 {
		return "", nil, nil
	}
	lines = map[string]int{}
	top := root.Content[0]
	for i := 0; top.Kind == yaml.MappingNode && i+1 < len(top.Content); i += 2 {
		lines[top.Content[i].Value] = top.Content[i].Line + 1 // the fence is a line of its own
	}
	var keys map[string]any
	if err := top.Decode(&keys); err != nil {
		return "", nil, yamlFault(name, err)
	}
	out, err := toml.Marshal(keys)
	if err != nil {
		return "", nil, fault.Wrap(fault.Usage, err, "%s: the front matter", name)
	}
	return string(out), lines, nil
}

// yamlFault returns the error for front matter that is no YAML with keys, with its line in the file.
func yamlFault(name string, err error) error {
	what, row := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if m := yamlLine().FindStringSubmatchIndex(what); m != nil {
		if n, err := strconv.Atoi(what[m[2]:m[3]]); err == nil {
			row = n + 1
		}
		what = what[m[1]:]
	}
	return fault.New(fault.Usage, "%s:%d: %s", name, row, what).
		WithHint("Front matter between lines of --- is YAML: one `key: value` on each line. Between lines of +++ it is TOML.")
}
