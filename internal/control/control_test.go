package control

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/boot"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/intake"
	"muster/internal/life"
	"muster/internal/store"
)

// caller returns a caller with its own state directory and no program, so that nothing is ever started.
func caller(dir string) boot.Caller {
	return boot.Caller{Environ: append(os.Environ(), "MUSTER_HOME="+dir), Now: time.Now, Stderr: io.Discard}
}

// log returns the fleet's log as the supervisor has it.
func log(t testing.TB, c *Control) *store.Store {
	t.Helper()
	db, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// open opens a new fleet and closes it with the test.
func open(t testing.TB) *Control {
	t.Helper()
	return openAs(t, caller(t.TempDir()))
}

func openAs(t testing.TB, who boot.Caller) *Control {
	t.Helper()
	c, err := Open(who)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// queue dispatches a task and appends the given events to it.
func queue(t testing.TB, c *Control, name string, happened ...event.Payload) event.TaskID {
	t.Helper()
	out, err := c.Do(t.Context(), Dispatch{Tasks: []intake.Task{{Spec: event.Spec{Name: name}, Prompt: "do " + name}}})
	if err != nil {
		t.Fatal(err)
	}
	happen(t, c, out.Task, happened...)
	return out.Task
}

// happen appends events as the supervisor would.
func happen(t testing.TB, c *Control, id event.TaskID, all ...event.Payload) {
	t.Helper()
	if err := log(t, c).Request(t.Context(), func(tx *store.Tx) error {
		for _, p := range all {
			if _, err := tx.Append(id, 1, p); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func newest(t *testing.T, c *Control) event.Event {
	t.Helper()
	seq, err := log(t, c).LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range log(t, c).Events(t.Context(), store.EventFilter{After: seq - 1}) {
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	t.Fatal("the log is empty")
	return event.Event{}
}

func moved(to event.State) event.Payload { return event.TaskMoved{To: to} }

var bash = event.NewAsk("Bash", []byte(`{"command":"make"}`))

// world makes the tasks that the table below refers to.
func world(t *testing.T, c *Control) {
	t.Helper()
	launched := event.AgentLaunched{Process: event.ProcessRef{PID: 1}, Session: "s"}
	whole := bash
	permission := event.RequestOpened{Request: "q1", Reason: event.WaitPermission, Tool: "Bash", Ask: &whole}
	cut := event.NewAsk("Bash", []byte(strings.Repeat("x", event.MaxInput+1)))
	several := event.NewAsk("AskUserQuestion", []byte("{}")).WithQuestions([]event.Question{
		{Text: "Which?", Options: []event.Option{{Label: "a"}, {Label: "b"}}},
		{Text: "What else?", Options: []event.Option{{Label: "x"}, {Label: "y"}, {Label: "z"}}, Multi: true},
	})
	question := event.RequestOpened{Request: "q2", Reason: event.WaitQuestion, Options: []string{"a", "b"}}
	ready := event.WorktreeReady{Path: "/w", Branch: "muster/x", Base: "abc"}
	for i, happened := range [][]event.Payload{
		nil,                               // t1 queued
		{launched, moved(event.Working)},  // t2 works
		{moved(event.Parked)},             // t3 parked
		{ready, moved(event.Done)},        // t4 done, with a branch
		{moved(event.Failed)},             // t5 failed before it had a branch
		{ready, moved(event.Cancelled)},   // t6 cancelled
		{launched, event.StopRequested{}}, // t7 is being stopped
		{moved(event.Done), event.TaskRemoved{}, event.WorkKept{Ref: "r1"}},                                             // t8 removed, its work kept
		{launched, permission, moved(event.Waiting)},                                                                    // t9 asks for a permission
		{question, moved(event.Parked)},                                                                                 // t10 was parked with a question
		{launched, event.WorkKept{Ref: "r1"}, moved(event.Working)},                                                     // t11 works and has kept work
		{event.WorkKept{Ref: "r1"}, event.WorkKept{Ref: "r2"}, moved(event.Parked)},                                     // t12 parked, kept twice
		{launched, event.RequestOpened{Request: "q3", Reason: event.WaitPermission, Ask: &cut}, moved(event.Waiting)},   // t13 asks more than is stored
		{launched, event.RequestOpened{Reason: event.WaitPermission, Text: "may I?"}, moved(event.Waiting)},             // t14 asks, and no hook holds the request
		{launched, event.RequestOpened{Request: "q4", Reason: event.WaitQuestion, Ask: &several}, moved(event.Waiting)}, // t15 asks two questions
		{launched, event.RequestOpened{Request: "q5", Reason: event.WaitPermission, Text: "rm"}, moved(event.Waiting)},  // t16 asked under an older version
		{ready, moved(event.Publishing)},                                                                                // t17 is being published
	} {
		if id := queue(t, c, fmt.Sprint("task ", i+1), happened...); id != event.NewTaskID(i+1) {
			t.Fatalf("the table is off: %s", id)
		}
	}
}

func TestCommandsAreTakenOrRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cmd  Command
		want event.Payload // the event that is appended
		code fault.Code    // or the code of the refusal
		hint string        // and a part of its hint
	}{
		{cmd: Send{"t1", "hello"}, want: event.SendRequested{Message: "m1", Text: "hello"}},
		{cmd: Send{"t2", "a\x00b\x1b[0m"}, want: event.SendRequested{Message: "m1", Text: "ab\x1b[0m"}},
		{cmd: Send{"t3", "go on"}, want: event.SendRequested{Message: "m1", Text: "go on"}},
		{cmd: Send{"t4", "x"}, code: fault.Conflict, hint: "dispatch --base @t4"},
		{cmd: Send{"t17", "x"}, code: fault.Conflict, hint: "wait t17"},
		{cmd: Send{"t7", "x"}, code: fault.Conflict, hint: "wait t7"},
		{cmd: Send{"t8", "x"}, code: fault.NotFound, hint: "show t8"},
		{cmd: Send{"t99", "x"}, code: fault.NotFound, hint: "ls --all"},
		{cmd: Send{"task 1", "x"}, code: fault.Usage, hint: "ls"},
		{cmd: Send{"t1", " \n"}, code: fault.Usage, hint: "Say"},
		{cmd: Send{"t1", "\xff"}, code: fault.Usage, hint: "iconv"},
		{cmd: Send{"t1", strings.Repeat("x", maxMessage)}, want: event.SendRequested{Message: "m1", Text: strings.Repeat("x", maxMessage)}},
		{cmd: Send{"t1", strings.Repeat("x", maxMessage+1)}, code: fault.Usage, hint: "file"},

		{cmd: Answer{Task: "t9", Decision: event.Allow, Request: "q1", Hash: bash.Hash}, want: event.AnswerRequested{Request: "q1", Decision: event.Allow, Hash: bash.Hash}},
		{cmd: Answer{Task: "t9", Decision: event.Allow}, code: fault.Usage, hint: "show t9 --json"},
		{cmd: Answer{Task: "t9", Decision: event.Allow, Hash: bash.Hash}, code: fault.Usage, hint: "show t9 --json"},
		{cmd: Answer{Task: "t9", Decision: event.Allow, Request: "q1", Hash: strings.Repeat("0", 64)}, code: fault.Conflict, hint: "show t9"},
		{cmd: Answer{Task: "t9", Decision: event.Allow, Request: "q1", Hash: bash.Hash[:12]}, code: fault.Conflict, hint: "show t9"},
		{cmd: Answer{Task: "t9", Decision: event.Deny, Hash: strings.Repeat("0", 64)}, code: fault.Conflict, hint: "show t9"},
		{cmd: Answer{Task: "t13", Decision: event.Allow, Request: "q3"}, code: fault.Conflict, hint: "attach t13"},
		{cmd: Answer{Task: "t13", Decision: event.Deny}, want: event.AnswerRequested{Request: "q3", Decision: event.Deny}},
		{cmd: Answer{Task: "t14", Decision: event.Allow}, code: fault.Conflict, hint: "attach t14"},
		{cmd: Answer{Task: "t14", Decision: event.Deny}, code: fault.Conflict, hint: "attach t14"},
		{cmd: Answer{Task: "t16", Decision: event.Allow, Request: "q5"}, code: fault.Conflict, hint: "deny"},
		{cmd: Answer{Task: "t15", Decision: event.Reply, Answers: []string{"2", "3, 1,3"}}, want: event.AnswerRequested{Request: "q4", Decision: event.Reply, Text: "b\nz, x"}},
		{cmd: Answer{Task: "t15", Decision: event.Reply, Answers: []string{"2,1", "my\nown"}}, want: event.AnswerRequested{Request: "q4", Decision: event.Reply, Text: "2,1\nmy own"}},
		{cmd: Answer{Task: "t15", Decision: event.Reply, Answers: []string{"2"}}, code: fault.Usage, hint: "--question"},
		{cmd: Answer{Task: "t15", Decision: event.Reply, Answers: []string{"2", ""}}, code: fault.Usage, hint: "--question"},
		{cmd: Answer{Task: "t15", Decision: event.Reply, Answers: []string{"2", "4"}}, code: fault.Usage, hint: "1 to 3"},
		{cmd: Answer{Task: "t15", Decision: event.Reply, Text: "you decide"}, want: event.AnswerRequested{Request: "q4", Decision: event.Reply, Text: "you decide"}},
		{cmd: Answer{Task: "t10", Decision: event.Reply, Text: "2"}, want: event.AnswerRequested{Request: "q2", Decision: event.Reply, Text: "b"}},
		{cmd: Answer{Task: "t10", Decision: event.Reply, Text: "3"}, code: fault.Usage, hint: "1 to 2"},
		{cmd: Answer{Task: "t9", Decision: event.Deny, Text: "use make", Request: "q1"}, want: event.AnswerRequested{Request: "q1", Decision: event.Deny, Text: "use make"}},
		{cmd: Answer{Task: "t9", Decision: event.Allow, Request: "q0"}, code: fault.Conflict, hint: "show t9"},
		{cmd: Answer{Task: "t9", Decision: event.Reply, Text: "yes"}, code: fault.Conflict, hint: "deny"},
		{cmd: Answer{Task: "t9", Decision: "maybe"}, code: fault.Usage, hint: "allow"},
		{cmd: Answer{Task: "t10", Decision: event.Reply, Text: "b"}, want: event.AnswerRequested{Request: "q2", Decision: event.Reply, Text: "b"}},
		{cmd: Answer{Task: "t10", Decision: event.Reply}, code: fault.Usage, hint: "Say"},
		{cmd: Answer{Task: "t10", Decision: event.Allow}, code: fault.Conflict, hint: "a | b"},
		{cmd: Answer{Task: "t9", Words: "Yes", Request: "q1", Hash: bash.Hash}, want: event.AnswerRequested{Request: "q1", Decision: event.Allow, Hash: bash.Hash}},
		{cmd: Answer{Task: "t9", Words: "no", Text: "use make"}, want: event.AnswerRequested{Request: "q1", Decision: event.Deny, Text: "use make"}},
		{cmd: Answer{Task: "t9", Words: "perhaps"}, code: fault.Usage, hint: "allow or deny"},
		{cmd: Answer{Task: "t9", Words: "allow", Text: "a reason"}, code: fault.Usage, hint: "Leave it out"},
		{cmd: Answer{Task: "t10", Words: "2"}, want: event.AnswerRequested{Request: "q2", Decision: event.Reply, Text: "b"}},
		{cmd: Answer{Task: "t10", Words: "3"}, code: fault.Usage, hint: "1 to 2"},
		{cmd: Answer{Task: "t10", Words: "allow"}, want: event.AnswerRequested{Request: "q2", Decision: event.Reply, Text: "allow"}},
		{cmd: Answer{Task: "t10", Words: "1", Text: "a reason"}, code: fault.Usage, hint: "Leave it out"},
		{cmd: Answer{Task: "t2", Decision: event.Allow}, code: fault.Conflict, hint: "send t2"},
		{cmd: Answer{Task: "t3", Decision: event.Allow}, code: fault.Conflict, hint: "send t3"},
		{cmd: Answer{Task: "t5", Decision: event.Allow}, code: fault.Conflict, hint: "dispatch"},

		{cmd: Interrupt{"t2"}, want: event.InterruptRequested{}},
		{cmd: Interrupt{"t1"}, code: fault.Conflict, hint: "show t1"},
		{cmd: Interrupt{"t3"}, code: fault.Conflict, hint: "show t3"},
		{cmd: Interrupt{"t4"}, code: fault.Conflict, hint: "dispatch"},

		{cmd: Stop{"t1"}, want: event.StopRequested{}},
		{cmd: Stop{"t3"}, want: event.StopRequested{}},
		{cmd: Stop{"t7"}}, // is being stopped already: accepted, without a further event
		{cmd: Stop{"t6"}}, // was stopped
		{cmd: Stop{"t4"}, code: fault.Conflict, hint: "rm t4"},
		{cmd: Stop{"t8"}, code: fault.NotFound, hint: "show t8"},

		{cmd: Retry{Task: "t3"}, want: event.RetryRequested{}},
		{cmd: Retry{Task: "t1"}, code: fault.Conflict, hint: "send t1"},
		{cmd: Retry{Task: "t6"}, code: fault.Conflict, hint: "muster dispatch --base @t6"},
		{cmd: Retry{Task: "t5"}, code: fault.Conflict, hint: "muster dispatch PROMPT"},

		{cmd: Remove{Task: "t4"}, want: event.RemoveRequested{}},
		{cmd: Remove{Task: "t3", Force: true}, want: event.RemoveRequested{Force: true}},
		{cmd: Remove{Task: "t2"}, code: fault.Conflict, hint: "stop t2"},
		{cmd: Remove{Task: "t8"}, code: fault.NotFound, hint: "show t8"},

		{cmd: Restore{Task: "t8"}, want: event.RestoreRequested{Ref: "r1"}},
		{cmd: Restore{Task: "t12"}, code: fault.Conflict, hint: "restore t12 --ref r2"},
		{cmd: Restore{Task: "t12", Ref: "r1"}, want: event.RestoreRequested{Ref: "r1"}},
		{cmd: Restore{Task: "t12", Ref: "r9"}, code: fault.NotFound, hint: "r1, r2"},
		{cmd: Restore{Task: "t11"}, code: fault.Conflict, hint: "stop t11"},
		{cmd: Restore{Task: "t4"}, code: fault.NotFound, hint: "/w"},

		{cmd: Down{}, want: event.DownRequested{Mode: event.DownLeave}},
		{cmd: Down{Mode: event.DownKill}, want: event.DownRequested{Mode: event.DownKill}},
		{cmd: Down{Mode: "slowly"}, code: fault.Usage, hint: "drain"},
	} {
		t.Run(fmt.Sprintf("%.60v", fmt.Sprintf("%T%v", c.cmd, c.cmd)), func(t *testing.T) {
			t.Parallel()
			ctl := open(t)
			world(t, ctl)
			before, _ := log(t, ctl).LastSeq(t.Context())
			out, err := ctl.Do(t.Context(), c.cmd)
			after, _ := log(t, ctl).LastSeq(t.Context())
			if c.code != "" {
				if !fault.Is(err, c.code) || !strings.Contains(fault.HintOf(err), c.hint) || after != before {
					t.Errorf("error %v (%s), hint %q, want %s and a hint with %q; the log went from %d to %d",
						err, fault.CodeOf(err), fault.HintOf(err), c.code, c.hint, before, after)
				}
				return
			}
			if err != nil || out.Seq != after {
				t.Fatalf("%v, seq %d of %d", err, out.Seq, after)
			}
			if c.want == nil {
				if after != before {
					t.Errorf("it appended %+v", newest(t, ctl))
				}
				return
			}
			e := newest(t, ctl)
			if d := cmp.Diff(c.want, e.Data); d != "" || e.Task != out.Task || after != before+1 {
				t.Errorf("(-want +got) %s\ntask %q, outcome %+v, log from %d to %d", d, e.Task, out, before, after)
			}
		})
	}
}

func TestMessagesAreNumbered(t *testing.T) {
	t.Parallel()
	c := open(t)
	id := queue(t, c, "a")
	for i := range 3 {
		out, err := c.Do(t.Context(), Send{id, "x"})
		if err != nil || out.Message != event.NewMessageID(i+1) {
			t.Errorf("message %s (%v), want m%d", out.Message, err, i+1)
		}
	}
}

func TestARequestNamesItsFrontEnd(t *testing.T) {
	t.Parallel()
	c := open(t)
	id := queue(t, c, "a")
	page := Through(t.Context(), event.FrontPage)
	for _, cmd := range []Command{Send{id, "x"}, Stop{id}} {
		if _, err := c.Do(page, cmd); err != nil {
			t.Fatal(err)
		}
	}
	want := []event.Payload{event.SendRequested{Message: "m1", Text: "x", Front: event.FrontPage}, event.StopRequested{Front: event.FrontPage}}
	var got []event.Payload
	for e, err := range log(t, c).Events(t.Context(), store.EventFilter{Task: id, After: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Data)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestCommandsTouchTheWakeFile(t *testing.T) {
	t.Parallel()
	c := open(t)
	id := queue(t, c, "a")
	if err := os.Remove(c.Home().Wake()); err != nil {
		t.Fatalf("dispatch woke nobody: %v", err)
	}
	if _, err := c.Do(t.Context(), Retry{Task: id}); err == nil {
		t.Fatal("a queued task was retried")
	}
	if _, err := os.Stat(c.Home().Wake()); !os.IsNotExist(err) {
		t.Errorf("a refusal woke somebody: %v", err)
	}
	if _, err := c.Do(t.Context(), Stop{id}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.Home().Wake()); err != nil {
		t.Errorf("stop woke nobody: %v", err)
	}
}

func TestDispatchResolvesReferences(t *testing.T) {
	t.Parallel()
	c := open(t)
	old := queue(t, c, "old")
	out, err := c.Do(t.Context(), Dispatch{Tasks: []intake.Task{
		{Spec: event.Spec{Name: "one", After: []event.TaskID{old}}, Prompt: "1\x00", AfterRefs: []string{"t1"}},
		{Spec: event.Spec{Name: "two", Base: "@one"}, Prompt: "2", AfterRefs: []string{"one", "t1", "one"}},
		{Spec: event.Spec{Name: "three", Base: "@t1"}, Prompt: "3"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []event.TaskID{"t2", "t3", "t4"}; !slices.Equal(out.Tasks, want) || out.Task != "t2" {
		t.Errorf("outcome %+v, want tasks %v", out, want)
	}
	type frozen struct {
		After []event.TaskID
		Base  string
	}
	var got []frozen
	for _, id := range out.Tasks {
		task, err := Get(t.Context(), c, One{string(id)})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, frozen{task.Spec.After, task.Spec.Base})
	}
	want := []frozen{{[]event.TaskID{"t1"}, ""}, {[]event.TaskID{"t2", "t1"}, "@t2"}, {nil, "@t1"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDispatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	c := open(t)
	good := intake.Task{Spec: event.Spec{Name: "good"}, Prompt: "do it"}
	named := func(name string, n intake.Task) intake.Task { n.Spec.Name = name; n.Prompt = "x"; return n }
	for what, bad := range map[string]struct {
		tasks []intake.Task
		code  fault.Code
	}{
		"nothing":                     {nil, fault.Usage},
		"no prompt":                   {[]intake.Task{good, {}}, fault.Usage},
		"a prompt too long":           {[]intake.Task{good, {Prompt: strings.Repeat("x", MaxPrompt+1)}}, fault.Usage},
		"after an unknown id":         {[]intake.Task{good, named("b", intake.Task{AfterRefs: []string{"t77"}})}, fault.NotFound},
		"after an id yet to be given": {[]intake.Task{good, named("b", intake.Task{AfterRefs: []string{"t1"}})}, fault.NotFound},
		"after an unknown id in spec": {[]intake.Task{good, {Spec: event.Spec{After: []event.TaskID{"t77"}}, Prompt: "x"}}, fault.NotFound},
		"after an unknown name":       {[]intake.Task{good, named("b", intake.Task{AfterRefs: []string{"nobody"}})}, fault.NotFound},
		"after a later one":           {[]intake.Task{named("b", intake.Task{AfterRefs: []string{"good"}}), good}, fault.Usage},
		"after itself":                {[]intake.Task{named("b", intake.Task{AfterRefs: []string{"b"}})}, fault.Usage},
		"after one of two":            {[]intake.Task{good, good, named("b", intake.Task{AfterRefs: []string{"good"}})}, fault.Usage},
		"an unknown base":             {[]intake.Task{good, {Spec: event.Spec{Base: "@t77"}, Prompt: "x"}}, fault.NotFound},
	} {
		_, err := c.Do(t.Context(), Dispatch{Tasks: bad.tasks})
		if !fault.Is(err, bad.code) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v (hint %q), want %s", what, err, fault.HintOf(err), bad.code)
		}
	}
	if seq, err := log(t, c).LastSeq(t.Context()); err != nil || seq != 0 {
		t.Errorf("%d events were left (%v)", seq, err)
	}
	if out, err := c.Do(t.Context(), Dispatch{Tasks: []intake.Task{{Prompt: strings.Repeat("x", MaxPrompt)}}}); err != nil || out.Task != "t1" {
		t.Errorf("the longest prompt: %+v, %v", out, err)
	}
}

func TestStateIsMadePrivate(t *testing.T) {
	t.Parallel()
	h := home.Dir(t.TempDir() + "/a/b")
	c, err := Open(caller(string(h)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	log(t, c) // opens it
	for path, want := range map[string]os.FileMode{string(h): 0o700, h.StatusDir(): 0o700, h.DB(): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info, err, want)
		}
	}
}

var _ Query[life.Task] = One{}

func TestAnAgentsShellChangesNothingOfTheFleet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	world(t, openAs(t, caller(dir)))
	agents := caller(dir)
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	agents.Exe = "/nonexistent/muster" // a fleet that it started would fail
	agents.Environ = append(agents.Environ, "MUSTER_TASK=t2", "MUSTER_STATUS_FILE="+home.Dir(real).StatusFile("t2", 1))
	c := openAs(t, agents)
	before, _ := log(t, c).LastSeq(t.Context())
	for _, cmd := range []Command{
		Up{},
		Down{},
		Down{Mode: event.DownKill},
		Remove{Task: "t4"},
		Remove{Task: "t3", Force: true},
		Upgrade{Program: "/bin/sh"},
		Answer{Task: "t2", Words: "deny"},
		Stop{Task: "t1"},
		Interrupt{Task: "t1"},
		Retry{Task: "t4"},
		Restore{Task: "t4"},
	} {
		if _, err := c.Do(t.Context(), cmd); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "agent's shell") || fault.HintOf(err) == "" {
			t.Errorf("%T: %v", cmd, err)
		}
	}
	if after, _ := log(t, c).LastSeq(t.Context()); after != before {
		t.Errorf("%d events were appended", after-before)
	}
	if _, err := os.Stat(c.Home().Down()); err == nil {
		t.Error("the fleet is marked as down")
	}
	if _, err := c.Do(t.Context(), Send{"t1", "hello"}); err != nil {
		t.Errorf("send: %v", err)
	}
	if _, err := c.Do(t.Context(), Dispatch{Tasks: []intake.Task{{Spec: event.Spec{Name: "part"}, Prompt: "a part"}}}); err != nil {
		t.Errorf("dispatch: %v", err)
	}
	if _, err := os.Stat(c.Home().Env()); err == nil {
		t.Error("an environment was saved")
	}
	// A fleet in another state directory is independent.
	own := agents
	own.Environ = append(own.Environ, "MUSTER_HOME="+t.TempDir())
	if _, err := openAs(t, own).Do(t.Context(), Down{}); err != nil {
		t.Errorf("down of a fleet of its own: %v", err)
	}
}
