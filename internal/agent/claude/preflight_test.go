package claude

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/testkit/files"
)

func TestClaudeCheckNamesTheOneThingToDo(t *testing.T) {
	t.Parallel()
	good := func(l agent.Launch) map[string]any {
		return map[string]any{
			"hasCompletedOnboarding": true,
			"customApiKeyResponses":  map[string]any{"approved": []string{"-last-twenty-letters"}},
			"projects":               map[string]any{agent.RealPath(l.Spec.Repo): map[string]any{"hasTrustDialogAccepted": true}},
		}
	}
	for _, c := range []struct {
		name string
		with func(t *testing.T, l *agent.Launch, user map[string]any)
		hint string // part of it; "" where nothing is wrong
	}{
		{"all is well", func(*testing.T, *agent.Launch, map[string]any) {}, ""},
		{"no program", func(_ *testing.T, l *agent.Launch, _ map[string]any) { l.Env[1] = "PATH=/nonexistent" }, "npm install"},
		{"another program", func(t *testing.T, l *agent.Launch, _ map[string]any) {
			files.Script(t, filepath.Dir(l.Spec.Repo), "claude", "echo hello")
		}, "npm install"},
		{"too old", func(t *testing.T, l *agent.Launch, _ map[string]any) {
			files.Script(t, filepath.Dir(l.Spec.Repo), "claude", "echo '2.1.99 (Claude Code)'")
		}, "claude update"},
		{"newer", func(t *testing.T, l *agent.Launch, _ map[string]any) {
			files.Script(t, filepath.Dir(l.Spec.Repo), "claude", "echo '3.0.1 (Claude Code)'")
		}, ""},
		{"no onboarding", func(_ *testing.T, _ *agent.Launch, u map[string]any) { u["hasCompletedOnboarding"] = false }, "Run: cd "},
		{"unknown key", func(_ *testing.T, l *agent.Launch, _ map[string]any) {
			l.Env = append(l.Env, "ANTHROPIC_API_KEY=sk-other")
		}, "answer Yes"},
		{"known key", func(_ *testing.T, l *agent.Launch, _ map[string]any) {
			l.Env = append(l.Env, "ANTHROPIC_API_KEY=sk-the-last-twenty-letters")
		}, ""},
		{"no trust", func(_ *testing.T, _ *agent.Launch, u map[string]any) { delete(u, "projects") }, "trust = \"sandboxed\""},
		{"no trust, but sandboxed", func(_ *testing.T, l *agent.Launch, u map[string]any) {
			delete(u, "projects")
			l.Spec.Trust = "sandboxed"
		}, ""},
		{"trust above the repository only", func(_ *testing.T, l *agent.Launch, u map[string]any) {
			u["projects"] = map[string]any{agent.RealPath(filepath.Dir(l.Spec.Repo)): map[string]any{"hasTrustDialogAccepted": true}}
			l.Home = "/somewhere/else"
		}, "cd /somewhere/else/worktrees && "},
		{"trust above the repository and its worktrees", func(_ *testing.T, l *agent.Launch, u map[string]any) {
			u["projects"] = map[string]any{"/": map[string]any{"hasTrustDialogAccepted": true}}
		}, ""},
		{"the same with a version that asks all the same", func(t *testing.T, l *agent.Launch, u map[string]any) {
			files.Script(t, filepath.Dir(l.Spec.Repo), "claude", "echo '2.1.332 (Claude Code)'")
			u["projects"] = map[string]any{"/": map[string]any{"hasTrustDialogAccepted": true}}
		}, "answer Yes: cd "},
		{"broken settings", func(t *testing.T, l *agent.Launch, _ map[string]any) {
			dir := filepath.Join(l.Spec.Repo, ".claude")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "settings.json"), []byte("{,"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "Fix "},
		{"a hook event that the version does not know, the user's", func(t *testing.T, l *agent.Launch, _ map[string]any) {
			home, _ := environ.Lookup(l.Env, "HOME")
			put(t, filepath.Join(home, ".claude", "settings.json"), `{"hooks":{"Stop":[],"NoSuchEvent":[]}}`)
		}, "Remove it from hooks there"},
		{"a hook event of a later version", func(t *testing.T, l *agent.Launch, _ map[string]any) {
			put(t, filepath.Join(l.Spec.Repo, ".claude", "settings.json"), `{"hooks":{"PreModelSwitch":[]}}`)
		}, "claude update"},
		{"the same with that version", func(t *testing.T, l *agent.Launch, _ map[string]any) {
			files.Script(t, filepath.Dir(l.Spec.Repo), "claude", "echo '2.1.332 (Claude Code)'")
			put(t, filepath.Join(l.Spec.Repo, ".claude", "settings.json"), `{"hooks":{"PreModelSwitch":[]}}`)
		}, ""},
		{"an import from outside above the worktrees", func(t *testing.T, l *agent.Launch, _ map[string]any) {
			put(t, filepath.Join(filepath.Dir(l.Spec.Repo), "outside.md"), "x")
			put(t, filepath.Join(filepath.Dir(l.Spec.Repo), "CLAUDE.md"), "See @outside.md for more")
		}, "remove the import"},
		{"missing variable", func(_ *testing.T, l *agent.Launch, _ map[string]any) { l.Spec.EnvFrom = []string{"A_SECRET"} }, "A_SECRET"},
		{"argument of ours", func(_ *testing.T, l *agent.Launch, _ map[string]any) { l.Spec.Args = []string{"--print"} }, "Remove --print"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLaunch(t)
			user := good(l)
			c.with(t, &l, user)
			b, err := json.Marshal(user)
			if err != nil {
				t.Fatal(err)
			}
			home, _ := environ.Lookup(l.Env, "HOME")
			file := filepath.Join(home, ".claude.json")
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			err = New().Check(t.Context(), agent.Preflight{Spec: l.Spec, Env: l.Env, Home: l.Home})
			if c.hint == "" {
				if err != nil {
					t.Errorf("refused: %v (%s)", err, fault.HintOf(err))
				}
				return
			}
			if err == nil || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("got %v (%s), want a hint with %q", err, fault.HintOf(err), c.hint)
			}
			if after, err := os.ReadFile(file); err != nil || string(after) != string(b) {
				t.Errorf("the user's file changed: %s (%v)", after, err)
			}
		})
	}
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestClaudeCheckRefusesImportsFromOutside(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		base    map[string]string
		entry   string // of the main repository, besides its trust
		refused bool
	}{
		{"absolute", map[string]string{"CLAUDE.md": "# x\n\nSee @OUTSIDE for more\n"}, "", true},
		{"at the start of a line, in the folder of rules", map[string]string{".claude/rules/a.md": "@OUTSIDE"}, "", true},
		{"of the user's home", map[string]string{".claude/CLAUDE.md": "- @~/outside.md"}, "", true},
		{"through a file of the project", map[string]string{"CLAUDE.md": "@docs/a.md", "docs/a.md": "@b.md", "docs/b.md": "see @OUTSIDE"}, "", true},
		{"approved", map[string]string{"CLAUDE.md": "@OUTSIDE"}, "hasClaudeMdExternalIncludesApproved", false},
		{"answered by no", map[string]string{"CLAUDE.md": "@OUTSIDE"}, "hasClaudeMdExternalIncludesWarningShown", false},
		{"of a file that is not there", map[string]string{"CLAUDE.md": "@/nonexistent/x.md @~/none.md"}, "", false},
		{"in code", map[string]string{"CLAUDE.md": "`@OUTSIDE`\n```\n@OUTSIDE\n```\n<!-- @OUTSIDE -->"}, "", false},
		{"inside, in a circle", map[string]string{"CLAUDE.md": "@docs/a.md me@OUTSIDE", "docs/a.md": "@../CLAUDE.md"}, "", false},
		{"nothing", nil, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLaunch(t)
			home, _ := environ.Lookup(l.Env, "HOME")
			outside := filepath.Join(home, "outside.md")
			put(t, outside, "be nice")
			entry := map[string]any{"hasTrustDialogAccepted": true, c.entry: true}
			user, err := json.Marshal(map[string]any{"hasCompletedOnboarding": true, "projects": map[string]any{agent.RealPath(l.Spec.Repo): entry}})
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(home, ".claude.json"), string(user))
			base := func(_ context.Context, paths ...string) (map[string][]byte, error) {
				out := map[string][]byte{}
				for name, content := range c.base {
					for _, p := range paths {
						if name == p || strings.HasPrefix(name, p+"/") {
							out[name] = []byte(strings.ReplaceAll(content, "OUTSIDE", outside))
						}
					}
				}
				return out, nil
			}
			err = New().Check(t.Context(), agent.Preflight{Spec: l.Spec, Env: l.Env, Home: l.Home, Base: base})
			if refused := err != nil; refused != c.refused || refused && !strings.Contains(fault.HintOf(err), "Run, and answer: cd ") {
				t.Errorf("Check: %v (%s), want refused %v", err, fault.HintOf(err), c.refused)
			}
		})
	}
}

func TestTheMainRepositoryOfALinkedWorktree(t *testing.T) {
	t.Parallel()
	dir := agent.RealPath(t.TempDir())
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("main/.git/HEAD", "")
	write("main/.git/worktrees/w/commondir", "../..\n")
	write("w/.git", "gitdir: "+dir+"/main/.git/worktrees/w\n")
	write("w/deep/er/file", "")
	write("bare.git/worktrees/b/commondir", "../..\n")
	write("b/.git", "gitdir: ../bare.git/worktrees/b\n")
	write("sub/.git", "gitdir: ../main/.git/modules/sub\n")
	for from, want := range map[string]string{"main": "main", "w": "main", "w/deep/er": "main", "b": "b", "sub": "sub"} {
		got, err := mainRoot(filepath.Join(dir, from))
		if err != nil || got != filepath.Join(dir, want) {
			t.Errorf("%s: %s (%v), want %s", from, got, err, want)
		}
	}
}
