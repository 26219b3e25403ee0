package acp

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/event"
	"muster/internal/testkit/acp"
)

// TestMain is also the agent of the tests.
func TestMain(m *testing.M) {
	if acp.Called(os.Args[0]) {
		os.Exit(acp.Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

const (
	working = event.RecordWorking
	waiting = event.RecordWaiting
	idle    = event.RecordIdle
)

// newLaunch returns a launch of the agent of the tests with a script for each turn.
func newLaunch(t *testing.T, turns ...string) agent.Launch {
	t.Helper()
	l := agenttest.NewLaunch(t, Kind)
	acp.Install(t, agenttest.Root(l))
	l.Conversation, l.Preamble = "0f9a7c5e-52a5-4a8b-9d0e-6a6d2c1b3e4f", "preamble\n"
	l.Spec.Command = []string{acp.Name}
	if len(turns) > 0 {
		l.Prompt = "Do it.\n```acp\n" + strings.Join(turns, "\n---\n") + "\n```\n"
	}
	return l
}

// pane collects what is shown.
type pane struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (p *pane) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.Write(b)
}

func (p *pane) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.String()
}

// stage is a generation that runs.
type stage struct {
	t       *testing.T
	launch  agent.Launch
	pane    *pane
	signals chan os.Signal
	exit    chan int
	typed   *os.File
}

// start writes the files of a launch and runs it. The program ends with the test at the latest.
func start(t *testing.T, l agent.Launch, getenv func(string) string) *stage {
	t.Helper()
	if err := l.Home.Create(); err != nil {
		t.Fatal(err)
	}
	if err := l.Box().Create(); err != nil {
		t.Fatal(err)
	}
	for _, f := range agenttest.Plan(t, New(nil), l).Files {
		if err := os.WriteFile(filepath.Join(l.Dirs().RO(), f.Path), f.Data, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
	if getenv == nil {
		env := map[string]string{
			"MUSTER_HOME": string(l.Home), "MUSTER_TASK": string(l.Task), "MUSTER_GEN": string(rune('0' + l.Gen)), "MUSTER_WORKTREE": l.Worktree,
		}
		getenv = func(name string) string { return env[name] }
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	st := &stage{t: t, launch: l, pane: &pane{}, signals: make(chan os.Signal, 4), exit: make(chan int, 1), typed: w}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		st.exit <- Run(ctx, Setting{
			File: filepath.Join(l.Dirs().RO(), launchName), Typed: r, Pane: st.pane, Getenv: getenv, Signals: st.signals,
			Env: append(slices.Clone(l.Env), acp.State+"="+agenttest.Root(l)),
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		_, _ = r.Close(), w.Close()
		if t.Failed() {
			t.Logf("the pane:\n%s", st.pane)
		}
	})
	return st
}

// records returns what was reported so far.
func (st *stage) records() []event.Record {
	st.t.Helper()
	b, err := os.ReadFile(st.launch.Home.StatusFile(st.launch.Task, st.launch.Gen))
	if err != nil && !os.IsNotExist(err) {
		st.t.Fatal(err)
	}
	var out []event.Record
	for line := range bytes.Lines(b) {
		var r event.Record
		if err := json.Unmarshal(line, &r); err != nil {
			st.t.Fatalf("%v: %s", err, line)
		}
		out = append(out, r)
	}
	return out
}

// patience is how long a test waits for one thing. A real agent may fetch packages at its first start.
const patience = 5 * time.Minute

// await waits until the records are as ok says.
func (st *stage) await(what string, ok func([]event.Record) bool) []event.Record {
	st.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if all := st.records(); ok(all) {
			return all
		}
	}
	st.t.Fatalf("not within %s: %s; records: %+v", patience, what, st.records())
	return nil
}

// rests waits until the agent has ended n turns.
func (st *stage) rests(n int) []event.Record {
	st.t.Helper()
	return st.await("the turn ends", func(all []event.Record) bool {
		ended := 0
		for _, r := range all {
			if r.State == idle || r.State == event.RecordError {
				ended++
			}
		}
		return ended >= n
	})
}

// ended waits for the end of the program.
func (st *stage) ended(want int) {
	st.t.Helper()
	select {
	case got := <-st.exit:
		if got != want {
			st.t.Errorf("the program exits with %d, want %d", got, want)
		}
		st.exit <- got
	case <-time.After(time.Minute):
		st.t.Fatal("the program does not end")
	}
}

// play returns a scene of turns of the agent.
func play(turns ...string) (func(t *testing.T) agent.Launch, func(*testing.T, agent.Launch, func(string) string)) {
	return func(t *testing.T) agent.Launch { t.Helper(); return newLaunch(t, turns...) },
		func(t *testing.T, l agent.Launch, getenv func(string) string) {
			t.Helper()
			l.Prompt = newLaunch(t, turns...).Prompt
			start(t, l, getenv).rests(1)
		}
}

// subject describes an agent that speaks the protocol to the conformance suite. Its scenes run the program with a real agent.
func subject() agenttest.Subject {
	scene := func(name, turn string, want ...event.RecordState) agenttest.Scene {
		_, run := play(turn)
		return agenttest.Scene{Name: name, Play: run, Want: want}
	}
	line := func(t *testing.T, l agent.Launch, e agent.Entry) {
		t.Helper()
		e.Session = "talk-1"
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		path := agent.JournalPath(l, l.Gen)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // a test's own file
		if _, err := f.Write(append(b, '\n')); err != nil {
			t.Fatal(err)
		}
	}
	return agenttest.Subject{
		Adapter: New(nil),
		Launch:  func(t *testing.T) agent.Launch { t.Helper(); return newLaunch(t) },
		Session: func(agent.Launch) string { return "talk-1" },
		Scenes: []agenttest.Scene{
			scene("a turn", "say hello\nrun true", working, working, working, working, idle),
			scene("an error", "error 429 slow down", working, working, event.RecordError),
			scene("a login that is missing", "error -32000 Authentication required", working, working, event.RecordError),
			scene("a refusal of the model", "stop refusal", working, working, event.RecordError),
			scene("an end without space", "stop max_tokens", working, working, idle),
		},
		Book: &agenttest.Book{
			Open: func(t *testing.T, l agent.Launch) {
				t.Helper()
				line(t, l, agent.Entry{Type: entrySession, Text: methodLoad})
			},
			Take: func(t *testing.T, l agent.Launch, prompt string) {
				t.Helper()
				line(t, l, agent.Entry{Type: "user", Text: prompt})
			},
			Quote: func(t *testing.T, l agent.Launch, text string) {
				t.Helper()
				line(t, l, agent.Entry{Type: "assistant", ID: "1.1", Text: text})
			},
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	agenttest.Run(t, subject())
}
