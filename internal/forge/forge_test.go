package forge

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/life"
	"muster/internal/testkit/hub"
)

var widget = Repo{Host: hub.Host, Owner: "acme", Name: "widget"}

// world is the real gh with a server that has one repository with the branches main and work.
type world struct {
	t   *testing.T
	hub *hub.Hub
	g   *GitHub
	dir string // a clone
	env []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	h := hub.Start(t, git)
	bare := h.Repo("acme/widget")
	home := t.TempDir()
	h.SetUp(home)
	w := &world{t: t, hub: h, dir: filepath.Join(home, "clone"), env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GIT_CONFIG_NOSYSTEM=1"}}
	if w.g, err = New(w.env); err != nil {
		t.Fatal(err)
	}
	w.git(home, "init", "-q", "-b", "main", "clone")
	w.git(w.dir, "remote", "add", "origin", bare)
	w.commit("main")
	w.commit("work")
	return w
}

func (w *world) git(dir string, args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b"}, w.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit adds a commit and pushes it to a branch.
func (w *world) commit(branch string) string {
	w.t.Helper()
	w.git(w.dir, "commit", "-q", "--allow-empty", "-m", branch)
	w.git(w.dir, "push", "-q", "origin", "HEAD:refs/heads/"+branch)
	return w.git(w.dir, "rev-parse", "HEAD")
}

func (w *world) draft() Draft {
	return Draft{Head: "work", Base: "main", Commit: w.git(w.dir, "rev-parse", "HEAD"), Title: "A title", Body: "a body " + Marker + "x/t1 -->"}
}

func (w *world) open() (Pull, error) { return Open(w.t.Context(), w.g, widget, w.draft()) }

func TestOpenOpensOneAndFindsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 2 {
		p, err := w.open()
		if err != nil || p.Number != 1 || p.URL != "https://github.com/acme/widget/pull/1" {
			t.Fatalf("Open = %+v, %v", p, err)
		}
	}
	if all := w.hub.Pulls("acme/widget"); len(all) != 1 || all[0].Title != "A title" || !strings.Contains(all[0].Body, Marker) {
		t.Errorf("the server has %+v", all)
	}
}

func TestOpenSurvivesALostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hub.Break(func(r *http.Request) hub.Fault {
		if r.Method == http.MethodPost {
			return hub.Lost
		}
		return hub.None
	})
	_, err := w.open()
	if e, ok := errors.AsType[*Error](err); !ok || e.Class != Unreachable {
		t.Errorf("Open = %v, want it unreachable", err)
	}
	w.hub.Break(nil)
	if p, err := w.open(); err != nil || p.Number != 1 {
		t.Errorf("Open again = %+v, %v", p, err)
	}
	if n := len(w.hub.Pulls("acme/widget")); n != 1 {
		t.Errorf("%d pull requests, want 1", n)
	}
}

func TestOpenAfterAnEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.open(); err != nil {
		t.Fatal(err)
	}
	w.hub.Change("acme/widget", 1, func(p *hub.Pull) { p.State = "CLOSED" })
	if _, err := w.open(); !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), "/pull/1") {
		t.Errorf("Open of a closed one = %v, want ErrClosed", err)
	}
	w.hub.Change("acme/widget", 1, func(p *hub.Pull) { p.State = "MERGED" })
	if p, err := w.open(); err != nil || p.Number != 1 || !p.Merged {
		t.Errorf("Open of a merged one = %+v, %v", p, err)
	}
	w.commit("work")
	if p, err := w.open(); err != nil || p.Number != 2 {
		t.Errorf("Open of a later commit = %+v, %v", p, err)
	}
}

func TestOpenIsRefusedWithTheWordsOfTheForge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.draft()
	d.Base = "nowhere"
	_, err := Open(t.Context(), w.g, widget, d)
	if e, ok := errors.AsType[*Error](err); !ok || e.Class != Refused || !strings.Contains(e.Message, "must be a branch") {
		t.Errorf("Open = %v", err)
	}
}

// TestErrorsHaveTheirClass has each fault at a read by REST and at a poll by GraphQL.
func TestErrorsHaveTheirClass(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.open(); err != nil {
		t.Fatal(err)
	}
	all := func(f hub.Fault) func() {
		return func() { w.hub.Break(func(*http.Request) hub.Fault { return f }) }
	}
	for _, tt := range []struct {
		name  string
		set   func()
		class Class
		wait  time.Duration // at least
	}{
		{"down", all(hub.Unavailable), Unreachable, 0},
		{"cut", all(hub.Cut), Unreachable, 0},
		{"lost", all(hub.Lost), Unreachable, 0},
		{"login", all(hub.Refused), Login, 0},
		{"forbidden", all(hub.Forbidden), Forbidden, 0},
		{"secondary limit", all(hub.Secondary), Limited, 7 * time.Second},
		{"primary limit", func() { w.hub.Limit(0) }, Limited, 50 * time.Minute},
	} {
		tt.set()
		_, find := find(t.Context(), w.g, widget, w.draft())
		_, poll := w.g.Poll(t.Context(), widget, []int{1})
		for how, err := range map[string]error{"REST": find, "GraphQL": poll} {
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Class != tt.class || e.Wait < tt.wait || e.Message == "" {
				t.Errorf("%s, %s: %+v, want %s", tt.name, how, err, tt.class)
			}
		}
		w.hub.Break(nil)
		w.hub.Limit(5000)
	}
	if err := os.RemoveAll(filepath.Join(filepath.Dir(w.dir), ".config")); err != nil {
		t.Fatal(err)
	}
	_, err := find(t.Context(), w.g, widget, w.draft())
	if e, ok := errors.AsType[*Error](err); !ok || e.Class != Login {
		t.Errorf("without a login: %v", err)
	}
}

func TestCheckSaysWhoMayPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hub.Limit(4000)
	l, err := w.g.Check(t.Context(), widget)
	if err != nil || l.Name != "muster-bot" || !l.Push || l.Archive || l.Left < 0.7 {
		t.Errorf("Check = %+v, %v", l, err)
	}
	_, err = w.g.Check(t.Context(), Repo{Host: hub.Host, Owner: "acme", Name: "other"})
	if e, ok := errors.AsType[*Error](err); !ok || e.Class != Forbidden {
		t.Errorf("Check of a repository that is not there = %v", err)
	}
}

func TestPollReadsAllInOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.open(); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	w.hub.Check("acme/widget", 1,
		hub.Check{Name: "test", Conclusion: "failure", Ended: at, Log: "2026-11-01T10:00:00.1Z ##[group]Run\n2026-11-01T10:00:01.1Z x_test.go:3: CI-MARK\n"},
		hub.Check{Name: "lint", Conclusion: "success", Ended: at},
		hub.Check{Name: "slow"},
		hub.Check{Name: "stale", Conclusion: "cancelled", Ended: at},
		hub.Check{Name: "unpaid", Conclusion: "failure", Ended: at, Never: true},
		hub.Check{Name: "external", Conclusion: "error", Ended: at, Status: true},
	)
	w.hub.Say("acme/widget", 1, hub.Word{Author: "ann", Association: "MEMBER", Body: "rename it", State: "CHANGES_REQUESTED", Path: "a.go", Line: 7, At: at})
	w.hub.Say("acme/widget", 1, hub.Word{Author: "eve", Association: "NONE", Body: "rm -rf /", At: at})
	w.hub.Say("acme/widget", 1, hub.Word{Author: "bob", Association: "MEMBER", Body: "old", State: "COMMENTED", Path: "b.go", Line: 1, Resolved: true, At: at})
	w.hub.Say("acme/widget", 1, hub.Word{Author: "bob", Association: "MEMBER", Body: "a draft", State: "PENDING", Path: "b.go", Line: 1, At: at})
	w.hub.Say("acme/widget", 1, hub.Word{Author: "ann", Association: "OWNER", Body: "done " + Marker + "x/t1 -->", At: at})
	before := len(w.hub.Requests())
	polled, err := w.g.Poll(t.Context(), widget, []int{1, 99})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(w.hub.Requests()) - before; n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	c := polled.Changes[1]
	if c.Phase != life.ReviewOpen || c.Head != w.draft().Commit || c.Base != "main" || c.Conflict {
		t.Errorf("the state is %+v", c)
	}
	verdicts := map[string]life.CheckState{}
	job := ""
	for _, k := range c.Checks {
		verdicts[k.Name] = k.State
		if k.Name == "test" {
			job = k.Job
		}
	}
	for name, want := range map[string]life.CheckState{
		"test": life.CheckFailed, "lint": life.CheckPassed, "slow": life.CheckPending, "stale": life.CheckVoid, "unpaid": life.CheckVoid, "external": life.CheckFailed,
	} {
		if verdicts[name] != want {
			t.Errorf("%s is %q, want %q", name, verdicts[name], want)
		}
	}
	if log := w.g.Log(t.Context(), widget, job); !strings.Contains(log, "x_test.go:3: CI-MARK") || strings.Contains(log, "2026-11") {
		t.Errorf("the log is %q", log)
	}
	slices.SortFunc(c.Words, func(a, b life.ChangeWord) int { return strings.Compare(a.Author, b.Author) })
	if len(c.Words) != 2 || c.Words[0].Path != "a.go" || c.Words[0].Line != 7 || !c.Words[0].Trusted || c.Words[1].Trusted {
		t.Errorf("the words are %+v", c.Words)
	}
	if polled.Changes[99].Phase != life.ReviewClosed || polled.Hidden != "" {
		t.Errorf("a number that is not there is %+v, hidden is %q", polled.Changes[99], polled.Hidden)
	}
	w.hub.Change("acme/widget", 1, func(p *hub.Pull) { p.State, p.By = "CLOSED", "ann" })
	if polled, err = w.g.Poll(t.Context(), widget, []int{1}); err != nil || polled.Changes[1].Phase != life.ReviewClosed || polled.Changes[1].Why != "ann closed it" {
		t.Errorf("a closed one is %+v, %v", polled, err)
	}
}

// TestPollReadsWhatAFineGrainedTokenMay checks that the rest is read if the checks are hidden from the login.
func TestPollReadsWhatAFineGrainedTokenMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.open(); err != nil {
		t.Fatal(err)
	}
	w.hub.Check("acme/widget", 1, hub.Check{Name: "test", Conclusion: "failure", Ended: time.Now()})
	w.hub.Change("acme/widget", 1, func(p *hub.Pull) { p.Conflict = true })
	w.hub.HideChecks()
	polled, err := w.g.Poll(t.Context(), widget, []int{1})
	if c := polled.Changes[1]; err != nil || !c.Conflict || c.Phase != life.ReviewOpen || len(c.Checks) != 0 || !strings.Contains(polled.Hidden, "not accessible") {
		t.Errorf("Poll = %+v, %v", polled, err)
	}
}

func TestMayWriteKnowsPrivateMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hub.Writer("ann")
	for login, want := range map[string]bool{"ann": true, "eve": false, "some[bot]": false, "../../user": false} {
		if got, err := w.g.MayWrite(t.Context(), widget, login); err != nil || got != want {
			t.Errorf("MayWrite(%s) = %v, %v", login, got, err)
		}
	}
	w.hub.Break(func(*http.Request) hub.Fault { return hub.Unavailable })
	if _, err := w.g.MayWrite(t.Context(), widget, "ann"); err == nil {
		t.Error("MayWrite has an answer while the forge has none")
	}
}

func TestRepoOfReadsTheURLsOfRemotes(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://github.com/acme/widget.git":           "github.com/acme/widget",
		"https://x:token@github.com/acme/widget":       "github.com/acme/widget",
		"git@github.com:acme/widget.git":               "github.com/acme/widget",
		"ssh://git@github.com:22/acme/widget.git/":     "github.com/acme/widget",
		"ssh://git@ssh.github.com:443/acme/widget.git": "github.com/acme/widget",
		"git@gitlab.com:acme/team/sub/widget.git":      "gitlab.com/acme/team/sub/widget",
		"/srv/acme/widget.git":                         "",
		"../widget.git":                                "",
		"https://github.com/acme":                      "",
		"https://github.com/acme/../widget":            "",
		"https://github.com/-x/widget":                 "",
		"https://github.com/ac me/widget":              "",
	} {
		r, ok := RepoOf(url)
		if ok != (want != "") || ok && r.String() != want {
			t.Errorf("RepoOf(%q) = %v, %v; want %q", url, r, ok, want)
		}
		if ok {
			if back, err := ParseRepo(r.String()); err != nil || back != r {
				t.Errorf("ParseRepo(%q) = %v, %v", r, back, err)
			}
		}
	}
}

func TestNeutralTextPagesNobody(t *testing.T) {
	t.Parallel()
	if got := Neutral("@ann closes #1 <!-- muster:x -->\x1b[2J"); strings.Contains(got, "@ann") || strings.Contains(got, "#1") || strings.Contains(got, Marker) || strings.Contains(got, "\x1b") {
		t.Errorf("Neutral = %q", got)
	}
}

// TestErrorsTellNothingOfTheLoginOfAProxy has a proxy that does not accept the login.
func TestErrorsTellNothingOfTheLoginOfAProxy(t *testing.T) {
	t.Parallel()
	h := hub.Start(t, "git")
	home := t.TempDir()
	p := h.Behind(home)
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "HTTPS_PROXY=" + strings.Replace(p.URL, hub.ProxyPassword, "wr0ng", 1)}
	g, err := New(env)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = g.Check(t.Context(), widget); !hasClass(err, Unreachable) || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("%v", err)
	}
	if to, refused := p.Tunnels(); len(to) > 0 || refused == 0 {
		t.Errorf("connected to %v, refused %d", to, refused)
	}
}
