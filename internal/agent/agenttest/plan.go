package agenttest

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/mail"
)

// reserved lists the names in home.Gen.RO that an adapter must not use.
var reserved = []string{"in", "checks.json"}

// contract lists the variables that the launch sets. An adapter must not change them.
var contract = []string{"MUSTER_HOME", "MUSTER_TASK", "MUSTER_GEN", "MUSTER_STATUS_FILE", "MUSTER_WORKTREE", "PATH", "HOME"}

// maxArgument is the kernel's limit for one argument.
const maxArgument = 128 << 10

// planIsPure tests that a launch always has the same plan, and that planning writes nothing.
func planIsPure(t *testing.T, s Subject) {
	l := s.Launch(t)
	l.Messages = []mail.Message{{ID: "m1", Text: "one"}}
	unchanged(t, l, "Plan", func() {
		before := l.Spec
		a, b := Plan(t, s.Adapter, l), Plan(t, s.Adapter, l)
		if !reflect.DeepEqual(a, b) {
			t.Errorf("two plans of one launch differ:\n%+v\n%+v", a, b)
		}
		if !reflect.DeepEqual(before, l.Spec) {
			t.Errorf("Plan changed the spec to %+v", l.Spec)
		}
	})
}

// planIsComplete tests that there is a program, that the prompt file has the prompt and all messages, and that all
// files are in the generation's directory.
func planIsComplete(t *testing.T, s Subject) {
	l := s.Launch(t)
	l.Messages = []mail.Message{{ID: "m1", Text: "the first message"}, {ID: "m12", Text: "the second message"}}
	p := Plan(t, s.Adapter, l)
	if len(p.Argv) == 0 || p.Argv[0] == "" || !filepath.IsAbs(p.Argv[0]) {
		t.Fatalf("Argv is %q, want the absolute path of a program first", p.Argv)
	}
	seen := map[string]bool{}
	for _, f := range p.Files {
		first, _, _ := strings.Cut(filepath.ToSlash(f.Path), "/")
		if !filepath.IsLocal(f.Path) || slices.Contains(reserved, first) || seen[f.Path] {
			t.Errorf("file %q is outside the generation's directory, reserved, or there twice", f.Path)
		}
		if f.Mode.Perm()&0o077 != 0 {
			t.Errorf("file %q has mode %v: others could read the prompt or settings", f.Path, f.Mode)
		}
		seen[f.Path] = true
	}
	prompt, ok := promptFile(p)
	if !ok {
		t.Fatalf("no file %s: the preamble and MUSTER_PROMPT_FILE name it", agent.PromptName)
	}
	if file, _ := environ.Lookup(p.Env, "MUSTER_PROMPT_FILE"); file != agent.PromptPath(l) {
		t.Errorf("MUSTER_PROMPT_FILE is %q, want %q", file, agent.PromptPath(l))
	}
	for _, want := range []string{l.Prompt, "[muster m1]", "the first message", "[muster m12]", "the second message"} {
		if n := strings.Count(prompt, strings.TrimSpace(want)); n != 1 {
			t.Errorf("the prompt file has %q %d times, want once:\n%s", want, n, prompt)
		}
	}
}

func promptFile(p agent.Plan) (string, bool) {
	i := slices.IndexFunc(p.Files, func(f agent.File) bool { return f.Path == agent.PromptName })
	if i < 0 {
		return "", false
	}
	return string(p.Files[i].Data), true
}

// planTakesAnyPrompt tests that every prompt leads to a plan that can be executed and that changes no argument.
func planTakesAnyPrompt(t *testing.T, s Subject) {
	for name, prompt := range map[string]string{
		"option":      "--help",
		"command":     "exit",
		"slash":       "/clear",
		"bang":        "!rm -rf .",
		"blank":       " ",
		"newlines":    "\n\n\none\n\n",
		"not UTF-8":   "a\xff\xfeb",
		"NUL":         "a\x00b",
		"escapes":     "\x1b[31mred\x1b]0;title\x07",
		"placeholder": "{prompt} {worktree} $HOME `id` $(id)",
		"long":        strings.Repeat("long ", 40<<10),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := s.Launch(t)
			l.Prompt = prompt
			p, err := s.Adapter.Plan(l)
			if err != nil {
				if !fault.Is(err, fault.Usage) || fault.HintOf(err) == "" {
					t.Errorf("Plan: %v, want a plan or a fault.Usage with a hint", err)
				}
				return
			}
			options := len(Plan(t, s.Adapter, s.Launch(t)).Argv)
			if len(p.Argv) != options {
				t.Errorf("the prompt changed the number of arguments from %d to %d: %.300q", options, len(p.Argv), p.Argv)
			}
			for _, a := range p.Argv {
				if len(a) > maxArgument || strings.Contains(a, "\x00") {
					t.Errorf("an argument of %d bytes cannot be executed: %.100q", len(a), a)
				}
			}
		})
	}
}

// planEnvironment tests that the variables are well-formed and override neither the launch's nor the user's.
func planEnvironment(t *testing.T, s Subject) {
	l := s.Launch(t)
	p := Plan(t, s.Adapter, l)
	seen := map[string]bool{}
	for _, kv := range p.Env {
		name, _, ok := strings.Cut(kv, "=")
		if !ok || name == "" || strings.Contains(kv, "\x00") || seen[name] {
			t.Errorf("%q is not NAME=VALUE, or is there twice", kv)
		}
		if slices.Contains(contract, name) {
			t.Errorf("Plan changes %s, which the launch sets", name)
		}
		seen[name] = true
	}
	chosen := l
	chosen.Env = slices.Clone(l.Env)
	for name := range seen {
		if !strings.HasPrefix(name, "MUSTER_") {
			chosen.Env = append(chosen.Env, name+"=chosen by the user")
		}
	}
	for _, kv := range Plan(t, s.Adapter, chosen).Env {
		if name, _, _ := strings.Cut(kv, "="); seen[name] && !strings.HasPrefix(name, "MUSTER_") {
			t.Errorf("the user set %s, and Plan overrides it", name)
		}
	}
}

// planResumes tests that a resumed conversation is told to go on and does not get its prompt a second time.
func planResumes(t *testing.T, s Subject) {
	if !s.Adapter.Facts().Traits.Resumes {
		if s.Adapter.Resumable(s.Launch(t)) {
			t.Error("Traits.Resumes is false, and a launch is resumable")
		}
		t.Skip("this kind does not resume")
	}
	l := s.Launch(t)
	if s.Book != nil {
		s.Book.Open(t, l)
		s.Book.Take(t, l, l.Prompt)
	}
	first := Plan(t, s.Adapter, l)
	l.Gen, l.Resume, l.GoOn = l.Gen+1, true, "go on from here"
	l.Messages = []mail.Message{{ID: "m3", Text: "the check is red"}}
	p := Plan(t, s.Adapter, l)
	prompt, _ := promptFile(p)
	if strings.Contains(prompt, l.Prompt) || !strings.Contains(prompt, l.GoOn) || strings.Count(prompt, "[muster m3]") != 1 {
		t.Errorf("a resumed conversation is told %q, want the words to go on and the message, without the prompt", prompt)
	}
	if reflect.DeepEqual(first.Argv, p.Argv) {
		t.Errorf("a resume has the arguments of a first start: %q", p.Argv)
	}
	session := l.Conversation
	if s.Session != nil {
		session = s.Session(l)
	}
	if !strings.Contains(strings.Join(p.Argv, " "), session) {
		t.Errorf("the arguments of a resume do not name the conversation %s: %q", session, p.Argv)
	}
}
