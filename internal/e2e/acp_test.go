package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/fence"
	"muster/internal/home"
	"muster/internal/testkit/acp"
)

// speaker is a fleet whose agent speaks the Agent Client Protocol: the scripted one of the testkit, behind `muster acp`.
type speaker struct {
	*Fleet
	talks string // the directory of its conversations
}

// newSpeaker makes such a fleet. task holds further lines of [task], and more further tables of muster.toml.
func newSpeaker(t *testing.T, task, more string) speaker {
	t.Helper()
	f := newFleet(t)
	s := speaker{Fleet: f, talks: f.shared}
	program := acp.Install(t, f.shared)
	f.write(f.repo+"/muster.toml", fmt.Sprintf("[task]\nagent = \"speaker\"\npublish = \"none\"\n%s[agents.speaker]\nkind = \"acp\"\ncommand = [%q]\n[agents.speaker.env]\n%s = %q\n%s",
		task, program, acp.State, s.talks, more))
	f.git("add", "-A")
	f.git("commit", "-q", "-m", "an agent")
	return s
}

// order dispatches a task with a script for each turn.
func (s speaker) order(turns ...string) event.TaskID {
	s.t.Helper()
	return event.TaskID(s.must("dispatch", "--name", "w", "a task\n\n```acp\n"+strings.Join(turns, "\n---\n")+"\n```\n"))
}

// told returns how often the agent was told a text, in all conversations.
func (s speaker) told(text string) int {
	s.t.Helper()
	n := 0
	files, err := filepath.Glob(filepath.Join(s.talks, "talk-*.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			s.t.Fatal(err)
		}
		n += strings.Count(string(b), text)
	}
	return n
}

// work returns the path of a file in a task's worktree.
func (s speaker) work(id event.TaskID, name string) string {
	return filepath.Join(home.Dir(s.home).Worktree(id, "w"), name)
}

const speakerRules = `
[checks]
round = "if test -e go-bad; then echo 'it is bad'; exit 1; fi"
[[permission]]
tool = "run"
command = "touch go-allowed"
action = "allow"
[[permission]]
tool = "run"
command = "touch go-denied"
action = "deny"
reason = "not this file"
[[permission]]
tool = "run"
action = "ask"
`

func TestASpeakerOfTheProtocolDoesATask(t *testing.T) {
	t.Parallel()
	s := newSpeaker(t, "", speakerRules)
	s.up()
	id := s.order(
		"say I begin\nask touch go-allowed\nask-and-end touch go-denied",                      // the agent ends its turn at a refusal
		"run touch go-bad; touch go-busy\nwait go-free\nask touch go-asked\nsay I am through", // and is told why in the next
		"say I heard you",
		"run rm go-bad\nsay it is mended",
	)
	s.eventually("its second turn runs", func() bool { _, err := os.Stat(s.work(id, "go-busy")); return err == nil })
	s.must("send", string(id), "while you work")
	s.write(s.work(id, "go-free"), "")
	s.reaches(id, event.Waiting)
	s.must("answer", string(id), "allow")
	got := s.reaches(id, event.Done)
	for _, c := range []struct {
		text string
		want int
	}{{"a task", 1}, {"not this file", 1}, {"while you work", 1}, {"[muster m2]", 1}} {
		if n := s.told(c.text); n != c.want {
			t.Errorf("the agent was told %q %d times, want %d", c.text, n, c.want)
		}
	}
	for name, want := range map[string]bool{"go-allowed": true, "go-denied": false, "go-asked": true} {
		if n := s.told("ran touch " + name); (n == 1) != want {
			t.Errorf("%s ran %d times, want it to run: %v", name, n, want)
		}
	}
	var how []string
	for _, p := range payloads[event.PermissionDecided](s.Fleet, id) {
		how = append(how, string(p.Action)+" by "+p.By)
	}
	if text := strings.Join(how, ", "); text != "allow by rule, deny by rule" {
		t.Errorf("it was decided %q", text)
	}
	if got.Gen != 1 || got.Agent.Live {
		t.Errorf("generation %d, live %v", got.Gen, got.Agent.Live)
	}
}

func TestASpeakerOfTheProtocolIsKilledAndTakenUpAgain(t *testing.T) {
	t.Parallel()
	s := newSpeaker(t, "", "")
	s.up()
	id := s.order("run touch go-busy\nwait go-never", "run touch go-second\nwait go-never", "say I am through")
	s.eventually("its turn runs", func() bool { _, err := os.Stat(s.work(id, "go-busy")); return err == nil })
	s.must("send", string(id), "the word")
	before := s.task(id)
	s.kill(before.Agent.Process.PID) // muster's side of the protocol; the agent ends with it
	s.eventually("it is taken up", func() bool { _, err := os.Stat(s.work(id, "go-second")); return err == nil })
	second := s.task(id)
	for _, p := range s.processes() { // now the agent's side
		if len(p.argv) > 0 && acp.Called(p.argv[0]) {
			s.kill(p.pid)
		}
	}
	got := s.reaches(id, event.Done)
	if second.Gen != 2 || got.Gen != 3 || got.Conversation != before.Conversation {
		t.Errorf("generations %d and %d, conversation %s (was %s)", second.Gen, got.Gen, got.Conversation, before.Conversation)
	}
	for _, text := range []string{"a task", "the word"} {
		if n := s.told(text); n != 1 {
			t.Errorf("the agent was told %q %d times, want once", text, n)
		}
	}
}

// TestASpeakerWhoseTerminalIsClosedIsTakenUpAgain: the end of its input is how a person quits it, too, and its status is 0 then.
func TestASpeakerWhoseTerminalIsClosedIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	s := newSpeaker(t, "", "")
	s.up()
	id := s.order("run touch go-busy\nwait go-never", "say I am through")
	s.eventually("its turn runs", func() bool { _, err := os.Stat(s.work(id, "go-busy")); return err == nil })
	s.tmux("kill-session", "-t", "="+s.task(id).Session)
	if got := s.reaches(id, event.Done, event.Parked); got.State != event.Done || got.Gen != 2 {
		t.Errorf("it is %s (%s), generation %d", got.State, got.Detail, got.Gen)
	}
}

func TestASpeakerOfTheProtocolThatHangsIsInterrupted(t *testing.T) {
	t.Parallel()
	s := newSpeaker(t, "silence = \"2s\"\nsilence_in_tool = \"1m\"\n", "")
	s.up()
	id := s.order("say I begin\nhang", "say I am through")
	got := s.reaches(id, event.Done)
	if got.Gen != 1 {
		t.Errorf("generation %d, want the first: an interrupt is enough (%v)", got.Gen, s.stages(id))
	}
}

func TestASpeakerOfTheProtocolWorksInAFence(t *testing.T) {
	t.Parallel()
	if _, err := fence.ABI(); err != nil {
		t.Skip(err)
	}
	s := newSpeaker(t, "", "")
	s.userConfig(fmt.Sprintf("[fleet]\nmin_free_disk = 1\nmin_free_memory = 1\n[fence]\nmode = \"on\"\nwrite = [%s]\n", quoted(s.grants)))
	s.up()
	id := s.order("run touch go-in; touch "+s.root+"/go-out\nask touch go-asked", "say I heard you")
	s.reaches(id, event.Waiting)
	s.must("answer", string(id), "allow")
	s.eventually("what a person allowed runs", func() bool { _, err := os.Stat(s.work(id, "go-asked")); return err == nil || s.task(id).State.Final() })
	got := s.reaches(id, event.Done)
	if got.Agent.Fenced == nil {
		t.Error("it was not fenced")
	}
	if _, err := os.Stat(s.root + "/go-out"); err == nil {
		t.Error("a file outside of the fence was written")
	}
}
