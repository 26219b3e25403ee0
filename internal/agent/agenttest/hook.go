package agenttest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/status"
)

// hookTime is the limit of one hook call in the suite. It also ends a hook that waits for an answer.
const hookTime = 50 * time.Millisecond

// stage is a generation whose hooks are called.
type stage struct {
	t      *testing.T
	s      Subject
	launch agent.Launch
	env    map[string]string
}

// newStage prepares a generation as a launch does.
func newStage(t *testing.T, s Subject) *stage {
	t.Helper()
	l := s.Launch(t)
	if err := l.Home.Create(); err != nil {
		t.Fatal(err)
	}
	if err := l.Box().Create(); err != nil {
		t.Fatal(err)
	}
	st := &stage{t: t, s: s, launch: l, env: map[string]string{
		"MUSTER_HOME": string(l.Home), "MUSTER_TASK": string(l.Task), "MUSTER_GEN": fmt.Sprint(l.Gen),
		"MUSTER_STATUS_FILE": l.Home.StatusFile(l.Task, l.Gen), "MUSTER_WORKTREE": l.Worktree,
	}}
	plan := Plan(t, s.Adapter, l)
	for _, kv := range plan.Env {
		name, value, _ := strings.Cut(kv, "=")
		st.env[name] = value
	}
	for _, f := range plan.Files {
		path := filepath.Join(l.Dirs().RO(), f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
	return st
}

// call calls the hook and checks the requirements for every call: no panic, an exit status that the agent
// understands, and only JSON as output.
func (st *stage) call(c Call) {
	st.t.Helper()
	ctx, cancel := context.WithTimeout(st.t.Context(), hookTime)
	defer cancel()
	var out, errs bytes.Buffer
	code, ended := 0, make(chan any, 1)
	go func() { //nolint:gosec // ends with the hook, which has a deadline
		defer func() { ended <- recover() }()
		code = st.s.Adapter.Hook(ctx, agent.HookCall{
			Event: c.Event, Stdin: strings.NewReader(c.Payload), Stdout: &out, Stderr: &errs, PPID: os.Getpid(),
			Getenv: func(name string) string { return st.env[name] },
		})
	}()
	select {
	case p := <-ended:
		if p != nil {
			st.t.Fatalf("Hook panics on %.300q: %v", c, p)
		}
	case <-time.After(30 * time.Second):
		st.t.Fatalf("Hook does not end after its context: %.300q", c)
	}
	if code != 0 && !slices.Contains(st.s.Exits, code) {
		st.t.Errorf("Hook returns %d on %.300q, want 0 or one of %v", code, c, st.s.Exits)
	}
	if text := bytes.TrimSpace(out.Bytes()); len(text) > 0 && !json.Valid(text) {
		st.t.Errorf("Hook prints what is not JSON on %.300q: %.300q", c, text)
	}
}

// records reads the status file. Every line must be valid and belong to this generation.
func (st *stage) records() []event.Record {
	st.t.Helper()
	b, err := os.ReadFile(st.env["MUSTER_STATUS_FILE"])
	if err != nil && !os.IsNotExist(err) {
		st.t.Fatal(err)
	}
	var out []event.Record
	for line := range bytes.Lines(b) {
		r, err := status.Parse(bytes.TrimSpace(line))
		if err != nil {
			st.t.Fatalf("a record that no reader takes: %v\n%.300q", err, line)
		}
		if r.Gen != st.launch.Gen || r.Time.IsZero() || r.Src == "" {
			st.t.Errorf("a record without its generation, time or writer: %.300q", line)
		}
		out = append(out, r)
	}
	return out
}

// hook tests that a call from outside a fleet does nothing, and that a call from within writes only what
// the agent's side of its own generation may write.
func hook(t *testing.T, s Subject) {
	st := newStage(t, s)
	calls := slices.Concat(seeds(s), []Call{{"", ""}, {"SomethingNew", "{}"}, {"SomethingNew", "not JSON"}})
	inside := []string{st.launch.Dirs().RW(), filepath.Dir(st.env["MUSTER_STATUS_FILE"])}
	before := tree(t, st.launch)
	for _, c := range calls {
		st.call(c)
	}
	st.records()
	for path, state := range tree(t, st.launch) {
		own := slices.ContainsFunc(inside, func(dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") })
		if before[path] != state && !own {
			t.Errorf("Hook wrote %s, outside its generation", path)
		}
	}
	for _, broken := range []map[string]string{
		nil,
		{"MUSTER_HOME": "relative", "MUSTER_TASK": "t1", "MUSTER_GEN": "1"},
		{"MUSTER_HOME": string(st.launch.Home), "MUSTER_TASK": "../t1", "MUSTER_GEN": "1"},
		{"MUSTER_HOME": string(st.launch.Home), "MUSTER_TASK": "t1", "MUSTER_GEN": "one"},
	} {
		st.env = broken
		unchanged(t, st.launch, fmt.Sprintf("Hook with the environment %v", broken), func() {
			for _, c := range calls {
				st.call(c)
			}
		})
	}
}

// hookTakesAnything tests that no payload, and no missing field, makes a hook fail or panic.
func hookTakesAnything(t *testing.T, s Subject) {
	st := newStage(t, s)
	if code := s.Adapter.Hook(t.Context(), agent.HookCall{}); code != 0 {
		t.Errorf("an empty call returns %d", code)
	}
	rnd := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	for _, c := range seeds(s) {
		for range 20 {
			st.call(Call{c.Event, mutate(rnd, c.Payload)})
		}
	}
	st.records()
}

// seeds returns the calls of all scenes.
func seeds(s Subject) []Call {
	var out []Call
	for _, scene := range s.Scenes {
		out = append(out, scene.Calls...)
	}
	return out
}

// damage lists the bytes that mutate writes: bytes with a meaning in JSON, and bytes that JSON does not allow.
const damage = "\x00\x1b\x7f\xff{}[]\",:\\09a"

// mutate damages a payload: it truncates it, changes bytes, or replaces a value by one of another type.
func mutate(rnd *rand.Rand, payload string) string {
	b := []byte(payload)
	switch {
	case len(b) == 0:
		return string(rnd.Int32N(0x2000))
	case rnd.IntN(3) == 0:
		return string(b[:rnd.IntN(len(b))])
	case rnd.IntN(2) == 0:
		for range 1 + rnd.IntN(4) {
			b[rnd.IntN(len(b))] = damage[rnd.IntN(len(damage))]
		}
		return string(b)
	}
	var fields map[string]any
	if json.Unmarshal(b, &fields) != nil || len(fields) == 0 {
		return payload + payload
	}
	others := []any{nil, true, -1, 1e300, "", strings.Repeat("\x1b[31m", 200), []any{[]any{}}, map[string]any{"a": nil}}
	for name := range fields {
		if rnd.IntN(2) == 0 {
			fields[name] = others[rnd.IntN(len(others))]
		}
	}
	changed, _ := json.Marshal(fields)
	return string(changed)
}

// FuzzHook fuzzes the hook of a subject; call it from a Fuzz function of the adapter's tests.
func FuzzHook(f *testing.F, s Subject) {
	for _, c := range seeds(s) {
		f.Add(c.Event, c.Payload)
	}
	f.Fuzz(func(t *testing.T, name, payload string) {
		st := newStage(t, s)
		st.call(Call{name, payload})
		st.records()
	})
}

// scenes tests that the hooks report the agent's real state.
func scenes(t *testing.T, s Subject) {
	if s.Adapter.Facts().Traits.Door == event.DoorMailbox && len(s.Scenes) == 0 {
		t.Error("an agent with a mailbox has hooks, but the subject has no scenes")
	}
	for _, scene := range s.Scenes {
		t.Run(scene.Name, func(t *testing.T) {
			t.Parallel()
			st := newStage(t, s)
			for _, c := range scene.Calls {
				st.call(c)
			}
			if scene.Play != nil {
				scene.Play(t, st.launch, func(name string) string { return st.env[name] })
			}
			var got []event.RecordState
			for _, r := range st.records() {
				got = append(got, r.State)
			}
			if diff := cmp.Diff(scene.Want, got); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
		})
	}
}

// sources tests that the further files have stable names and absolute paths, and that their parsers take any input.
func sources(t *testing.T, s Subject) {
	l := s.Launch(t)
	seen := map[string]bool{}
	for _, src := range s.Adapter.Sources(l, os.Getpid()) {
		if src.Name == "" || seen[src.Name] || !filepath.IsAbs(src.Path) || src.Task != l.Task || src.Gen != l.Gen || src.Parse == nil {
			t.Errorf("source %+v: a name of its own, an absolute path, task, generation and parser are needed", src)
			continue
		}
		seen[src.Name] = true
		rnd := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the same each time
		for _, line := range []string{"", "{", "null", "[]", "1", `""`, "{}", `{"type":1}`, `{"type":"user","message":{"content":[{}]}}`} {
			for range 20 {
				func() {
					defer func() {
						if p := recover(); p != nil {
							t.Errorf("the parser of %s panics on %.300q: %v", src.Name, line, p)
						}
					}()
					recs, err := src.Parse([]byte(line))
					for _, r := range recs {
						if err == nil && r.SessionID != "" && r.SessionID != l.Conversation {
							t.Errorf("%s: a record of another conversation: %+v", src.Name, r)
						}
					}
				}()
				line = mutate(rnd, line)
			}
		}
	}
	if names := s.Adapter.Sources(l, 0); len(names) > len(seen) {
		t.Errorf("more sources without a process than with one: %d", len(names))
	}
}
