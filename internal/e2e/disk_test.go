package e2e

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"muster/internal/event"
	"muster/internal/life"
)

// diskSize has room for the program and a little more.
const diskSize = 160 << 20

// TestTheDiskIsFull checks that a verb which cannot write says so in plain words, that running agents go on, and that
// everything goes on without help once there is room again.
func TestTheDiskIsFull(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	full, room := f.smallDisk()
	ids := f.working(1)
	pids := f.agents(ids)
	crashes := f.dispatch("append a.txt one\nmark here\nonce await-file go-on\nappend a.txt two\ndone", "--check", twoLines)
	f.marks(crashes, "here")
	victim := f.agents([]event.TaskID{crashes})[0]

	refused := full()
	if refused.exit != 1 || refused.out != "" || refused.err == "" {
		t.Errorf("dispatch on a full disk: exit %d, %q\n%s", refused.exit, refused.out, refused.err)
	}
	t.Logf("it says: %s", refused.err)
	for _, name := range []string{"PreToolUse", "Stop"} { // there is no room for its record
		hook := f.command("hook", "claude")
		hook.Env = append(hook.Env, "MUSTER_TASK="+string(ids[0]), "MUSTER_GEN=1", "MUSTER_STATUS_FILE="+f.home+"/status/"+string(ids[0])+".1.jsonl")
		hook.Stdin = strings.NewReader(`{"hook_event_name":"` + name + `","tool_name":"Bash","session_id":"x"}`)
		if out, err := hook.CombinedOutput(); err != nil {
			t.Errorf("a hook failed its agent: %v\n%s", err, out)
		}
	}
	f.kill(victim) // the supervisor cannot even record it
	if !runs(pids[0], "sim") {
		t.Error("the agent is gone")
	}
	room()
	f.until(crashes, "was resumed", func(t life.Task) bool { return t.Gen > 1 })
	f.reaches(crashes, event.Done)
	more := f.dispatch("write b.txt <<b\ndone")
	f.reaches(more, event.Done)
	f.undisturbed(ids, pids)
}

// TestACheckThatFindsNoRoomIsNobodysFault checks that a check which failed for lack of room uses up no round, that the
// agent is told nothing, and that the check runs again once there is room.
func TestACheckThatFindsNoRoomIsNobodysFault(t *testing.T) {
	t.Parallel()
	const tooMuch = "dd if=/dev/zero of=big bs=1M count=24"
	for name, check := range map[string]string{
		"and no room for its words": tooMuch + " && rm big || { rm -f big; echo x >> FAILED; exit 1; }",
		"and says so":               "said=$(" + tooMuch + ` 2>&1) && rm big || { rm -f big; echo x >> FAILED; echo "$said"; exit 1; }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			f.ownDisk(f.home, diskSize)
			f.userConfig("[fleet]\nmin_free_disk = \"32MiB\"\nmin_free_memory = 1\n")
			ran, failed := f.shared+"/ran", f.shared+"/failed"
			id := f.dispatch("write a.txt <<x\nmark here\nonce await-file go-on\ndone", "--check", "build=echo x >> "+ran+"; "+strings.ReplaceAll(check, "FAILED", failed))
			f.marks(id, "here")
			ballast := f.home + "/test-ballast"
			fill(t, ballast)
			if err := os.Truncate(ballast, size(t, ballast)-8<<20); err != nil { // room for what muster writes only
				t.Fatal(err)
			}
			f.closed("min_free_disk")
			f.release(id, "go-on")
			runs := func() int64 { return size(t, ran) / 2 }
			f.eventually("the check was put off, and once more", func() bool {
				return size(t, failed)/2 >= 2 && len(payloads[event.ActionPutOff](f, id)) >= 2
			})
			f.waits(id)
			if got := f.task(id); got.State != event.Checking || got.Rounds.Count != 0 {
				t.Errorf("it is %s, with %+v", got.State, got.Rounds)
			}
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			if got := f.reaches(id, event.Done); got.Rounds.Count != 1 || got.Gen != 1 || runs() < 3 {
				t.Errorf("generation %d, %+v after %d runs", got.Gen, got.Rounds, runs())
			}
		})
	}
}

// size returns the size of a file, or 0 if it does not exist.
func size(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// TestTheRepositorysDiskIsFull fills the disk when muster commits. Nothing is half published, the task waits without a
// slot while tasks of another repository go on, and once there is room there is one commit.
func TestTheRepositorysDiskIsFull(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{
		"before the work is snapped": "snapshot", "before it is published": "commit",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			f.ownDisk(f.repo, 16<<20)
			f.initRepo()
			other := f.root + "/other"
			f.git("clone", "-q", f.repo, other)
			judging, judged := f.shared+"/judging", f.shared+"/judged"
			id := f.dispatch("write a.txt <<x\nmark here\nonce await-file go-on\ndone",
				"--check", "slow=touch "+judging+"; while [ ! -e "+judged+" ]; do sleep 0.05; done")
			f.marks(id, "here")
			release := func() { f.release(id, "go-on"); f.write(judged, "") }
			if before == "commit" {
				f.release(id, "go-on")
				f.eventually("the check runs", func() bool { _, err := os.Stat(judging); return err == nil })
				release = func() { f.write(judged, "") }
			}
			ballast := f.repo + "/.git/test-ballast"
			fill(t, ballast)
			release()
			f.until(id, "is put off", func(t life.Task) bool {
				return t.AwaitsRoom() && t.PutOff.Place == event.PlaceRepository
			})
			f.reaches(f.dispatch("write b.txt <<b\ndone", "--repo", other), event.Done)
			if why := f.gate(); why != "" {
				t.Errorf("nothing new starts: %s", why)
			}
			f.waits(id)
			if got := f.task(id); got.Rounds.Count > 1 || got.Published != nil {
				t.Errorf("%+v, published %+v", got.Rounds, got.Published)
			}
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			got := f.reaches(id, event.Done)
			if n := f.git("rev-list", "--count", "main.."+got.Branch); n != "1" || got.Rounds.Count != 1 || got.Gen != 1 {
				t.Errorf("%s commits, %+v, generation %d", n, got.Rounds, got.Gen)
			}
			if out := f.git("fsck", "--strict"); strings.Contains(out, "error") {
				t.Errorf("the repository is broken: %s", out)
			}
		})
	}
}

// ownDisk mounts an empty file system of that many bytes over a directory. It skips the test if mounting is not
// allowed.
func (f *Fleet) ownDisk(dir string, bytes int) {
	f.t.Helper()
	if err := mountSmall(dir, bytes); err != nil {
		f.t.Skipf("no disk of its own: %v", err)
	}
	f.unmountAtEnd(dir)
}

func (f *Fleet) unmountAtEnd(dir string) {
	f.undo = append(f.undo, func() {
		if err := unmount(dir); err != nil {
			f.t.Error(err)
		}
	})
}

// smallDisk puts the state directory on its own disk. full fills the disk and dispatches; room makes room again. If
// mounting is not allowed, full dispatches under a limit on file sizes, which is the closest that an unprivileged test
// can get.
func (f *Fleet) smallDisk() (full func() ran, room func()) {
	f.t.Helper()
	config, err := os.ReadFile(f.home + "/config.toml")
	if err != nil {
		f.t.Fatal(err)
	}
	dispatch := []string{"dispatch", "--agent", "sim", "one more"}
	if err := mountSmall(f.home, diskSize); err != nil {
		f.t.Logf("no disk of its own (%v): a limit of the size of files instead", err)
		return func() ran {
			cmd := f.command(dispatch...)
			limited := exec.Command("/bin/sh", append([]string{"-c", `ulimit -f 0; exec "$0" "$@"`, cmd.Path}, dispatch...)...)
			limited.Dir, limited.Env = cmd.Dir, cmd.Env
			var out, errs strings.Builder
			limited.Stdout, limited.Stderr = &out, &errs
			_ = limited.Run()
			return ran{out: out.String(), err: errs.String(), exit: limited.ProcessState.ExitCode()}
		}, func() {}
	}
	f.unmountAtEnd(f.home)
	f.write(f.home+"/config.toml", string(config))
	ballast := f.home + "/test-ballast"
	return func() ran {
			f.t.Helper()
			f.closeControl() // its open files would be written to
			fill(f.t, ballast)
			return f.run(dispatch...)
		}, func() {
			if err := os.Remove(ballast); err != nil {
				f.t.Error(err)
			}
		}
}

// fill writes a file until the disk has no free byte left.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for size := 1 << 20; size > 0; {
		switch _, err := file.Write(make([]byte, size)); {
		case err == nil:
		case strings.Contains(err.Error(), syscall.ENOSPC.Error()):
			size /= 2
		default:
			t.Fatal(err)
		}
	}
}
