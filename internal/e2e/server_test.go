package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"muster/internal/event"
	"muster/internal/life"
)

// steady works until it is released. A resumed conversation does not repeat the steps from before a kill.
const steady = "append a.txt one\nmark here\nawait-file go-on\nappend a.txt two\ndone"

const twoLines = `test=test "$(tr '\n' ' ' < a.txt)" = "one two "`

// working dispatches steady tasks and waits until all of them are at work.
func (f *Fleet) working(n int, flags ...string) []event.TaskID {
	f.t.Helper()
	var ids []event.TaskID
	for range n {
		ids = append(ids, f.dispatch(steady, append([]string{"--check", twoLines}, flags...)...))
	}
	for _, id := range ids {
		f.marks(id, "here")
		f.reaches(id, event.Working)
	}
	return ids
}

// agents returns the processes of the tasks, according to the agents' own log.
func (f *Fleet) agents(ids []event.TaskID) []int {
	var out []int
	for _, id := range ids {
		all := f.begins(id)
		out = append(out, all[len(all)-1].pid)
	}
	return out
}

// resumed waits until every task has a second generation at work in the same conversation, and then until the tasks
// are done.
func (f *Fleet) resumed(ids []event.TaskID) {
	f.t.Helper()
	for _, id := range ids {
		f.until(id, "is resumed", func(t life.Task) bool { return t.Gen > 1 && t.State == event.Working })
	}
	for _, id := range ids {
		f.release(id, "go-on")
	}
	for _, id := range ids {
		t := f.reaches(id, event.Done)
		begins := f.begins(id)
		// A start that failed together with the server has used up a generation number, and no more.
		if t.Gen > 3 || t.Attempt != 1 || len(begins) != 2 || begins[0].conversation != begins[1].conversation {
			f.t.Errorf("%s: generation %d, attempt %d, begun as %+v", id, t.Gen, t.Attempt, begins)
		}
		if got := f.takenUp(id); !slices.Equal(got, []bool{false, true}) {
			f.t.Errorf("%s: its conversation was taken up as %v", id, got)
		}
	}
	f.oneAtATime(f.t)
}

// undisturbed proves that the agents still run as the same processes, and waits until their tasks are done.
func (f *Fleet) undisturbed(ids []event.TaskID, pids []int) {
	f.t.Helper()
	for _, pid := range pids {
		if !runs(pid, "sim") {
			f.t.Errorf("agent %d is gone", pid)
		}
	}
	for _, id := range ids {
		f.release(id, "go-on")
	}
	for _, id := range ids {
		t := f.reaches(id, event.Done)
		if n := len(f.begins(id)); n != 1 || t.Gen != 1 {
			f.t.Errorf("%s began %d times, generation %d", id, n, t.Gen)
		}
	}
	f.oneAtATime(f.t)
}

// takenUp returns, for each process of a task's conversation, whether it was started to resume the conversation.
func (f *Fleet) takenUp(id event.TaskID) []bool {
	f.t.Helper()
	files := f.transcripts(id)
	if len(files) != 1 {
		f.t.Errorf("%s has the conversations %v", id, files)
	}
	var out []bool
	for _, name := range files {
		data, _ := os.ReadFile(name)
		for line := range strings.Lines(string(data)) {
			var l struct {
				Kind   string
				Resume bool
			}
			if json.Unmarshal([]byte(line), &l) == nil && l.Kind == "begin" {
				out = append(out, l.Resume)
			}
		}
	}
	return out
}

// oneOfEach waits until the fleet has one supervisor, one keeper and one tmux server.
func (f *Fleet) oneOfEach() {
	f.t.Helper()
	f.only("supervise")
	f.only("keep")
	f.eventually("there is one tmux server", func() bool { return len(f.servers()) == 1 })
}

// servers returns the tmux servers of the fleet, according to the kernel.
func (f *Fleet) servers() []int {
	var out []int
	for _, p := range f.processes() {
		if filepath.Base(p.argv[0]) == "tmux" && slices.Contains(p.argv, "new-session") && alive(p.pid) || strings.HasPrefix(p.argv[0], "tmux: server") {
			out = append(out, p.pid)
		}
	}
	return out
}

func TestTheServerIsKilled(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(12)
	f.kill(f.server())
	f.resumed(ids)
	f.oneOfEach()
}

func TestTheServerIsKilledUnderAForegroundSupervisor(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	begin := func() func() error {
		cmd := f.command("up", "--foreground")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		f.eventually("a supervisor is ready", func() bool {
			return slices.ContainsFunc(payloads[event.SupervisorStarted](f, ""), func(s event.SupervisorStarted) bool { return s.PID == cmd.Process.Pid })
		})
		return cmd.Wait
	}
	wait := begin()
	ids := f.working(2)
	f.kill(f.server())
	if err := wait(); err == nil {
		t.Error("a supervisor in the foreground ended well though its server is gone")
	}
	f.up()
	f.resumed(ids)
	f.oneOfEach()
}

func TestTheSocketIsRemoved(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(2)
	pids, server := f.agents(ids), f.servers()
	if err := os.Remove(f.home + "/tmux.sock"); err != nil {
		t.Fatal(err)
	}
	f.kill(f.only("supervise"))
	f.oneOfEach()
	if got := f.servers(); !slices.Equal(got, server) {
		t.Errorf("tmux servers %v, before %v", got, server)
	}
	f.undisturbed(ids, pids)
}

func TestEverythingIsKilledAtOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(3)
	pids := []int{f.only("keep"), f.only("supervise"), f.server()}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
	for _, pid := range pids {
		f.eventually("it is gone", func() bool { return !alive(pid) })
	}
	more := f.dispatch("write b.txt <<b\ndone")
	f.resumed(ids)
	f.reaches(more, event.Done)
	f.oneOfEach()
}

func TestTheKeeperIsKilled(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(2)
	pids := f.agents(ids)
	f.kill(f.only("keep"))
	more := f.dispatch("write b.txt <<b\ndone")
	f.reaches(more, event.Done)
	f.oneOfEach()
	f.kill(f.only("supervise"))
	more = f.dispatch("write c.txt <<c\ndone")
	f.reaches(more, event.Done)
	f.oneOfEach()
	f.undisturbed(ids, pids)
}
