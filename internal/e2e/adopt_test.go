package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/life"
)

// unattended stops the supervisor, lets something happen, and starts one again.
func (f *Fleet) unattended(happens func()) {
	f.t.Helper()
	f.must("down")
	f.eventually("nobody supervises", func() bool { return len(f.playing("supervise"))+len(f.playing("keep")) == 0 })
	happens()
	f.up()
}

func TestAdoptAnAgentThatWaitsForAnAnswer(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("ask question \"Which?\" left|right\nwrite a.txt <<x\ndone")
	f.reaches(id, event.Waiting)
	f.kill(f.only("supervise"))
	f.must("answer", string(id), "2")
	if got := f.reaches(id, event.Done); got.Gen != 1 {
		t.Errorf("generation %d", got.Gen)
	}
	f.oneAtATime(t)
}

func TestAdoptACheckThatEndedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	flag, count := f.shared+"/let-go", f.shared+"/count"
	id := f.dispatch("write a.txt <<x\ndone", "--check", fmt.Sprintf("slow=echo run >> %s; while ! test -e %s; do sleep 0.05; done", count, flag))
	f.reaches(id, event.Checking)
	f.eventually("the check runs", func() bool { _, err := os.Stat(count); return err == nil })
	f.unattended(func() {
		f.write(flag, "")
		f.eventually("the check ended", func() bool {
			all, _ := filepath.Glob(f.home + "/jobs/" + string(id) + "/*/result.json")
			return len(all) == 1 && len(f.playing("launch")) == 0
		})
	})
	got := f.reaches(id, event.Done)
	data, err := os.ReadFile(count)
	if err != nil || string(data) != "run\n" || got.Rounds.Count != 1 {
		t.Errorf("the check ran as %q (%v) in %d rounds", data, err, got.Rounds.Count)
	}
}

func TestAdoptARunningCheck(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	flag, count := f.shared+"/let-go", f.shared+"/count"
	id := f.dispatch("write a.txt <<x\ndone", "--check", fmt.Sprintf("slow=echo run >> %s; while ! test -e %s; do sleep 0.05; done", count, flag))
	f.eventually("the check runs", func() bool { _, err := os.Stat(count); return err == nil })
	f.kill(f.only("supervise"))
	f.only("supervise")
	f.write(flag, "")
	f.reaches(id, event.Done)
	if data, err := os.ReadFile(count); err != nil || string(data) != "run\n" {
		t.Errorf("the check ran as %q (%v)", data, err)
	}
}

func TestAdoptAnAgentThatExitedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("append a.txt one\nmark here\nonce await-file go-on\nonce exit 7\nappend a.txt two\ndone")
	f.marks(id, "here")
	first := f.agents([]event.TaskID{id})[0]
	f.unattended(func() {
		f.release(id, "go-on")
		f.eventually("the agent ended", func() bool { return !alive(first) })
	})
	got := f.reaches(id, event.Done)
	exits := payloads[event.AgentExited](f, id)
	if len(exits) == 0 || !exits[0].Known || exits[0].Exit != 7 || exits[0].Cause != event.CauseOwn || got.Attempt != 2 {
		t.Errorf("exits are %+v, attempt %d", exits, got.Attempt)
	}
	f.oneAtATime(t)
}

// TestAdoptACommandThatEndedMeanwhile checks that an exit which ends the turn is not a crash, even if no supervisor
// saw it.
func TestAdoptACommandThatEndedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.write(f.shared+"/agent.sh", "echo begun > begun\nwhile ! test -e go-on; do sleep 0.05; done\necho x > a.txt\necho ended > "+f.shared+"/ended\n")
	id := f.dispatchPrompt("do it", "--command", "sh "+f.shared+"/agent.sh")
	f.eventually("the agent runs", func() bool {
		_, err := os.Stat(filepath.Join(f.task(id).Worktree, "begun"))
		return f.task(id).Worktree != "" && err == nil
	})
	f.unattended(func() {
		f.release(id, "go-on")
		f.eventually("the agent ended", func() bool { _, err := os.Stat(f.shared + "/ended"); return err == nil })
	})
	if got := f.reaches(id, event.Done); got.Gen != 1 || got.Attempt != 1 {
		t.Errorf("generation %d, attempt %d", got.Gen, got.Attempt)
	}
}

func TestAdoptARecordWrittenMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("mark here\nawait-file go-on\nwrite a.txt <<x\ndone")
	f.marks(id, "here")
	f.unattended(func() {
		appendLine(f.home+"/status/"+string(id)+".1.jsonl", `{"state":"working","note":"written in the dark"}`)
		f.do(control.Send{Task: id, Text: "sent in the dark"})
	})
	f.until(id, "has the note", func(t life.Task) bool { return t.Note == "written in the dark" })
	f.release(id, "go-on")
	f.reaches(id, event.Done)
	if got := f.deliveries(id); got["m1"] != 1 {
		t.Errorf("deliveries: %v", got)
	}
}
