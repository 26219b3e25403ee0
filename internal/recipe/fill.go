package recipe

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"muster/internal/text"
)

// placeholders are the names that a text of a launch may have in braces.
var placeholders = []string{
	"prompt", "goon", "prompt_file", "session", "worktree", "gen_dir", "muster", "task", "home", "agent_home", "preamble", "args", "model",
}

// inText are those that the content of a file may have.
var inText = []string{"prompt_file", "session", "worktree", "gen_dir", "muster", "task", "home", "agent_home", "preamble"}

var placeholder = text.Pattern(`\{[a-z_]+\}`)

// unknown returns the first placeholder of a word that does not exist; "" if all exist.
func unknown(word string) string {
	for _, p := range placeholder().FindAllString(word, -1) {
		if !slices.Contains(placeholders, strings.Trim(p, "{}")) {
			return p
		}
	}
	return ""
}

// has reports whether a word of a command line has a placeholder.
func has(words []string, name string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, "{"+name+"}") })
}

// Fill replaces the placeholders of a text in one pass, so that no value is read again. Names without a value stay.
func Fill(template string, values map[string]string) string {
	return placeholder().ReplaceAllStringFunc(template, func(p string) string {
		if v, ok := values[strings.Trim(p, "{}")]; ok {
			return v
		}
		return p
	})
}

// FillFile replaces the placeholders in the content of a file. In a .json or .jsonc file values are escaped as within a string.
func FillFile(name, content string, values map[string]string) string {
	some := map[string]string{}
	for _, p := range inText {
		v, ok := values[p]
		if !ok {
			continue
		}
		if ext := path.Ext(name); ext == ".json" || ext == ".jsonc" {
			v = inJSON(v)
		}
		some[p] = v
	}
	return Fill(content, some)
}

// Answer returns an answer for the agent with a text in the place of {name}, escaped as within a string.
func Answer(template, name, words string) string {
	return strings.ReplaceAll(template, "{"+name+"}", inJSON(words))
}

// inJSON returns a text as it stands between the quotes of a JSON string.
func inJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return string(b[1 : len(b)-1])
}

// checkAnswer returns what is wrong with a template of an answer; "" if nothing is.
func checkAnswer(template, name string) string {
	if !json.Valid([]byte(Answer(template, name, "x"))) {
		return fmt.Sprintf("is no JSON, also with a text in the place of {%s}", name)
	}
	return ""
}
