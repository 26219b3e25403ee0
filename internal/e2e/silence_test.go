package e2e

import (
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"muster/internal/event"
	"muster/internal/life"
)

// listening sets the limit of silence for tasks dispatched from now on, with a minute of silence within a tool.
func (f *Fleet) listening(silence string) {
	f.t.Helper()
	f.write(f.repo+"/muster.toml", "[task]\nsilence = \""+silence+"\"\nsilence_in_tool = \"1m\"\n")
	f.git("add", "muster.toml")
	f.git("commit", "-q", "-m", "listen")
}

// stages returns the stages of the reaction to a task's silence, in order.
func (f *Fleet) stages(id event.TaskID) []event.Stage {
	var out []event.Stage
	for _, p := range payloads[event.StallStaged](f, id) {
		out = append(out, p.Stage)
	}
	return out
}

func TestAnAgentThatHangsIsInterrupted(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.listening("2s")
	id := f.dispatch("append a.txt one\nawait-file never\n---\nappend a.txt two\ndone", "--check", twoLines)
	got := f.reaches(id, event.Done)
	if got.Gen != 1 || got.Attempt != 1 || got.Rounds.Count != 1 {
		t.Errorf("generation %d, attempt %d, round %d: an interrupt was enough, and what it broke off is not judged", got.Gen, got.Attempt, got.Rounds.Count)
	}
	if stages := f.stages(id); !slices.Equal(stages, []event.Stage{event.StageInterrupt}) {
		t.Errorf("stages %v", stages)
	}
	probes := payloads[event.AgentProbed](f, id)
	if len(probes) == 0 {
		t.Fatal("it was never looked at")
	}
	if text, err := os.ReadFile(probes[0].Evidence); err != nil || !strings.Contains(string(text), "sim") {
		t.Errorf("the evidence is %q (%v)", text, err)
	}
	if why := f.must("why", string(id)); !strings.Contains(why, "probe the agent") || !strings.Contains(why, "interrupt") {
		t.Errorf("muster why does not explain it:\n%s", why)
	}
}

func TestAnAgentThatHangsForGoodIsStartedAgainInItsConversation(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.listening("2s")
	id := f.dispatch("append a.txt one\nonce hang hard\nappend a.txt two\ndone", "--check", twoLines)
	got := f.reaches(id, event.Done)
	if got.Gen != 2 || got.Attempt != 2 {
		t.Errorf("generation %d, attempt %d", got.Gen, got.Attempt)
	}
	if stages := f.stages(id); !slices.Equal(stages, []event.Stage{event.StageInterrupt, event.StageRestart}) {
		t.Errorf("stages %v", stages)
	}
	if taken := f.takenUp(id); !slices.Equal(taken, []bool{false, true}) {
		t.Errorf("its conversation was taken up as %v", taken)
	}
	f.oneAtATime(t)
}

func TestAnAgentThatStaysSilentIsParkedAndSaysWhy(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.listening("2s")
	id := f.dispatch("append a.txt one\nhang hard")
	got := f.reaches(id, event.Parked)
	if got.Reason != life.ReasonSilent || got.Gen != 2 || !strings.Contains(got.Detail, "screen is kept") {
		t.Errorf("parked for %s (%s) in generation %d", got.Reason, got.Detail, got.Gen)
	}
	if kept, err := os.ReadFile(got.Worktree + "/a.txt"); err != nil || !strings.HasPrefix(string(kept), "one") {
		t.Errorf("its work: %q, %v", kept, err)
	}
}

func TestALongToolIsNoStall(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.listening("2s")
	id := f.dispatch("write a.txt <<x\ntool Bash 7s\ndone", "--check", "test=true")
	f.reaches(id, event.Done)
	if probes := payloads[event.AgentProbed](f, id); len(probes) == 0 || probes[0].Tool != "Bash" {
		t.Errorf("looks: %+v", probes)
	}
	if stages := f.stages(id); len(stages) > 0 {
		t.Errorf("stages %v", stages)
	}
}

func TestAProgramThatSaysNothingIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.listening("2s")
	id := f.dispatchPrompt("wait", "--command", "sh -c 'sleep 5; echo x > a.txt'", "--check", "test=true")
	f.reaches(id, event.Done)
	if n := len(payloads[event.AgentProbed](f, id)); n > 0 {
		t.Errorf("it was looked at %d times", n)
	}
}

// TestAStoppedAgentGoesOn stops an agent, as the suspend key would. tmux continues processes that stop in a pane, so
// no agent stays stopped, and muster need not act.
func TestAStoppedAgentGoesOn(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.listening("2s")
	id := f.working(1)[0]
	pid := f.agents([]event.TaskID{id})[0]
	for range 3 {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	f.release(id, "go-on")
	if got := f.reaches(id, event.Done); got.Gen != 1 {
		t.Errorf("generation %d", got.Gen)
	}
}

// TestTheServerHangs stops the tmux server. It answers no probe, and a failed probe says nothing about the agents. Two
// supervisors in a row find it that way.
func TestTheServerHangs(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.listening("20s") // longer than four agents take to start on a busy machine
	ids := f.working(4)
	pids := f.agents(ids)
	server := f.server()
	if err := syscall.Kill(server, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	goOn := sync.OnceFunc(func() { _ = syscall.Kill(server, syscall.SIGCONT) })
	defer goOn()
	looks := func() int {
		n := 0
		for _, id := range ids {
			for _, p := range payloads[event.ActionFinished](f, id) {
				if p.What == event.ActProbe && p.Error != "" {
					n++
				}
			}
		}
		return n
	}
	f.eventually("looks have failed", func() bool { return looks() > 0 })
	f.kill(f.only("supervise"))
	f.eventually("another supervisor tries", func() bool { return len(f.playing("supervise")) == 1 })
	for _, id := range ids {
		if got := f.task(id); got.State != event.Working || got.Gen != 1 {
			t.Errorf("%s is %s in generation %d, and nothing is known of it", id, got.State, got.Gen)
		}
	}
	for _, pid := range pids {
		if !runs(pid, "sim") {
			t.Errorf("agent %d is gone", pid)
		}
	}
	for _, id := range ids { // their turns end while no window can be opened for their checks
		f.release(id, "go-on")
	}
	goOn()
	for _, id := range ids {
		if got := f.reaches(id, event.Done); got.Gen != 1 || len(f.begins(id)) != 1 {
			t.Errorf("%s: generation %d, begun %d times", id, got.Gen, len(f.begins(id)))
		}
	}
}
