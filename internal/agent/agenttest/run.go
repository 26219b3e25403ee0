package agenttest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
)

// Run runs the suite. Each requirement is a subtest, so that it can be run alone.
func Run(t *testing.T, s Subject) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"Facts", facts},
		{"Check", check},
		{"PlanIsPure", planIsPure},
		{"PlanIsComplete", planIsComplete},
		{"PlanTakesAnyPrompt", planTakesAnyPrompt},
		{"PlanLeavesTheEnvironmentAlone", planEnvironment},
		{"PlanResumes", planResumes},
		{"Hook", hook},
		{"HookTakesAnything", hookTakesAnything},
		{"Scenes", scenes},
		{"Sources", sources},
		{"Post", post},
		{"Answer", answer},
		{"Delivered", delivered},
		{"ForeignTagsCountForNothing", foreignTags},
		{"ResumesAfterAKill", resumesAfterAKill},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, s)
		})
	}
}

// facts tests that the facts never change and are valid.
func facts(t *testing.T, s Subject) {
	f := s.Adapter.Facts()
	if f.Kind == "" || strings.Trim(f.Kind, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		t.Errorf("Kind is %q, want lower-case letters, digits and dashes", f.Kind)
	}
	switch f.Traits.Door {
	case event.DoorMailbox, event.DoorPaste, event.DoorRespawn:
	default:
		t.Errorf("Traits.Door is %q, which is not a delivery channel", f.Traits.Door)
	}
	if (f.Traits.FirstRecord > 0) == f.Traits.ExitIsTurn {
		t.Errorf("FirstRecord is %s and ExitIsTurn is %v: an agent either promises a first record or ends its turn by its exit",
			f.Traits.FirstRecord, f.Traits.ExitIsTurn)
	}
	if (len(f.Interrupt.Keys) > 0) == (f.Interrupt.Signal != 0) {
		t.Errorf("Interrupt is %+v, want keys or a signal", f.Interrupt)
	}
	if f.End.Signal == 0 || f.End.Grace <= 0 || f.End.Grace.Minutes() > 1 {
		t.Errorf("End is %+v, want a signal and a grace of at most a minute", f.End)
	}
	if again := s.Adapter.Facts(); again.Kind != f.Kind || again.Traits != f.Traits || again.End != f.End {
		t.Errorf("Facts changed from %+v to %+v", f, again)
	}
}

// check tests that a launch that works is accepted, that one that lacks a variable is refused with the next step, and
// that Check changes nothing.
func check(t *testing.T, s Subject) {
	l := s.Launch(t)
	p := agent.Preflight{Spec: l.Spec, Env: l.Env, Home: l.Home, Prompt: l.Prompt}
	unchanged(t, l, "Check", func() {
		if err := s.Adapter.Check(t.Context(), p); err != nil {
			t.Errorf("a launch that works is refused: %v (%s)", err, fault.HintOf(err))
		}
	})
	p.Spec.EnvFrom = []string{"AGENTTEST_MISSING"}
	err := s.Adapter.Check(t.Context(), p)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.HintOf(err), "AGENTTEST_MISSING") {
		t.Errorf("env_from names a variable that is missing: %v, want a fault.Conflict whose hint names it", err)
	}
	p.Env = append(p.Env, "AGENTTEST_MISSING=1")
	if err := s.Adapter.Check(t.Context(), p); err != nil {
		t.Errorf("the variable is there: %v", err)
	}
}

// roots returns the directories that a launch can reach.
func roots(l agent.Launch) []string {
	out := []string{string(l.Home), l.Worktree, l.Spec.Repo}
	if home, ok := environ.Lookup(l.Env, "HOME"); ok {
		out = append(out, home)
	}
	return out
}

// tree returns every path below the roots with its size and modification time.
func tree(t *testing.T, l agent.Launch) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, root := range roots(l) {
		if root == "" {
			continue
		}
		_ = filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return nil //nolint:nilerr // a file that is gone is skipped
			}
			if info, err := os.Lstat(path); err == nil {
				out[path] = info.Mode().String() + info.ModTime().String()
			}
			return nil
		})
	}
	return out
}

// unchanged runs fn and fails if a file of the launch's directories was made, changed or removed.
func unchanged(t *testing.T, l agent.Launch, what string, fn func()) {
	t.Helper()
	before := tree(t, l)
	fn()
	after := tree(t, l)
	for path, state := range after {
		if before[path] != state {
			t.Errorf("%s wrote %s", what, path)
		}
	}
	for path := range before {
		if after[path] == "" {
			t.Errorf("%s removed %s", what, path)
		}
	}
}
