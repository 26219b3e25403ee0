package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// TestAnAgentThatCrashesAgainAndAgain checks that such an agent is restarted with growing pauses, and given up when
// its attempts are used up.
func TestAnAgentThatCrashesAgainAndAgain(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("append a.txt x\ncrash", "--attempts", "3")
	f.until(id, "pauses before the third attempt", func(t life.Task) bool { _, ok := t.Deadline(event.DeadlineRestart); return ok })
	for _, e := range f.events(id) {
		if d, ok := e.Data.(event.DeadlineSet); ok && d.Name == event.DeadlineRestart && (e.Gen != 2 || d.At.Sub(e.Time) < 9*time.Second) {
			t.Errorf("generation %d ended at %v, again at %v", e.Gen, e.Time, d.At)
		}
	}
	f.later(11 * time.Second)
	got := f.reaches(id, event.Failed)
	if got.Reason != life.ReasonAttempts || got.Attempt != 3 || len(f.begins(id)) != 3 {
		t.Errorf("%s, attempt %d, begun %d times", got.Reason, got.Attempt, len(f.begins(id)))
	}
	if data, err := os.ReadFile(got.Worktree + "/a.txt"); err != nil || !strings.HasPrefix(string(data), "x") {
		t.Errorf("its work: %q, %v", data, err)
	}
	f.oneAtATime(t)
}

// TestCrashesCountAcrossTheSupervisorsDeath checks that the cap of attempts and the pause before the next attempt
// survive the supervisor.
func TestCrashesCountAcrossTheSupervisorsDeath(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("exit 1", "--attempts", "3")
	pause := func(at life.Task) life.Deadline {
		d, _ := at.Deadline(event.DeadlineRestart)
		return d
	}
	before := pause(f.until(id, "pauses", func(t life.Task) bool { return !pause(t).At.IsZero() }))
	for range 2 {
		starts := len(payloads[event.SupervisorStarted](f, ""))
		f.kill(f.only("supervise"))
		f.eventually("another supervisor is ready", func() bool { return len(payloads[event.SupervisorStarted](f, "")) > starts })
	}
	unmoved := f.events(id) // those before the test moves the clock
	f.later(11 * time.Second)
	f.eventually("the last attempt has begun", func() bool { return len(f.begins(id)) == 3 })
	f.kill(f.only("supervise"))
	f.only("supervise")
	got := f.reaches(id, event.Failed)
	for _, e := range unmoved {
		if _, began := e.Data.(event.GenerationStarted); began && e.Gen == 3 && e.Time.Before(before.At) {
			t.Errorf("the third generation began at %v, before the end of the pause at %v", e.Time, before.At)
		}
	}
	for _, d := range payloads[event.DeadlineSet](f, id) {
		if d.Name == event.DeadlineRestart && !d.At.Equal(before.At) {
			t.Errorf("the pause was set again: it ends at %v, not at %v", d.At, before.At)
		}
	}
	exits := payloads[event.AgentExited](f, id)
	if got.Reason != life.ReasonAttempts || got.Gen != 3 || got.Attempt != 3 || len(f.begins(id)) != 3 || len(exits) != 3 {
		t.Errorf("%s, generation %d, attempt %d, begun %d times, exits %+v", got.Reason, got.Gen, got.Attempt, len(f.begins(id)), exits)
	}
	f.oneAtATime(t)
}

// TestACommandThatReportsIdleAndGoesOnRunningGetsItsFeedback checks that the feedback goes to a new process, because a
// running command takes no messages.
func TestACommandThatReportsIdleAndGoesOnRunningGetsItsFeedback(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.write(f.shared+"/agent.sh", `if grep -q 'failed' "$MUSTER_PROMPT_FILE"; then echo good > a.txt; else echo bad > a.txt; fi
echo '{"state":"idle"}' >> "$MUSTER_STATUS_FILE"
sleep 3600
`)
	id := f.dispatchPrompt("make it good", "--command", "sh "+f.shared+"/agent.sh", "--check", "good=grep -q good a.txt")
	got := f.reaches(id, event.Done)
	if got.Gen != 2 || got.Attempt != 1 {
		t.Errorf("generation %d, attempt %d, want the second generation of the first attempt", got.Gen, got.Attempt)
	}
}

// TestAnAgentThatAPersonQuitsIsParked checks that the agent is not restarted while the person uses its terminal, and
// that `retry` resumes it.
func TestAnAgentThatAPersonQuitsIsParked(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("once exit 0\nwrite work x", "--attempts", "1")
	got := f.reaches(id, event.Parked)
	if got.Reason != life.ReasonQuit || got.Gen != 1 || got.Attempt != 1 {
		t.Errorf("%s: %s, generation %d, attempt %d", got.Reason, got.Detail, got.Gen, got.Attempt)
	}
	f.must("retry", string(id))
	f.reaches(id, event.Done)
}

// TestAnAgentThatAPersonQuitsWhileChecksRun checks that verdicts count although the agent is gone: a red one goes to a new process of
// the same conversation, and green work is published without one.
func TestAnAgentThatAPersonQuitsWhileChecksRun(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	gate := f.shared + "/gate"
	id := f.dispatch("write a.txt bad\n---\nwrite a.txt good", "--attempts", "1",
		"--check", "good=while ! test -e "+gate+"; do sleep 0.1; done; rm "+gate+"; grep -q good a.txt")
	quits := func(gen int) life.Task {
		got := f.until(id, fmt.Sprintf("checks the work of generation %d", gen), func(t life.Task) bool { return t.State == event.Checking && t.Gen == gen })
		pane := "=" + got.Session + ":agent"
		f.tmux("send-keys", "-t", pane, "/exit")
		f.eventually("the word is in the agent's input", func() bool { return strings.Contains(f.tmux("capture-pane", "-p", "-t", pane), "> /exit") })
		f.tmux("send-keys", "-t", pane, "Enter")
		got = f.until(id, "has no agent", func(t life.Task) bool { return !t.Agent.Live })
		if got.State != event.Checking {
			t.Errorf("generation %d was quit: %s (%s: %s)", gen, got.State, got.Reason, got.Detail)
		}
		f.write(gate, "")
		return got
	}
	first := quits(1)
	second := quits(2)
	got := f.reaches(id, event.Done)
	if got.Gen != 2 || got.Attempt != 1 || second.Conversation != first.Conversation || len(f.begins(id)) != 2 {
		t.Errorf("generation %d, attempt %d, conversations %s and %s", got.Gen, got.Attempt, first.Conversation, second.Conversation)
	}
	if text := f.git("show", got.Published.Branch+":a.txt"); text != "good" {
		t.Errorf("published %q", text)
	}
}

func TestAnAgentThatNeverReports(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("no-record\nmark here\nawait-file go-on", "--attempts", "1")
	f.marks(id, "here")
	f.until(id, "is waited for", func(t life.Task) bool { _, ok := t.Deadline(event.DeadlineFirstRecord); return ok })
	f.later(11 * time.Second)
	got := f.reaches(id, event.Failed)
	if got.Reason != life.ReasonAttempts || !strings.Contains(got.Detail, "did not report in time") {
		t.Errorf("%s: %s", got.Reason, got.Detail)
	}
}

// TestALaunchThatStandsAtADialogIsParkedWithItsWords uses a dialog that muster does not know. The next start would end
// at it as well.
func TestALaunchThatStandsAtADialogIsParkedWithItsWords(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("no-record\nsay Allow external imports? 1. Yes 2. No\nmark here\nhang hard")
	f.marks(id, "here")
	got := f.reaches(id, event.Parked)
	if got.Reason != life.ReasonDialog || !strings.Contains(got.Detail, "Allow external imports? 1. Yes 2. No") {
		t.Errorf("%s: %s", got.Reason, got.Detail)
	}
	if got.Gen != 1 || len(f.begins(id)) != 1 {
		t.Errorf("generation %d, begun %d times: it was started into the same screen again", got.Gen, len(f.begins(id)))
	}
}

// TestWhatAnAgentForksEndsWithIt checks also that nothing else ends: not an unrelated process of the same name, not a
// person's own windows, and not the person's own tmux server.
func TestWhatAnAgentForksEndsWithIt(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	decoy := exec.Command("sleep", "3600")
	if err := decoy.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = decoy.Process.Kill()
		_ = decoy.Wait()
	}()
	theirs, err := os.MkdirTemp("/tmp", "m-own-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(theirs) }()
	own := func(args ...string) error {
		return exec.Command("tmux", append([]string{"-S", theirs + "/s", "-f", "/dev/null"}, args...)...).Run()
	}
	if err := own("new-session", "-d", "-s", "mine", "sleep 3601"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = own("kill-server") }()

	id := f.dispatch("fork 3 setsid\nfork 1\nfork 1 clearenv\nfork 1 setsid clearenv\nmark forked\nawait-file go-on\nwrite a.txt <<x\ndone")
	f.marks(id, "forked")
	f.tmux("new-session", "-d", "-s", "guest", "sleep 3602")
	var children []int
	for _, l := range readSimLog(f.simLog) {
		if word, ok := strings.CutPrefix(l.word, "child:"); ok {
			pid, _ := strconv.Atoi(word)
			if !runs(pid, "sleep") {
				t.Errorf("child %d does not run", pid)
			}
			children = append(children, pid)
		}
	}
	if len(children) != 6 {
		t.Fatalf("children: %v", children)
	}
	f.release(id, "go-on")
	f.reaches(id, event.Done)
	for _, pid := range children {
		f.eventually(fmt.Sprintf("child %d has ended", pid), func() bool { return !runs(pid, "sleep") })
	}
	if !alive(decoy.Process.Pid) {
		t.Error("a stranger's process was ended")
	}
	if err := own("has-session", "-t", "=mine"); err != nil {
		t.Error("the person's own tmux server was ended")
	}
	if out := f.tmux("list-panes", "-t", "=guest:", "-F", "#{pane_dead}"); out != "0" {
		t.Errorf("a person's own session in the fleet's server: %s", out)
	}
}

// TestAWorktreeThatAPersonRemovedIsMadeAgainByRetry removes the worktree under a running agent, and then the agent.
// Nothing is started where the worktree was, and no attempt is counted for it.
func TestAWorktreeThatAPersonRemovedIsMadeAgainByRetry(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.write(f.repo+"/muster.toml", "[workspace]\nsetup = \"echo ready > setup.txt\"\n")
	f.git("add", "-A")
	f.git("commit", "-q", "-m", "setup")
	id := f.dispatch("mark here\nawait-file go-on\nwrite a.txt <<x\ndone")
	f.marks(id, "here")
	was := f.task(id)
	if err := os.RemoveAll(was.Worktree); err != nil {
		t.Fatal(err)
	}
	f.kill(was.Agent.Process.PID)
	got := f.reaches(id, event.Parked, event.Failed)
	if got.State != event.Parked || got.Reason != life.ReasonLaunch || !strings.Contains(got.Detail, "its worktree is gone") {
		t.Errorf("%s (%s): %s", got.State, got.Reason, got.Detail)
	}
	f.must("retry", string(id))
	f.until(id, "works again", func(t life.Task) bool { return t.State == event.Working })
	f.release(id, "go-on")
	got = f.reaches(id, event.Done)
	if out := f.git("show", got.Published.Commit+":setup.txt"); out != "ready" {
		t.Errorf("the setup's file in the published work: %q", out)
	}
}

// TestWhatACrashLeavesBehindEndsFirst lets a daemon of a crashed agent hold the agent's lock. The next process of the
// task starts anyway, after the daemon is gone.
func TestWhatACrashLeavesBehindEndsFirst(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("once fork 1 setsid clearenv\nonce crash\nmark here\nawait-file go-on\nwrite a.txt <<x\ndone")
	f.marks(id, "here")
	for _, l := range readSimLog(f.simLog) {
		if word, ok := strings.CutPrefix(l.word, "child:"); ok {
			if pid, _ := strconv.Atoi(word); runs(pid, "sleep") {
				t.Errorf("child %d of the crashed agent still runs", pid)
			}
		}
	}
	f.release(id, "go-on")
	if got := f.reaches(id, event.Done); got.Gen != 2 || got.Attempt != 2 {
		t.Errorf("generation %d, attempt %d", got.Gen, got.Attempt)
	}
	f.oneAtATime(t)
}

// TestAFloodOfRecords checks that an agent which writes faster than the supervisor reads neither starves others nor
// fills the log.
func TestAFloodOfRecords(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch(`run awk 'BEGIN{f=ENVIRON["MUSTER_STATUS_FILE"]; for(i=1;i<=100000;i++) print "{\"state\":\"working\",\"note\":\"busy " i "\"}" >> f}'
mark here
await-file go-on
write a.txt <<x
done`)
	f.marks(id, "here")
	other := f.dispatch("write b.txt <<x\ndone")
	f.reaches(other, event.Done)
	f.until(id, "has the last word", func(t life.Task) bool { return t.Note == "busy 100000" })
	f.release(id, "go-on")
	f.reaches(id, event.Done)
	n := len(f.events(id))
	t.Logf("%d events", n)
	if n > 2000 {
		t.Errorf("%d events of 100000 records", n)
	}
}

func TestRecordsThatCannotBeObeyed(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("once crash\ngarbage\nstale\nmark here\nawait-file go-on\nwrite a.txt <<x\ndone")
	f.marks(id, "here")
	f.eventually("they are refused, and what stands behind them is not", func() bool {
		corrupt, stale := 0, false
		for _, r := range payloads[event.RecordRefused](f, id) {
			if r.Record == nil {
				corrupt++
			} else {
				stale = stale || strings.Contains(r.Why, "generation 1")
			}
		}
		return corrupt >= 2 && stale && f.task(id).Note == "after the garbage"
	})
	if got := f.task(id); got.State != event.Working || got.Agent.Claimed {
		t.Errorf("%s, claimed %v", got.State, got.Agent.Claimed)
	}
	f.release(id, "go-on")
	f.reaches(id, event.Done)
}

// TestAnEnterThatIsLost leaves the text in the agent's prompt. One further Enter sends it; the text is never typed
// again.
func TestAnEnterThatIsLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lost  int
		want  event.MessageState
		times int
	}{{"once", 1, event.MessageAcked, 1}, {"for good", 100, event.MessageUnknown, 0}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			id := f.dispatch(fmt.Sprintf("ignore-enter %d\nmark here\nawait-file go-on\nwrite a.txt <<x\ndone\n---\nwrite a.txt <<y\ndone", c.lost))
			f.marks(id, "here")
			f.must("send", string(id), "a word")
			f.release(id, "go-on")
			state := func() event.MessageState {
				m, _ := f.task(id).Message("m1")
				return m.State
			}
			for look := 1; look <= 3 && state() != c.want; look++ {
				f.until(id, "waits for a sign", func(t life.Task) bool {
					_, ok := t.Deadline(event.DeadlineAck)
					return ok && len(t.Open) == 0 || state() == c.want
				})
				f.later(time.Duration(look) * 61 * time.Second)
				f.until(id, "has looked", func(t life.Task) bool {
					d, ok := t.Deadline(event.DeadlineAck)
					return !ok || time.Until(d.At) > time.Duration(look)*61*time.Second || state() == c.want
				})
			}
			f.eventually("the message is "+string(c.want), func() bool { return state() == c.want })
			if n := f.deliveries(id)["m1"]; n != c.times {
				t.Errorf("it was delivered %d times", n)
			}
			if screen := f.tmux("capture-pane", "-p", "-t", "="+f.task(id).Session+":agent"); c.times == 0 && strings.Count(screen, "[muster m1]") != 1 {
				t.Errorf("it is not on the screen once:\n%s", screen)
			}
			if c.times > 0 {
				f.reaches(id, event.Done)
			}
		})
	}
}

func TestAnAgentThatHangsIsStopped(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("write a.txt <<half\nmark here\nhang hard")
	f.marks(id, "here")
	f.must("stop", string(id))
	got := f.reaches(id, event.Cancelled)
	if len(got.Kept) != 1 || f.git("show", got.Kept[0]+":a.txt") != "half" {
		t.Errorf("kept: %v", got.Kept)
	}
}

// TestAPersonInTheTerminal does what people do in a terminal. None of it may confuse the fleet.
func TestAPersonInTheTerminal(t *testing.T) {
	t.Parallel()
	// The script has two turns. The message is delivered after the first.
	const script = "append a.txt one\nmark here\nawait-file go-on\n---\nappend a.txt two\ndone"
	session := func(f *Fleet, id event.TaskID) string { return "=" + f.task(id).Session }
	for name, act := range map[string]func(f *Fleet, id event.TaskID){
		"kills the pane":      func(f *Fleet, id event.TaskID) { f.tmux("kill-pane", "-t", session(f, id)+":agent") },
		"kills the session":   func(f *Fleet, id event.TaskID) { f.tmux("kill-session", "-t", session(f, id)) },
		"renames the session": func(f *Fleet, id event.TaskID) { f.tmux("rename-session", "-t", session(f, id), "my-own") },
		"splits the window":   func(f *Fleet, id event.TaskID) { f.tmux("split-window", "-t", session(f, id)+":agent", "sleep 3603") },
		"renames the window":  func(f *Fleet, id event.TaskID) { f.tmux("rename-window", "-t", session(f, id)+":agent", "mine") },
		"is in copy mode": func(f *Fleet, id event.TaskID) {
			pane := session(f, id) + ":agent"
			f.tmux("copy-mode", "-t", pane)
			f.release(id, "go-on")
			f.until(id, "found the door shut", func(t life.Task) bool {
				m, _ := t.Message("m1")
				_, pause := t.Deadline(event.DeadlineAck)
				return m.State == event.MessageWaiting && pause
			})
			if n := f.deliveries(id)["m1"]; n != 0 {
				f.t.Errorf("delivered %d times in copy mode", n)
			}
			f.tmux("send-keys", "-X", "-t", pane, "cancel")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			id := f.dispatch(script, "--check", twoLines)
			f.marks(id, "here")
			f.must("send", string(id), "go on")
			gone := strings.HasPrefix(name, "kills")
			act(f, id)
			if gone {
				f.until(id, "is resumed", func(t life.Task) bool { return t.Gen == 2 && t.State == event.Working })
			}
			f.release(id, "go-on")
			got := f.reaches(id, event.Done)
			if n := f.deliveries(id)["m1"]; n != 1 {
				t.Errorf("the message was delivered %d times", n)
			}
			if gone != (got.Gen == 2) {
				t.Errorf("generation %d", got.Gen)
			}
			f.oneAtATime(t)
		})
	}
}

func TestAPermissionIsAnswered(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("ask permission Bash make\nwrite a.txt <<x\ndone")
	got := f.reaches(id, event.Waiting)
	if got.Reason != life.ReasonPermission || got.Request == nil || got.Request.Tool != "Bash" {
		t.Errorf("%s: %+v", got.Reason, got.Request)
	}
	f.must("answer", string(id), "allow")
	if got := f.reaches(id, event.Done); got.Gen != 1 {
		t.Errorf("generation %d", got.Gen)
	}
}

func TestAQuestionThatNobodyAnswers(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("once ask question \"Left or right?\" left|right\nwrite a.txt <<x\ndone")
	f.reaches(id, event.Waiting)
	f.later(16 * time.Minute)
	got := f.reaches(id, event.Parked)
	if got.Reason != life.ReasonQuestion || !strings.Contains(got.Detail, "Left or right?") {
		t.Errorf("%s: %s", got.Reason, got.Detail)
	}
	f.until(id, "rests without slot or process", func(t life.Task) bool { return !t.Slot && taskRests(t) })
	if n := len(f.playing("sim")); n != 0 {
		t.Errorf("%d agents run", n)
	}
	f.must("answer", string(id), "right")
	got = f.reaches(id, event.Parked, event.Done) // it may be seen before it is withdrawn
	got = f.until(id, "is done", func(t life.Task) bool { return t.State == event.Done })
	if got.Gen != 2 || got.Attempt != 1 {
		t.Errorf("generation %d, attempt %d", got.Gen, got.Attempt)
	}
	told := f.prompts(id)
	if n := len(told); n < 2 || !strings.Contains(told[n-1], "The answer: right") {
		t.Errorf("it was told %q", told)
	}
	f.oneAtATime(t)
}
