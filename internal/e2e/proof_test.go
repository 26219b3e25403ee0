package e2e

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/life"
)

// process is a process on this machine.
type process struct {
	pid  int
	argv []string
	text string // argv, environment, program and working directory: everything that may name a fleet
}

// processes returns all processes that belong to the fleet in any way. Every path of the fleet begins with its root,
// and no other path does.
func (f *Fleet) processes() []process {
	return slices.DeleteFunc(allProcesses(), func(p process) bool {
		return p.pid == os.Getpid() || !strings.Contains(p.text, f.root)
	})
}

// end ends the fleet by muster's own commands, and proves that nothing is left. It has to work whatever the test did
// to the fleet.
func (f *Fleet) end() {
	defer f.wipe()
	defer func() {
		if f.t.Failed() {
			f.dump()
		}
	}()
	if !f.t.Failed() {
		f.finish()
		f.nothingLeft()
	}
}

// finish stops and removes all tasks, and takes the fleet down.
func (f *Fleet) finish() {
	f.t.Helper()
	if _, err := os.Stat(f.home + "/muster.db"); err != nil || f.over {
		return // it never began, or the test has finished it
	}
	f.over = true
	f.up()
	tasks, err := control.Get(context.Background(), f.control(), control.Tasks{All: true})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, s := range tasks {
		if !s.Removed && !s.State.Final() && s.State != event.Parked {
			_, err := f.control().Do(context.Background(), control.Stop{Task: s.ID})
			if err != nil && !f.task(s.ID).State.Final() { // it may have ended by itself just now
				f.t.Fatalf("stop %s: %v", s.ID, err)
			}
		}
	}
	for _, s := range tasks {
		f.until(s.ID, "rests", taskRests)
		if !s.Removed {
			f.do(control.Remove{Task: s.ID, Force: true})
		}
	}
	for _, s := range tasks {
		f.until(s.ID, "is removed", taskRemoved)
	}
	f.closeControl()
	for name := range strings.Lines(f.tmux("list-sessions", "-F", "#{session_name}")) {
		if id, _, _ := strings.Cut(strings.TrimSpace(name), "-"); event.IsTaskID(id) {
			f.t.Errorf("a session is left: %s", name)
		}
	}
	f.must("down", "--kill")
}

func taskRests(t life.Task) bool {
	return (t.State.Final() || t.State == event.Parked) && len(t.Open) == 0 && !t.Agent.Live
}

func taskRemoved(t life.Task) bool { return t.Removed }

// nothingLeft proves that nothing of the fleet is left. It relies only on the kernel, git and the file system.
func (f *Fleet) nothingLeft() {
	f.t.Helper()
	var left []process
	poll(10*time.Second, 100*time.Millisecond, func() bool {
		left = f.processes()
		return len(left) == 0
	})
	for _, p := range left {
		f.t.Errorf("left running: %d %s", p.pid, strings.Join(p.argv, " "))
	}
	for _, l := range readSimLog(f.simLog) { // also processes that cleared their environment and left their session
		if word, ok := strings.CutPrefix(l.word, "child:"); ok {
			if pid, err := strconv.Atoi(word); err == nil && runs(pid, "sleep") {
				f.t.Errorf("left running: %d, which an agent forked", pid)
			}
		}
	}
	if trees := f.git("worktree", "list", "--porcelain"); strings.Count(trees, "worktree ") != 1 {
		f.t.Errorf("worktrees are left:\n%s", trees)
	}
	if refs := f.git("for-each-ref", "--format=%(refname)", "refs/muster/round"); refs != "" {
		f.t.Errorf("refs of rounds are left:\n%s", refs)
	}
	if st := f.git("status", "--porcelain"); st != "" {
		f.t.Errorf("the checkout was touched:\n%s", st)
	}
	f.filesLeft()
	f.groupsLeft()
	for _, l := range f.raceReports() {
		f.t.Errorf("a race in a supervisor:\n%s", l)
	}
	f.tmpLeft()
}

// lasting are the files of a state directory that outlive all tasks. Those of `bin` are checked separately.
var lasting = []string{
	"muster.db", "muster.db-wal", "muster.db-shm", "config.toml", "lock", "keeper.lock", "start.lock", "front.lock", "down", "env", "env.names",
	"tmux.conf", "tmux.pid", "supervisor.log", "supervisor.log.1", "pulse", "status/wake", "test-die", "test-points", "test-clock", "test-pace",
	"upgrade.lock", "upgrade.outcome", "looked", "test-hurry", "evidence.key", "reply.key", "trial.lock",
}

// filesLeft fails the test for files that no longer belong in the state directory.
func (f *Fleet) filesLeft() {
	f.t.Helper()
	err := filepath.WalkDir(f.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(f.home, path)
		switch {
		case slices.Contains(lasting, name) || strings.HasPrefix(name, "checkslot.") || strings.HasPrefix(name, "race.") || strings.HasPrefix(name, "intake-"):
		case strings.HasPrefix(name, "bin/"):
		case name == "web" || strings.HasPrefix(name, "web/"): // where the page was served, and the hashes of what lets somebody in
		case strings.HasPrefix(name, "git/"): // muster's own git directory of a repository
		case strings.HasPrefix(name, "cache/repository-"): // of fenced builds, for the next task of the repository
		case d.IsDir() && slices.Contains([]string{".", "bin", "cache", "gen", "git", "jobs", "status", "attempts", "worktrees"}, name):
		default:
			f.t.Errorf("left in the state directory: %s", name)
		}
		return nil
	})
	if err != nil {
		f.t.Error(err)
	}
}

// tmpLeft fails the test for files left in the fleet's temporary and home directories.
func (f *Fleet) tmpLeft() {
	f.t.Helper()
	for _, dir := range []string{f.root + "/tmp", f.root + "/home"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			f.t.Error(err)
		}
		for _, e := range entries {
			f.t.Errorf("left in %s: %s", dir, e.Name())
		}
	}
}

// raceReports returns the reports of the race detectors of the fleet's supervisors.
func (f *Fleet) raceReports() []string {
	files, _ := filepath.Glob(raceLog(f.home) + ".*")
	var out []string
	for _, name := range files {
		if data, err := os.ReadFile(name); err == nil && len(data) > 0 {
			out = append(out, string(data))
		}
	}
	return out
}

// wipe kills the processes that are left, and removes all files. It is called only after the proof, or when the test
// has failed.
func (f *Fleet) wipe() {
	f.closeControl()
	for range 50 {
		left := f.processes()
		for _, p := range left {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
		if len(left) == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, l := range readSimLog(f.simLog) {
		if word, ok := strings.CutPrefix(l.word, "child:"); ok {
			if pid, err := strconv.Atoi(word); err == nil && runs(pid, "sleep") {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	for _, undo := range f.undo {
		undo()
	}
	if err := os.RemoveAll(f.root); err != nil {
		f.t.Error(err)
	}
}
