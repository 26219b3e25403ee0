package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/status"
)

// turn is the list of steps between a prompt and the end of its turn.
type turn []step

// step is one line of a script.
type step struct {
	verb string
	once bool          // skipped if this conversation has executed it
	name string        // of a tool, a file, a kind
	text string        // note, content, command, question
	opts []string      // of a question; flags of fork
	wait time.Duration // duration
	n    int64         // count, status, bytes
	more []float64     // of usage
}

// verbs returns the verbs of scripts with their arguments, in the order of the documentation.
func verbs() []verb {
	return []verb{
		{"work", "DURATION [NOTE]", durationText},
		{"tool", "NAME DURATION", nameDuration},
		{"write", "PATH <<TEXT (\\n and \\t are understood)", nameText},
		{"append", "PATH TEXT", nameText},
		{"delete", "PATH", onlyName},
		{"run", "COMMAND for sh -c", onlyText},
		{"check", "", nothing},
		{"ask", "permission TOOL TEXT | question \"TEXT\" A|B", question},
		{"say", "TEXT", onlyText},
		{"done", "", nothing},
		{"idle", "", nothing},
		{"error", "KIND", errorKind},
		{"limited", "DURATION", durationText},
		{"fail", "", nothing},
		{"exit", "STATUS", onlyCount},
		{"crash", "", nothing},
		{"hang", "[hard]", optional("hard")},
		{"stop-self", "", nothing}, // tmux continues the stopped process of a pane at once
		{"flood", "SIZE", size},
		{"ignore-enter", "COUNT", onlyCount},
		{"no-record", "", nothing},
		{"fork", "COUNT [setsid] [clearenv]", fork},
		{"usage", "INPUT OUTPUT COST", usage},
		{"garbage", "", nothing},
		{"stale", "", nothing},
		{"slow-start", "DURATION", durationText},
		{"background", "DURATION", durationText},
		{"mark", "WORD", onlyName},
		{"await-file", "PATH", onlyName},
	}
}

type verb struct {
	name, usage string
	parse       func(s *step, rest string) error
}

// block returns the content of the fenced block with language sim in a text.
func block(text string) (script string, ok bool) {
	inside := false
	var b strings.Builder
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch {
		case !inside && (trimmed == "```sim" || trimmed == "~~~sim"):
			inside = true
		case inside && (trimmed == "```" || trimmed == "~~~"):
			return b.String(), true
		case inside:
			b.WriteString(line)
		}
	}
	return b.String(), inside
}

// parseScript parses a script: turns separated by lines of three dashes. Blank lines and # comments are ignored.
func parseScript(text string) ([]turn, error) {
	turns := []turn{{}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if line == "---" {
			turns = append(turns, turn{})
			continue
		}
		s, err := parseStep(line)
		if err != nil {
			return nil, fmt.Errorf("script line %d: %w", number, err)
		}
		turns[len(turns)-1] = append(turns[len(turns)-1], s)
	}
	return turns, nil
}

func parseStep(line string) (step, error) {
	var s step
	if rest, ok := strings.CutPrefix(line, "once "); ok {
		s.once, line = true, strings.TrimSpace(rest)
	}
	name, rest := word(line)
	if name == "crash-once" {
		s.once, name = true, "crash"
	}
	all := verbs()
	i := slices.IndexFunc(all, func(v verb) bool { return v.name == name })
	if i < 0 {
		return step{}, fmt.Errorf("unknown verb %q", name)
	}
	s.verb = name
	if err := all[i].parse(&s, rest); err != nil {
		return step{}, fmt.Errorf("%s %s: %w", name, all[i].usage, err)
	}
	return s, nil
}

// word splits off the first word.
func word(s string) (first, rest string) {
	first, rest, _ = strings.Cut(strings.TrimSpace(s), " ")
	return first, strings.TrimSpace(rest)
}

func nothing(_ *step, rest string) error {
	if rest != "" {
		return fmt.Errorf("unexpected %q", rest)
	}
	return nil
}

func onlyText(s *step, rest string) error {
	s.text = rest
	return needed(rest)
}

func onlyName(s *step, rest string) error {
	s.name = rest
	return needed(rest)
}

func needed(text string) error {
	if text == "" {
		return fmt.Errorf("an argument is missing")
	}
	return nil
}

func durationText(s *step, rest string) error {
	d, text := word(rest)
	s.text = text
	return duration(s, d)
}

func duration(s *step, text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a duration", text)
	}
	s.wait = d
	return nil
}

func nameDuration(s *step, rest string) error {
	var d string
	s.name, d = word(rest)
	return duration(s, d)
}

func nameText(s *step, rest string) error {
	s.name, s.text = word(rest)
	s.text = strings.TrimPrefix(s.text, "<<")
	s.text = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t").Replace(s.text)
	return needed(s.name)
}

func onlyCount(s *step, rest string) error {
	n, err := strconv.ParseUint(rest, 10, 31)
	if err != nil {
		return fmt.Errorf("%q is not a number", rest)
	}
	s.n = int64(n)
	return nil
}

func optional(flags ...string) func(*step, string) error {
	return func(s *step, rest string) error {
		s.opts = strings.Fields(rest)
		for _, f := range s.opts {
			if !slices.Contains(flags, f) {
				return fmt.Errorf("%q is not one of %s", f, strings.Join(flags, ", "))
			}
		}
		return nil
	}
}

func fork(s *step, rest string) error {
	n, flags := word(rest)
	if err := onlyCount(s, n); err != nil {
		return err
	}
	if s.n > 100 {
		return fmt.Errorf("%d are too many", s.n)
	}
	return optional("setsid", "clearenv")(s, flags)
}

func size(s *step, rest string) error {
	digits := strings.TrimRight(rest, "KMBi")
	if err := onlyCount(s, digits); err != nil {
		return err
	}
	switch rest[len(digits):] {
	case "", "B":
	case "K", "KB", "KiB":
		s.n <<= 10
	case "M", "MB", "MiB":
		s.n <<= 20
	default:
		return fmt.Errorf("%q is not a size", rest)
	}
	return nil
}

func errorKind(s *step, rest string) error {
	s.name = rest
	if !slices.Contains(status.ErrorKinds(), event.ErrorKind(rest)) {
		return fmt.Errorf("%q is not a kind of error", rest)
	}
	return nil
}

func usage(s *step, rest string) error {
	for _, w := range strings.Fields(rest) {
		n, err := strconv.ParseFloat(w, 64)
		if err != nil || n < 0 || n > 1e15 {
			return fmt.Errorf("%q is not a number", w)
		}
		s.more = append(s.more, n)
	}
	if len(s.more) != 3 {
		return fmt.Errorf("it takes three numbers")
	}
	return nil
}

func question(s *step, rest string) error {
	s.name, rest = word(rest)
	switch s.name {
	case string(event.WaitPermission):
		tool, text := word(rest)
		s.opts, s.text = []string{tool}, text
		return needed(tool)
	case string(event.WaitQuestion):
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return fmt.Errorf("the question is not in quotes")
		}
		s.text, _ = strconv.Unquote(quoted)
		if options := strings.TrimSpace(rest[len(quoted):]); options != "" {
			s.opts = strings.Split(options, "|")
		}
		return needed(s.text)
	}
	return fmt.Errorf("%q is neither permission nor question", s.name)
}

// has reports whether a turn has a step with the verb.
func (t turn) has(verb string) bool {
	return slices.ContainsFunc(t, func(s step) bool { return s.verb == verb })
}

// unscripted returns the turn of a prompt without a script: a second of work, and the prompt's first line in a file.
func unscripted(task, prompt string) turn {
	first := ""
	for line := range strings.Lines(prompt) {
		if first = strings.TrimSpace(line); first != "" {
			break
		}
	}
	return turn{
		{verb: "work", wait: time.Second},
		{verb: "write", name: "sim-" + task + ".txt", text: first},
	}
}
