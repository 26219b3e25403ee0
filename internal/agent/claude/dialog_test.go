package claude_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/fault"
	testclaude "muster/internal/testkit/claude"
	"muster/internal/testkit/model"
)

// What Check refuses is what the real program stops at, before its first hook; what it accepts starts.
func TestClaudeStopsAtWhatCheckRefuses(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		for _, c := range []struct {
			name, file string
			content    func(outside string) string
			approved   bool // in the entry of the main repository
			dialog     string
		}{
			{"an unknown hook event", ".claude/settings.json", func(string) string { return `{"hooks":{"NoSuchEvent":[]}}` }, false, "NoSuchEvent"},
			{"an import from outside", "CLAUDE.md", func(outside string) string { return "See @" + outside + " for more\n" }, false, "imports"},
			{"an approved import", "CLAUDE.md", func(outside string) string { return "See @" + outside + " for more\n" }, true, ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				r := newRig(t, version, "say hello", event.Spec{}, model.Text("hello"))
				outside := filepath.Join(filepath.Dir(r.Launch.Spec.Repo), "outside.md")
				content := []byte(c.content(outside))
				file := filepath.Join(r.Launch.Worktree, c.file)
				for path, content := range map[string][]byte{outside: []byte("be nice\n"), file: content} {
					if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, content, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if c.approved {
					approveImports(t, r)
				}
				err := r.Adapter.Check(t.Context(), agent.Preflight{
					Spec: r.Launch.Spec, Env: r.Launch.Env, Home: r.Launch.Home,
					Base: func(_ context.Context, paths ...string) (map[string][]byte, error) {
						for _, p := range paths {
							if p == c.file {
								return map[string][]byte{p: content}, nil
							}
						}
						return nil, nil
					},
				})
				if refused := fault.Is(err, fault.Conflict); refused != (c.dialog != "") {
					t.Errorf("Check: %v (%s)", err, fault.HintOf(err))
				}
				r.Start()
				if c.dialog == "" {
					r.idle(1)
					return
				}
				r.Until("the dialog stands there", func() bool { return strings.Contains(r.Screen(), c.dialog) })
				if n := len(r.Records()); n > 0 {
					t.Errorf("there are %d records ahead of the dialog", n)
				}
			})
		}
	})
}

// approveImports writes the approval where the program keeps it.
func approveImports(t *testing.T, r *rig) {
	t.Helper()
	path := filepath.Join(r.user.Config, ".claude.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var user map[string]any
	if err := json.Unmarshal(b, &user); err != nil {
		t.Fatal(err)
	}
	user["projects"].(map[string]any)[r.Launch.Spec.Repo].(map[string]any)["hasClaudeMdExternalIncludesApproved"] = true //nolint:forcetypeassert // as setUp wrote it
	if b, err = json.Marshal(user); err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
