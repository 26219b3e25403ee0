package e2e

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"muster/internal/event"
	"muster/internal/life"
)

// killAll kills every process of the fleet at the same instant, as a crash of the host does.
func (f *Fleet) killAll() {
	f.t.Helper()
	f.eventually("every process is gone", func() bool {
		all := f.processes()
		for _, p := range all {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
		return len(all) == 0
	})
}

// sleeper starts a process that does not belong to the fleet.
func sleeper(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("sleep", "3600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// begun waits until every task has started n processes and the newest of each is at work.
func (f *Fleet) begun(ids []event.TaskID, n int) {
	f.t.Helper()
	for _, id := range ids {
		f.eventually(string(id)+" has begun again", func() bool { return len(f.begins(id)) >= n })
		f.reaches(id, event.Working)
	}
}

// TestTheSocketDirectoryIsWiped removes the socket and the record of the server's process, so that muster cannot find
// the server any more. A new server starts, the agents go on in it once, and the old server is ended.
func TestTheSocketDirectoryIsWiped(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(2)
	old := f.server()
	f.kill(f.only("keep"))
	for _, name := range []string{"/tmux.sock", "/tmux.pid", "/tmux.conf"} {
		if err := os.Remove(f.home + name); err != nil {
			t.Fatal(err)
		}
	}
	for _, pid := range f.playing("supervise") {
		f.kill(pid)
	}
	f.up()
	f.oneOfEach()
	f.reaches(ids[0], event.Working)
	for _, id := range ids {
		f.release(id, "go-on")
	}
	for _, id := range ids {
		got := f.reaches(id, event.Done)
		if begins := f.begins(id); got.Attempt != 1 || len(begins) > 2 || begins[0].conversation != begins[len(begins)-1].conversation {
			t.Errorf("%s: attempt %d, begun as %+v", id, got.Attempt, begins)
		}
	}
	f.oneAtATime(t)
	if got := f.servers(); len(got) != 1 {
		t.Errorf("tmux servers %v, before %d", got, old)
	}
}

// TestTheHostGoesDown ends all processes of the fleet. The files then describe processes whose ids belong to others.
func TestTheHostGoesDown(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(3)
	f.killAll()
	stranger := sleeper(t)
	f.write(f.home+"/tmux.pid", strconv.Itoa(stranger)+"\n")
	f.write(f.home+"/attempts/"+string(ids[0])+"/alive", strconv.Itoa(stranger)+" 1\n")
	f.up()
	f.resumed(ids)
	f.oneOfEach()
	if !alive(stranger) {
		t.Error("a process was ended that had got the number of one of ours")
	}
}

// TestTheRecovererIsKilledAgainAndAgain kills it while it recovers the fleet. No step of the recovery is done twice.
func TestTheRecovererIsKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(4)
	f.kill(f.server())
	starts := len(payloads[event.SupervisorStarted](f, ""))
	for i := range 4 {
		f.eventually("another supervisor is at it", func() bool {
			n := len(payloads[event.SupervisorStarted](f, ""))
			return n > starts+i
		})
		for _, pid := range f.playing("supervise") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if i == 2 {
			_ = syscall.Kill(f.server(), syscall.SIGKILL)
		}
		f.must("up")
	}
	f.begun(ids, 2)
	for _, id := range ids {
		f.release(id, "go-on")
	}
	for _, id := range ids {
		got := f.reaches(id, event.Done)
		begins := f.begins(id)
		for _, b := range begins {
			if b.conversation != begins[0].conversation {
				t.Errorf("%s: begun as %+v", id, begins)
			}
		}
		if got.Attempt != 1 {
			t.Errorf("%s: attempt %d", id, got.Attempt)
		}
	}
	f.oneAtATime(t)
	f.oneOfEach()
}

// TestTheStateComesFromABackup uses a backup that was copied while the fleet ran. Work since the backup is no longer
// known, but none of it is lost or overwritten.
func TestTheStateComesFromABackup(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(2)
	backup := f.root + "/backup"
	if out, err := exec.Command("cp", "-a", f.home, backup).CombinedOutput(); err != nil {
		t.Fatalf("copy the state: %v\n%s", err, out)
	}
	f.release(ids[0], "go-on")
	f.reaches(ids[0], event.Done)
	late := f.dispatch("write late.txt <<x\ndone")
	lost := f.reaches(late, event.Done).Branch
	if lost == "" {
		t.Fatal("no branch")
	}
	first := f.git("rev-parse", f.task(ids[0]).Branch, lost)
	f.closeControl()
	f.killAll()
	if err := os.RemoveAll(f.home); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(backup, f.home); err != nil {
		t.Fatal(err)
	}

	f.up()
	f.begun(ids[1:], 2)
	f.release(ids[1], "go-on")
	f.reaches(ids[1], event.Done)
	got := f.until(ids[0], "is taken up", func(t life.Task) bool { return t.Gen > 1 && t.State == event.Working || t.State == event.Parked })
	if got.State == event.Working {
		f.release(ids[0], "go-on")
		got = f.reaches(ids[0], event.Done, event.Parked)
		t.Logf("%s, whose work was published since: %s %s %s", got.ID, got.State, got.Reason, got.Detail)
	}
	f.oneAtATime(t) // before another task gets the number of a lost one
	again := f.dispatch("write other.txt <<x\ndone")
	if got := f.reaches(again, event.Done); again != late || got.Branch == lost {
		t.Errorf("%s has the branch %s, and the one before had %s of %s", again, got.Branch, late, lost)
	}
	for i, branch := range []string{f.task(ids[0]).Branch, lost} {
		if now := f.git("rev-parse", branch); now != strings.Fields(first)[i] {
			t.Errorf("%s was at %s and is at %s", branch, first, now)
		}
	}
	if got.State == event.Parked { // its worktree is that of the backup, and git has removed it since
		f.must("rm", "--force", string(got.ID))
		f.until(got.ID, "is removed", taskRemoved)
	}
	f.oneOfEach()
}
