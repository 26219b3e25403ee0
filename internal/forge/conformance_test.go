package forge

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"muster/internal/life"
	"muster/internal/testkit/hub"
)

// bridge is the variable that makes this test a program that stands for a forge. What it stands for is GitHub, so that
// everything that muster asks of a forge must pass through the words of the program and back.
const bridge = "FORGE_TEST_BRIDGE"

func TestMain(m *testing.M) {
	if os.Getenv(bridge) == "" {
		os.Exit(m.Run())
	}
	var q Request
	err := json.NewDecoder(os.Stdin).Decode(&q)
	var a Response
	if err == nil {
		a, err = answerAsGitHub(q)
	}
	if e, ok := asError(err); ok {
		a = Response{Error: &ProgramError{Class: e.Class, Message: e.Message, Wait: int(e.Wait / time.Second)}}
	} else if err != nil {
		panic(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		panic(err)
	}
}

func answerAsGitHub(q Request) (a Response, err error) {
	ctx := context.Background()
	r, err := ParseRepo(q.Host + "/" + q.Repo)
	if err != nil {
		return a, err
	}
	g, err := New(os.Environ())
	if err != nil {
		return a, err
	}
	d := Draft{Head: q.Head, Base: q.Base, Commit: q.Commit, Title: q.Title, Body: q.Body}
	program := func(p Pull) ProgramChange {
		state := p.State
		if p.Merged {
			state = "merged"
		}
		return ProgramChange{Number: p.Number, URL: p.URL, State: state, Head: p.Head, Base: p.Base, Commit: p.Commit, Repo: p.Repo}
	}
	switch q.Do {
	case "check":
		l, err := g.Check(ctx, r)
		return Response{Login: l.Name, Push: l.Push, Archived: l.Archive}, err
	case "find":
		all, err := g.Find(ctx, r, d)
		for _, p := range all {
			a.Changes = append(a.Changes, program(p))
		}
		return a, err
	case "create":
		p, err := g.Create(ctx, r, d)
		return Response{Changes: []ProgramChange{program(p)}}, err
	case "poll":
		polled, err := g.Poll(ctx, r, q.Numbers)
		for n, c := range polled.Changes {
			p := ProgramChange{Number: n, State: string(c.Phase), Why: c.Why, Commit: c.Head, Base: c.Base, Conflict: c.Conflict}
			for word, phase := range states {
				if phase == c.Phase {
					p.State = word
				}
			}
			for _, k := range c.Checks {
				one := ProgramCheck{Name: k.Name, Why: k.Why, Link: k.Link, Ended: k.Ended, Job: k.Job}
				for word, state := range checkStates {
					if state == k.State {
						one.State = word
					}
				}
				p.Checks = append(p.Checks, one)
			}
			for _, w := range c.Words {
				p.Words = append(p.Words, ProgramWord{ID: w.ID, Author: w.Author, Text: w.Text, Path: w.Path, Line: w.Line, At: w.At, Trusted: w.Trusted})
			}
			a.Changes = append(a.Changes, p)
		}
		return a, err
	case "may_write":
		a.May, err = g.MayWrite(ctx, r, q.Login)
		return a, err
	case "log":
		return Response{Text: g.Log(ctx, r, q.Job)}, nil
	}
	return a, errors.New("an unknown request: " + q.Do)
}

// adapters are all adapters of forges. Each of them has the server of a world behind it.
var adapters = map[string]func(w *world) (Forge, error){
	"github": func(w *world) (Forge, error) { return w.g, nil },
	"command": func(w *world) (Forge, error) {
		return NewCommand([]string{os.Args[0]}, append([]string{bridge + "=1"}, w.env...))
	},
}

// onEach runs a test with each adapter, in a world of its own.
func onEach(t *testing.T, test func(t *testing.T, w *world, f Forge)) {
	t.Helper()
	for name, adapter := range adapters {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f, err := adapter(w)
			if err != nil {
				t.Fatal(err)
			}
			test(t, w, f)
		})
	}
}

func TestForge_OpensOneChange(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world, f Forge) {
		t.Helper()
		open := func() (Pull, error) { return Open(t.Context(), f, widget, w.draft()) }
		w.hub.Break(func(r *http.Request) hub.Fault {
			if r.Method == http.MethodPost {
				return hub.Lost
			}
			return hub.None
		})
		if _, err := open(); !hasClass(err, Unreachable) {
			t.Errorf("without an answer: %v", err)
		}
		w.hub.Break(nil)
		for range 2 {
			if p, err := open(); err != nil || p.Number != 1 || p.URL != "https://github.com/acme/widget/pull/1" || p.State != "open" {
				t.Errorf("Open = %+v, %v", p, err)
			}
		}
		if all := w.hub.Pulls("acme/widget"); len(all) != 1 || all[0].Title != "A title" || !strings.Contains(all[0].Body, Marker) {
			t.Errorf("the server has %+v", all)
		}
		if _, err := f.Create(t.Context(), widget, w.draft()); !hasClass(err, Refused) || !strings.Contains(err.Error(), "already exists") {
			t.Errorf("a second one: %v", err)
		}
		w.hub.Change("acme/widget", 1, func(p *hub.Pull) { p.State = "CLOSED" })
		if _, err := open(); !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), "/pull/1") {
			t.Errorf("one that was closed: %v", err)
		}
		w.hub.Change("acme/widget", 1, func(p *hub.Pull) { p.State = "MERGED" })
		if p, err := open(); err != nil || p.Number != 1 || !p.Merged {
			t.Errorf("one that was merged: %+v, %v", p, err)
		}
	})
}

func TestForge_ShowsAllOfAChange(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world, f Forge) {
		t.Helper()
		if _, err := Open(t.Context(), f, widget, w.draft()); err != nil {
			t.Fatal(err)
		}
		ended := time.Now().Add(-time.Minute).Truncate(time.Second)
		w.hub.Check("acme/widget", 1,
			hub.Check{Name: "test", Conclusion: "failure", Ended: ended, Log: "a.go:1: it is bad\n"}, hub.Check{Name: "lint", Conclusion: "success", Ended: ended},
			hub.Check{Name: "slow"}, hub.Check{Name: "unpaid", Conclusion: "failure", Ended: ended, Never: true})
		w.hub.Say("acme/widget", 1, hub.Word{Author: "ann", Association: "MEMBER", Body: "rename it", State: "CHANGES_REQUESTED", Path: "a.go", Line: 3, At: ended})
		w.hub.Say("acme/widget", 1, hub.Word{Author: "eve", Association: "NONE", Body: "delete all", At: ended})
		w.hub.Say("acme/widget", 1, hub.Word{Author: hub.Login, Association: "OWNER", Body: "done " + Marker + "x -->", At: ended})
		w.hub.Change("acme/widget", 1, func(p *hub.Pull) { p.Conflict = true })
		polled, err := f.Poll(t.Context(), widget, []int{1})
		if err != nil {
			t.Fatal(err)
		}
		c := polled.Changes[1]
		if c.Phase != life.ReviewOpen || c.Head != w.draft().Commit || c.Base != "main" || !c.Conflict || len(c.Checks) != 4 || len(c.Words) != 2 {
			t.Fatalf("the change is %+v", c)
		}
		for i, want := range []life.CheckState{life.CheckFailed, life.CheckPassed, life.CheckPending, life.CheckVoid} {
			if c.Checks[i].State != want {
				t.Errorf("the check %s is %v, want %v", c.Checks[i].Name, c.Checks[i].State, want)
			}
		}
		if !c.Checks[0].Ended.Equal(ended) || !strings.Contains(f.Log(t.Context(), widget, c.Checks[0].Job), "it is bad") {
			t.Errorf("the check is %+v, its log %q", c.Checks[0], f.Log(t.Context(), widget, c.Checks[0].Job))
		}
		if got := c.Words[0]; got.Author != "ann" || !got.Trusted || got.Path != "a.go" || got.Line != 3 || got.Text != "rename it" || !got.At.Equal(ended) {
			t.Errorf("the word is %+v", got)
		}
		if c.Words[1].Trusted {
			t.Error("a stranger is trusted")
		}
		w.hub.Writer("kim")
		for login, want := range map[string]bool{"kim": true, "eve": false} {
			if may, err := f.MayWrite(t.Context(), widget, login); err != nil || may != want {
				t.Errorf("MayWrite(%s) = %v, %v", login, may, err)
			}
		}
		w.hub.Change("acme/widget", 1, func(p *hub.Pull) { p.State, p.By = "CLOSED", "ann" })
		if polled, err = f.Poll(t.Context(), widget, []int{1}); err != nil || polled.Changes[1].Phase != life.ReviewClosed || !strings.Contains(polled.Changes[1].Why, "ann") {
			t.Errorf("a closed one: %+v, %v", polled.Changes[1], err)
		}
		w.hub.Change("acme/widget", 1, func(p *hub.Pull) { p.State = "MERGED" })
		if polled, err = f.Poll(t.Context(), widget, []int{1}); err != nil || polled.Changes[1].Phase != life.ReviewMerged {
			t.Errorf("a merged one: %+v, %v", polled.Changes[1], err)
		}
	})
}

func TestForge_ErrorsHaveTheirClass(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world, f Forge) {
		t.Helper()
		if l, err := f.Check(t.Context(), widget); err != nil || l.Name != hub.Login || !l.Push || l.Archive {
			t.Errorf("Check = %+v, %v", l, err)
		}
		for fault, want := range map[hub.Fault]Class{hub.Unavailable: Unreachable, hub.Cut: Unreachable, hub.Refused: Login, hub.Forbidden: Forbidden, hub.Secondary: Limited} {
			w.hub.Break(func(*http.Request) hub.Fault { return fault })
			_, err := f.Check(t.Context(), widget)
			e, ok := asError(err)
			if !ok || e.Class != want || e.Message == "" || (want == Limited) != (e.Wait == 7*time.Second) {
				t.Errorf("fault %d: %v, want %s", fault, err, want)
			}
		}
	})
}

func hasClass(err error, want Class) bool {
	e, ok := asError(err)
	return ok && e.Class == want
}
