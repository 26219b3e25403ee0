package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"muster/internal/agent"
	"muster/internal/event"
)

// TestReadConfiguration_ComparesWithTheBase changes the configuration of a worktree in one way each. A way in which an agent gets
// another configuration than its task began with is a change, whatever lies there.
func TestReadConfiguration_ComparesWithTheBase(t *testing.T) {
	t.Parallel()
	base := map[string]string{".x/rules": "one\ntwo\n", ".x/agents/a.md": "a", ".x/kept": "-> shared", "shared/b.md": "b", "other": "o", ".also": "also"}
	for name, c := range map[string]struct {
		change func(t *testing.T, l *agent.Launch)
		want   bool
	}{
		"nothing":                {func(*testing.T, *agent.Launch) {}, false},
		"ends of lines":          {put(".x/rules", "one\r\ntwo\r\n"), false},
		"another file":           {put("other", "changed"), false},
		"a file beside":          {put(".xy", "new"), false},
		"what is only read":      {put(".also", "changed"), false},
		"what the agent writes":  {put(".x/cache/deep/file", "new"), false},
		"a file's content":       {put(".x/rules", "one\n"), true},
		"a new file":             {put(".x/agents/new.md", "new"), true},
		"a file that is missing": {remove(".x/agents/a.md"), true},
		"all files are missing":  {remove(".x"), true},
		"a file that is a link":  {linked(".x/agents/a.md", "a.md", "a"), false}, // its content counts
		"a link to another file": {linked(".x/agents/a.md", "a.md", "b"), true},
		"a link out of it":       {func(t *testing.T, l *agent.Launch) { t.Helper(); outside(t, l, ".x/agents/a.md", "a") }, true},
		"a link to nothing":      {link(".x/agents/new.md", "missing"), true},
		"a link to a directory":  {link(".x/more", "../shared"), true}, // the commit has its files, and not at this place
		"another one":            {then(put("second/b.md", "b"), link(".x/kept", "../second")), true},
		"a copy of it":           {then(remove(".x/kept"), put(".x/kept/b.md", "b")), true},
		"a changed file behind":  {put("shared/b.md", "changed"), true},
		"a new file behind":      {put("shared/c.md", "c"), true},
		"links in a circle":      {link(".x/agents/loop", "."), true},
		"the directory is a link": {then(func(t *testing.T, l *agent.Launch) {
			t.Helper()
			if err := os.Rename(filepath.Join(l.Worktree, ".x"), filepath.Join(l.Worktree, "y")); err != nil {
				t.Fatal(err)
			}
		}, link(".x", "y")), true},
		"a FIFO": {func(t *testing.T, l *agent.Launch) {
			t.Helper()
			remove(".x/rules")(t, l)
			if err := unix.Mkfifo(filepath.Join(l.Worktree, ".x/rules"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, true},
		"a large file": {put(".x/large", strings.Repeat("x", 2<<20)), true},
		"many files": {func(t *testing.T, l *agent.Launch) {
			t.Helper()
			for i := range 600 {
				put(".x/agents/"+strings.Repeat("n", i%200+1)+string(rune('a'+i/200)), "x")(t, l)
			}
		}, true},
		"a copied file":           {then(copies(".x/local"), put(".x/local", "mine")), false},
		"a copied file, changed":  {then(copies(".x/local"), put(".x/local", "changed")), true},
		"a copied file, missing":  {copies(".x/local"), true},
		"a copy of a tracked one": {then(copies(".x/rules"), put(".x/rules", "mine")), true}, // the commit counts
		"a copy of something":     {copies("elsewhere"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := agent.Launch{Worktree: filepath.Join(dir, "work"), Spec: event.Spec{Repo: filepath.Join(dir, "repo")}}
			l.Base = func(paths ...string) (map[string][]byte, error) {
				out := map[string][]byte{}
				for name, text := range base {
					for _, p := range paths {
						if name == p || strings.HasPrefix(name, p+"/") {
							out[name] = []byte(text)
						}
					}
				}
				return out, nil
			}
			for name, text := range base {
				if target, ok := strings.CutPrefix(text, "-> "); ok {
					link(name, "../"+target)(t, &l)
				} else {
					put(name, text)(t, &l)
				}
			}
			c.change(t, &l)
			got, err := agent.ReadConfiguration(l, agent.Places{
				Compare: []string{".x", "missing"}, Also: []string{".also"},
				Ignore: func(name string) bool { return name == ".x/cache" || strings.HasPrefix(name, ".x/cache/") },
			})
			if err != nil {
				t.Fatal(err)
			}
			if got.Changed != c.want {
				t.Errorf("changed: %v, want %v", got.Changed, c.want)
			}
			if string(got.Began[".x/rules"]) != base[".x/rules"] || string(got.Began[".also"]) != "also" {
				t.Errorf("the task began with %v", got.Began)
			}
		})
	}
}

type change = func(t *testing.T, l *agent.Launch)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func put(name, text string) change {
	return func(t *testing.T, l *agent.Launch) { t.Helper(); write(t, filepath.Join(l.Worktree, name), text) }
}

func remove(name string) change {
	return func(t *testing.T, l *agent.Launch) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(l.Worktree, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func link(name, target string) change {
	return func(t *testing.T, l *agent.Launch) {
		t.Helper()
		remove(name)(t, l)
		if err := os.MkdirAll(filepath.Dir(filepath.Join(l.Worktree, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(l.Worktree, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// linked makes a file a link to another one of the worktree.
func linked(name, target, text string) change {
	return then(put("real/"+target, text), link(name, "../../real/"+target))
}

// outside makes a file a link out of the worktree.
func outside(t *testing.T, l *agent.Launch, name, text string) {
	t.Helper()
	path := filepath.Join(filepath.Dir(l.Worktree), "outside")
	write(t, path, text)
	link(name, path)(t, l)
}

// copies puts a file into the user's checkout, from where a person has it copied.
func copies(name string) change {
	return func(t *testing.T, l *agent.Launch) {
		t.Helper()
		write(t, filepath.Join(l.Spec.Repo, name), "mine")
		l.Spec.Copy = append(l.Spec.Copy, name)
	}
}

func then(all ...change) change {
	return func(t *testing.T, l *agent.Launch) {
		t.Helper()
		for _, c := range all {
			c(t, l)
		}
	}
}
