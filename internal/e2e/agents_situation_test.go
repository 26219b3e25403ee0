package e2e

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/testkit/matrix"
	"muster/internal/testkit/model"
	testrig "muster/internal/testkit/rig"
)

// ofTask are the situations that concern one task only. All of an agent's share one fleet.
var ofTask = map[string]func(c *cell){
	matrix.Plain:       plainTask,
	matrix.TwoTools:    twoTools,
	matrix.EditCheck:   editCheck,
	matrix.Feedback:    failingCheck,
	matrix.Allowed:     allowedByRule,
	matrix.Denied:      deniedByRule,
	matrix.Unanswered:  unanswered,
	matrix.Question:    question,
	matrix.Idle:        messageWhileIdle,
	matrix.Busy:        messageWhileBusy,
	matrix.Dialog:      messageDuringDialog,
	matrix.Escape:      escapeByAPerson,
	matrix.Killed:      killedInATurn,
	matrix.SessionGone: sessionKilled,
	matrix.Quit:        quitByAPerson,
	matrix.QuitChecked: quitWhileChecksRun,
}

// ofAccount are the situations in which an account rests or a clock is set ahead. Each has a fleet of its own, with further lines of [task].
var ofAccount = map[string]struct {
	config string
	run    func(c *cell)
}{
	matrix.Limit:       {"", limitTwice},
	matrix.RateLimit:   {"", tooManyRequests},
	matrix.Overloaded:  {"", overloadedOnce},
	matrix.NoLogin:     {"", withoutLogin},
	matrix.Cut:         {"", connectionCut},
	matrix.ServerGone:  {"", serverGone},
	matrix.Hang:        {"silence = \"15s\"\n", modelHangs},
	matrix.OtherDialog: {"", unknownDialog},
}

func plainTask(c *cell) {
	c.begin(model.Text("hello"))
	got := c.ends("working checking")
	if first := c.called(1); !first.Contains("Task "+string(c.id)+" (muster):") || got.Gen != 1 {
		c.t.Errorf("the first call of generation %d has %+v", got.Gen, first.Messages)
	}
	c.said(mark(c.name))
}

func twoTools(c *cell) {
	c.begin(c.runs("cat a.txt", "cat b.txt"), model.Text("done"))
	c.ends("working checking")
	c.told(2, "alpha")
	c.told(2, "beta")
}

func editCheck(c *cell) {
	c.begin(c.creates("bad.txt"), c.runs("rm bad.txt"), model.Text("mended"))
	c.ends("working checking")
	c.told(2, "bad.txt:1: it is bad")
}

func failingCheck(c *cell) {
	c.begin(c.runs("touch worse.txt"), model.Text("done"), c.runs("rm worse.txt"), model.Text("mended"))
	c.ends("working checking working checking")
	c.told(3, "worse.txt:1: it is worse")
	c.said("[muster m1]")
}

func allowedByRule(c *cell) {
	c.begin(c.runs(cmp.Or(c.a.asked, "touch allowed.txt")), model.Text("done"))
	c.becomes(c.id, event.Done)
	c.decided("allow by rule")
	if !c.made("allowed.txt") {
		c.t.Error("what a rule allows did not run")
	}
}

func deniedByRule(c *cell) {
	c.begin(c.runs("touch denied.txt"), model.Text("another way"))
	c.becomes(c.id, event.Done)
	c.decided("deny by rule")
	c.told(2, "not this file")
	if c.made("denied.txt") {
		c.t.Error("what a rule denies ran")
	}
}

func unanswered(c *cell) {
	c.begin(c.runs("touch late.txt"), model.Text("another way"))
	c.ends("working waiting working checking")
	c.decided("deny by deadline")
	c.told(2, "Nobody answered")
	if c.made("late.txt") {
		c.t.Error("what nobody allowed ran")
	}
}

func question(c *cell) {
	c.begin(model.Always(c.a.question()), model.Text("done"))
	c.ends("working waiting working checking")
	c.decided("text by deadline")
	c.told(2, "Red")
}

func messageWhileIdle(c *cell) {
	c.begin(c.runs("touch slow.txt"), model.Text("done"), c.runs("rm slow.txt"), model.Text("heard"))
	c.becomes(c.id, event.Checking)
	c.must("send", string(c.id), "while you rest")
	c.acked("m1")
	c.ends("working checking working checking")
	c.said("while you rest", mark(c.name))
}

func messageWhileBusy(c *cell) {
	c.begin(c.runs("sh tool.sh"), model.Text("done"))
	c.await("the tool runs", func() bool { return c.made("go-begun") })
	c.must("send", string(c.id), "while you work")
	c.make("go-on")
	c.acked("m1")
	c.becomes(c.id, event.Done)
	c.said("while you work", mark(c.name))
}

func messageDuringDialog(c *cell) {
	c.begin(c.runs("touch asked.txt"), model.Text("done"))
	c.becomes(c.id, event.Waiting)
	c.must("send", string(c.id), "while you wait")
	time.Sleep(3 * time.Second)
	if c.made("asked.txt") || c.task(c.id).State != event.Waiting {
		c.t.Fatal("a message answered the request")
	}
	c.must("answer", string(c.id), "allow")
	c.acked("m1")
	c.becomes(c.id, event.Done)
	if !c.made("asked.txt") {
		c.t.Error("what a person allowed did not run")
	}
	c.said("while you wait", mark(c.name))
}

func escapeByAPerson(c *cell) {
	c.begin(model.Always(model.Say("half of it").StallAfter(cmp.Or(c.a.half, 2))))
	c.called(1)
	time.Sleep(2 * time.Second) // until the program shows its turn, it does not take the key
	c.escapes()
	c.await("the end of the turn is seen", func() bool { return c.task(c.id).Agent.Turn.Over() })
	time.Sleep(8 * time.Second) // a turn of which nothing says how it ended is judged after five
	if got := c.task(c.id); got.State != event.Working {
		c.t.Errorf("it is %s: what a person broke off was judged", got.State)
	}
	c.must("send", string(c.id), "another way")
	got := c.ends("working checking")
	if !c.a.forgets {
		c.said("another way")
	} else if !slices.ContainsFunc(c.model.Requests(), func(q model.Request) bool { return q.Contains("another way") && !q.Contains(mark(c.name)) }) {
		c.t.Error("the model was not told another way, or it still has the prompt of the turn that was broken off")
	}
	if got.Gen != 1 {
		c.t.Errorf("generation %d, want the first", got.Gen)
	}
}

// ended ends the agent in the middle of a tool, and expects that its conversation goes on in the next generation.
func (c *cell) ended(end func(before life.Task)) {
	c.begin(c.runs("sh tool.sh"), model.Text("done"))
	c.await("the tool runs", func() bool { return c.made("go-begun") })
	before := c.task(c.id)
	end(before)
	c.told(2, "taken up again")
	got := c.ends("working starting working checking")
	if got.Conversation != before.Conversation || got.Gen != 2 {
		c.t.Errorf("conversation %s (was %s), generation %d", got.Conversation, before.Conversation, got.Gen)
	}
	c.said(mark(c.name), "taken up again")
}

func killedInATurn(c *cell) { c.ended(func(before life.Task) { c.kill(before.Agent.Process.PID) }) }

func sessionKilled(c *cell) {
	c.ended(func(before life.Task) { c.tmux("kill-session", "-t", "="+before.Session) })
}

// back waits until a task that a person has brought back is done.
func (c *cell) back() life.Task {
	c.t.Helper()
	var got life.Task
	c.await("it is done", func() bool {
		got = c.task(c.id)
		return got.State == event.Done
	})
	return got
}

func quitByAPerson(c *cell) {
	c.begin(c.runs("sh tool.sh"), model.Text("done"))
	c.await("the tool runs", func() bool { return c.made("go-begun") })
	c.must("interrupt", string(c.id))
	c.await("the end of the turn is seen", func() bool { return c.task(c.id).Agent.Turn.Over() })
	c.leaves()
	parked := c.becomes(c.id, event.Parked)
	if parked.Reason != life.ReasonQuit {
		c.t.Errorf("parked for %s (%s)", parked.Reason, parked.Detail)
	}
	c.must("retry", string(c.id))
	got := c.back()
	c.went("working parked queued preparing starting working checking publishing done")
	if got.Conversation != parked.Conversation || got.Gen != 2 {
		c.t.Errorf("conversation %s (was %s), generation %d", got.Conversation, parked.Conversation, got.Gen)
	}
	c.said(mark(c.name))
}

func quitWhileChecksRun(c *cell) {
	c.begin(c.runs("touch slow.txt worse.txt"), model.Text("done"), c.runs("rm worse.txt"), model.Text("mended"))
	before := c.becomes(c.id, event.Checking)
	c.leaves()
	if got := c.task(c.id); got.State != event.Checking {
		c.t.Errorf("it is %s (%s: %s): the verdict counts, and the checks go on", got.State, got.Reason, got.Detail)
	}
	if err := os.Remove(filepath.Join(before.Worktree, "slow.txt")); err != nil {
		c.t.Fatal(err)
	}
	c.told(3, "worse.txt:1: it is worse")
	got := c.ends("working checking working starting working checking")
	if got.Conversation != before.Conversation || got.Gen != 2 || got.Attempt != 1 {
		c.t.Errorf("conversation %s (was %s), generation %d, attempt %d", got.Conversation, before.Conversation, got.Gen, got.Attempt)
	}
	c.said(mark(c.name), "[muster m1]")
}

func limitTwice(c *cell) {
	first := func(model.Request) model.Reply { return c.a.limit(time.Now().Add(2 * time.Hour)) }
	rest := []model.Step{func(model.Request) model.Reply { return c.a.limit(time.Now().Add(5 * time.Hour)) }, model.Text("done")}
	calls := c.talk.Requests
	if c.a.forgets { // what follows is a conversation without its prompt, in which the agent looks for it
		c.model.Add(rest[0], c.runs(`cat "$MUSTER_PROMPT_FILE"`))
		rest, calls = []model.Step{rest[1]}, c.model.Requests
	}
	c.begin(append([]model.Step{first}, rest...)...)
	for i, hours := range []int{2, 5} {
		reset := time.Duration(hours) * time.Hour
		rests := c.rests(i + 1)
		d, ok := rests.Deadline(event.DeadlineAPIRetry)
		if left := time.Until(d.At); !ok || left < reset-5*time.Minute || left > reset+5*time.Minute {
			c.t.Errorf("it rests until %v (%v), want about %v", d.At, ok, reset)
		}
		if n := len(calls()); n != i+1 {
			c.t.Errorf("%d calls were spent on a limited account", n-i-1)
		}
		time.Sleep(3 * time.Second) // a program that still ends its turn takes no message; in a night that was hours ago
		c.later(reset + 10*time.Minute)
	}
	c.ends("working limited working limited working checking")
	if c.a.forgets {
		c.looksUpItsTask(4)
		return
	}
	c.said(mark(c.name))
}

// looksUpItsTask reports an error unless a conversation without its prompt was told where the task is, and the n-th call has it from there.
func (c *cell) looksUpItsTask(n int) {
	c.t.Helper()
	all := c.model.Requests()
	if len(all) != n || !slices.ContainsFunc(all, func(q model.Request) bool {
		return q.Contains("Should you see no task of yours above") && !q.Contains(mark(c.name))
	}) {
		c.t.Fatalf("%d calls, want %d; no agent without its prompt was told where that is, or it still has it", len(all), n)
	}
	c.findsItsTask(n)
}

// findsItsTask reports an error unless the n-th call has the task from its file.
func (c *cell) findsItsTask(n int) {
	c.t.Helper()
	all := c.model.Requests()
	if len(all) < n {
		c.t.Fatalf("%d calls, want %d at least", len(all), n)
	}
	if found := all[n-1].Last().ToolResults; len(found) != 1 || !strings.Contains(found[0].Text, mark(c.name)) {
		c.t.Errorf("the agent did not find its task: %+v", found)
	}
}

func tooManyRequests(c *cell) {
	c.begin(c.talk.Forever(model.Fail(429)))
	rests := c.rests(1)
	d, ok := rests.Deadline(event.DeadlineAPIRetry)
	if left := time.Until(d.At); !ok || left > 61*time.Second || rests.Reason != event.Reason(event.ErrorRateLimit) {
		c.t.Errorf("it rests for %s until %v (%v), want at most a minute", rests.Reason, d.At, ok)
	}
	c.talk.Script(model.Text("done"))
	c.later(2 * time.Minute)
	c.ends("working limited working checking")
	c.said(mark(c.name))
}

// goesOn waits until the task is done. Where its account rests meanwhile, the clock is set ahead.
func (c *cell) goesOn() life.Task {
	c.t.Helper()
	var got life.Task
	rests := 0
	c.await("it is done", func() bool {
		got = c.task(c.id)
		if n := strings.Count(c.path(), string(event.Limited)); got.State == event.Limited && n > rests {
			rests = n
			c.later(time.Duration(n) * 20 * time.Minute)
		}
		return got.State == event.Done
	})
	return got
}

func overloadedOnce(c *cell) {
	c.begin(model.Error(529), model.Text("done"))
	if got := c.goesOn(); got.Gen != 1 || got.Attempt != 1 {
		c.t.Errorf("generation %d, attempt %d", got.Gen, got.Attempt)
	}
	c.said(mark(c.name))
}

func withoutLogin(c *cell) {
	c.begin(c.talk.Forever(model.Fail(401)))
	parked := c.becomes(c.id, event.Parked)
	if parked.Reason != life.ReasonAuth {
		c.t.Errorf("parked for %s (%s), want %s", parked.Reason, parked.Detail, life.ReasonAuth)
	}
	c.talk.Script(model.Text("done"))
	c.must("retry", string(c.id)) // a person has logged in
	c.back()
	c.said(mark(c.name))
}

func connectionCut(c *cell) {
	c.begin(model.Always(model.Say("half of it").CutAfter(cmp.Or(c.a.half, 2))), model.Text("done"))
	if got := c.goesOn(); got.Gen != 1 || got.Attempt != 1 {
		c.t.Errorf("generation %d, attempt %d", got.Gen, got.Attempt)
	}
	c.said(mark(c.name))
}

func serverGone(c *cell) {
	c.begin(c.runs("sh tool.sh"), model.Text("done"))
	c.await("the tool runs", func() bool { return c.made("go-begun") })
	c.model.Away(true)
	c.make("go-on")
	time.Sleep(2 * time.Minute)
	c.model.Away(false)
	if got := c.goesOn(); got.Gen != 1 || got.Attempt != 1 {
		c.t.Errorf("generation %d, attempt %d", got.Gen, got.Attempt)
	}
	c.said(mark(c.name))
}

func modelHangs(c *cell) {
	c.begin(c.runs("cat a.txt"), model.Hang(), model.Text("done"))
	if c.a.forgets {
		c.model.Add(c.runs(`cat "$MUSTER_PROMPT_FILE"`)) // a conversation without its prompt follows
	}
	c.await("it is interrupted", func() bool { return slices.Contains(c.stages(c.id), event.StageInterrupt) })
	got := c.goesOn()
	if got.Gen != 1 || got.Attempt != 1 {
		c.t.Errorf("generation %d, attempt %d, stages %v: an interrupt is enough", got.Gen, got.Attempt, c.stages(c.id))
	}
	if c.a.forgets { // the program goes on by itself, in a conversation without the prompt, and is told to go on after that turn
		c.findsItsTask(4)
		if all := c.model.Requests(); len(all) != 5 || all[2].Contains(mark(c.name)) || !all[4].Contains("[muster m1]") {
			c.t.Errorf("%d calls, want 5: a tool, what hung, a look for the task, its end, and the message", len(all))
		}
		return
	}
	want := 3
	if slices.Contains(c.stages(c.id), event.StageNudge) && !c.a.queues {
		want++ // the nudge is on its way when the turn is interrupted, and it is said again
	}
	if n := len(c.talk.Requests()); n != want {
		c.t.Errorf("the model was called %d times, want %d: a tool, what hung, and what followed", n, want)
	}
	c.said(mark(c.name))
}

// unknownDialog puts a program ahead of the agent that asks in its terminal what no version asks yet.
func unknownDialog(c *cell) {
	const words = "Do you accept the terms of 2031?"
	dir := filepath.Join(c.root, "ahead")
	if err := os.Mkdir(dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	ahead, was := filepath.Join(dir, c.a.kind), c.env
	program := c.a.program(c.t)
	c.write(ahead, "#!/bin/sh\ntest -t 1 && { echo '"+words+" [y/N]'; read answer; }\nexec '"+program+"' \"$@\"\n")
	if err := os.Chmod(ahead, 0o700); err != nil { //nolint:gosec // a program
		c.t.Fatal(err)
	}
	c.setVar("PATH", dir+string(os.PathListSeparator)+filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"))
	c.begin(model.Text("done"))
	c.await("the dialog is open", func() bool {
		t := c.task(c.id)
		if t.Session == "" {
			return false
		}
		screen, _ := c.tryTmux("capture-pane", "-p", "-t", "="+t.Session+":agent")
		return strings.Contains(screen, words)
	})
	c.later(5 * time.Minute)
	parked := c.becomes(c.id, event.Parked)
	if parked.Reason != life.ReasonDialog || !strings.Contains(parked.Detail, words) {
		c.t.Errorf("parked for %s (%s)", parked.Reason, parked.Detail)
	}
	c.env = was
	c.write(ahead, "#!/bin/sh\nexec '"+program+"' \"$@\"\n")
	c.must("retry", string(c.id))
	c.back()
	c.said(mark(c.name))
}

// TestSituations runs each agent through the situations that concern one task only, some of them at the same time.
func TestSituations(t *testing.T) {
	testrig.Long(t)
	t.Parallel()
	for _, a := range drivers() {
		t.Run(a.kind, func(t *testing.T) {
			t.Parallel()
			r := newSituation(t, a, "")
			places := make(chan struct{}, max(1, runtime.NumCPU()-1)) // a program keeps a core busy while it starts
			for _, name := range matrix.Situations() {
				run, here := ofTask[name]
				if !here || matrix.Exempt(a.kind, name) != "" {
					continue
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					places <- struct{}{}
					defer func() { <-places }()
					run(r.cell(t, a, name))
				})
			}
		})
	}
}

// TestSituationsOfAnAccount runs each agent through the situations in which its account rests or a clock is set ahead.
func TestSituationsOfAnAccount(t *testing.T) {
	testrig.Long(t)
	t.Parallel()
	for _, a := range drivers() {
		t.Run(a.kind, func(t *testing.T) {
			t.Parallel()
			for _, name := range matrix.Situations() {
				one, here := ofAccount[name]
				if !here || matrix.Exempt(a.kind, name) != "" {
					continue
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					one.run(newSituation(t, a, one.config).cell(t, a, name))
				})
			}
		})
	}
}

// TestEverySituationIsPlayed checks that the tests above play each situation of the table, and no other.
func TestEverySituationIsPlayed(t *testing.T) {
	t.Parallel()
	for _, name := range matrix.Situations() {
		_, one := ofTask[name]
		_, other := ofAccount[name]
		if one == other {
			t.Errorf("%q is played by none of the tests, or by both", name)
		}
	}
	if n := len(ofTask) + len(ofAccount); n != len(matrix.Situations()) {
		t.Errorf("%d situations are played, and the table has %d", n, len(matrix.Situations()))
	}
	kinds := make([]string, 0, len(drivers()))
	for _, a := range drivers() {
		kinds = append(kinds, a.kind)
	}
	if !slices.Equal(kinds, matrix.Kinds()) {
		t.Errorf("the agents are %v, and the table has %v", kinds, matrix.Kinds())
	}
}
