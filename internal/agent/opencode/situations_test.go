package opencode_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/agent/opencode"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/proof/prooftest"
	"muster/internal/testkit/model"
	testopencode "muster/internal/testkit/opencode"
)

// situation is something that happens in a turn.
type situation struct {
	name   string
	script []model.Step
	// during acts while the turn runs. from is the number of records ahead of it.
	during func(t *testing.T, r *rig, from int)
	// want are the states of the turn, each run of equal ones once.
	want []event.RecordState
	// check looks at what came of it.
	check func(t *testing.T, r *rig, end event.Record)
}

const (
	working = event.RecordWorking
	waiting = event.RecordWaiting
	idle    = event.RecordIdle
	failed  = event.RecordError
	limited = event.RecordLimited
)

func bash(command string) model.Step {
	return model.ToolUse("bash", map[string]any{"command": command, "description": "d"})
}

// decide answers the open request as the supervisor does.
func decide(decision, said string) func(*testing.T, *rig, int) {
	return func(t *testing.T, r *rig, from int) {
		t.Helper()
		rec, _ := r.RecordAfter(from, "it asks", func(rec event.Record) bool { return rec.State == waiting })
		ask, err := r.Box().Asked(rec.Request, rec.Tool)
		if err != nil {
			t.Fatal(err)
		}
		a := mail.Answer{Request: rec.Request, Decision: decision, Text: said, Gen: r.Launch.Gen, Hash: ask.Hash}
		prooftest.Intend(t, r.Launch.Home, "t1", r.Launch.Gen, a)
		if err := opencode.New().Answer(r.Launch, a); err != nil {
			t.Fatal(err)
		}
	}
}

// told reports an error if the model's last call lacks a text.
func told(want string) func(*testing.T, *rig, event.Record) {
	return func(t *testing.T, r *rig, _ event.Record) {
		t.Helper()
		all := r.Model.Requests()
		if last := all[len(all)-1]; !last.Contains(want) {
			t.Errorf("the model was not told %q: %+v", want, last.Last())
		}
	}
}

func ends(kind event.ErrorKind) func(*testing.T, *rig, event.Record) {
	return func(t *testing.T, _ *rig, end event.Record) {
		t.Helper()
		if end.Error != kind {
			t.Errorf("the turn ended with %+v, want the error %s", end, kind)
		}
	}
}

func situations() []situation {
	return []situation{
		{
			name: "permission allowed", script: []model.Step{bash("touch asked"), model.Text("done")},
			during: decide(mail.Allow, ""), want: []event.RecordState{working, waiting, working, idle},
			check: func(t *testing.T, r *rig, _ event.Record) {
				t.Helper()
				if _, err := os.Stat(filepath.Join(r.Launch.Worktree, "asked")); err != nil {
					t.Errorf("the allowed command did not run: %v", err)
				}
			},
		},
		{
			name: "permission denied", script: []model.Step{bash("touch denied"), model.Text("another way")},
			during: decide(mail.Deny, "not in this directory"), want: []event.RecordState{working, waiting, working, idle},
			check: told("not in this directory"),
		},
		{
			name: "permission answered at the keyboard", script: []model.Step{bash("touch typed"), model.Text("done")},
			during: func(t *testing.T, r *rig, from int) {
				t.Helper()
				r.RecordAfter(from, "it asks", func(rec event.Record) bool { return rec.State == waiting })
				r.Until("the dialog is shown", func() bool { return strings.Contains(r.Screen(), "Allow once") })
				r.Tmux("send-keys", "-t", r.Pane(), "Enter")
			},
			want: []event.RecordState{working, waiting, working, idle},
		},
		{name: "own verbs need no permission", script: []model.Step{bash("muster note touch"), model.Text("done")}, want: []event.RecordState{working, idle}},
		{
			name: "question", script: []model.Step{
				model.ToolUse("question", map[string]any{"questions": []any{map[string]any{
					"question": "Which colour?", "header": "Colour", "options": []any{
						map[string]any{"label": "red", "description": "r"}, map[string]any{"label": "blue", "description": "b"},
					},
				}}}), model.Text("done"),
			},
			during: decide(mail.Text, "2"), want: []event.RecordState{working, waiting, working, idle}, check: told("blue"),
		},
		{
			name: "edit check", script: []model.Step{model.ToolUse("write", map[string]any{"filePath": "bad.txt", "content": "x"}), model.Text("sorry")},
			want: []event.RecordState{working, idle}, check: told("bad.txt is bad"),
		},
		{
			name: "stash", script: []model.Step{bash("git stash"), model.Text("sorry")},
			want: []event.RecordState{working, idle}, check: told("git stash"),
		},
		{name: "500, then fine", script: []model.Step{model.Error(500), model.Text("fine")}, want: []event.RecordState{working, idle}},
		{
			name: "connection cut", script: []model.Step{model.Always(model.Say("half").CutAfter(2)), model.Text("whole")},
			want: []event.RecordState{working, idle},
		},
		{name: "401", script: []model.Step{model.Error(401)}, want: []event.RecordState{working, failed}, check: ends(event.ErrorAuth)},
		{name: "400", script: []model.Step{model.Error(400)}, want: []event.RecordState{working, failed}, check: ends(event.ErrorInvalidRequest)},
		{
			name: "limit with its end", script: []model.Step{model.Always(model.Fail(429).With("retry-after", "7200"))},
			want: []event.RecordState{working, limited},
			check: func(t *testing.T, _ *rig, end event.Record) {
				t.Helper()
				if d := end.Until.Sub(end.Time); d < time.Hour || d > 3*time.Hour {
					t.Errorf("the limit ends %s after the record, want about two hours", d)
				}
			},
		},
		{
			name: "interrupted at the keyboard", script: []model.Step{model.Hang()},
			during: func(t *testing.T, r *rig, _ int) {
				t.Helper()
				r.Until("the model is called", func() bool { return r.Model.Left() == 0 })
				for _, key := range opencode.New().Facts().Interrupt.Keys {
					r.Tmux("send-keys", "-t", r.Pane(), key)
					time.Sleep(400 * time.Millisecond) // as the supervisor does: both at once are another key
				}
			},
			want: []event.RecordState{working, idle},
			check: func(t *testing.T, _ *rig, end event.Record) {
				t.Helper()
				if end.Note == "" {
					t.Errorf("the end of the turn does not say that it was interrupted: %+v", end)
				}
			},
		},
	}
}

// TestOpenCodeSituations plays the situations one after another with one agent, which gets a message for each.
func TestOpenCodeSituations(t *testing.T) {
	t.Parallel()
	spec := event.Spec{Checks: []event.Check{{Name: "good", Run: "! test -e bad.txt || { echo bad.txt is bad; exit 1; }", OnEdit: true, Timeout: time.Minute}}}
	r := newRig(t, "begin", spec, map[string]any{"bash": map[string]any{"*": "allow", "touch *": "ask", "muster *": "ask"}, "question": "allow"})
	r.start()
	from := r.idle(0)
	for i, s := range situations() {
		ok := t.Run(s.name, func(t *testing.T) {
			outer := r.T
			r.T = t
			defer func() { r.T = outer }()
			r.Model.Clear()
			r.Model.Add(s.script...)
			r.send(event.NewMessageID(i+1), "go on: "+s.name)
			_, begun := r.RecordAfter(from, "the turn begins", func(rec event.Record) bool { return rec.Prompted })
			if s.during != nil {
				s.during(t, r, begun)
			}
			end, n := r.RecordAfter(begun, "the turn ends", func(rec event.Record) bool { return rec.State == idle || rec.State == failed || rec.State == limited })
			var states []event.RecordState
			for _, rec := range r.Records()[from:n] {
				states = append(states, rec.State)
			}
			if got := slices.Compact(states); !slices.Equal(got, s.want) {
				t.Errorf("states %v, want %v", got, s.want)
			}
			from = n
			if s.check != nil {
				s.check(t, r, end)
			}
			if r.Model.Left() != 0 {
				t.Errorf("%d steps of the script are left", r.Model.Left())
			}
		})
		if !ok {
			t.Fatalf("the rest needs an agent that is ready")
		}
	}
	if b, err := json.Marshal(r.Records()[:from]); err != nil || strings.Contains(string(b), testopencode.Key) {
		t.Errorf("the records hold the key, or are no JSON: %v", err)
	}
}
