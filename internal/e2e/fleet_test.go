package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/boot"
	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/life"
)

// atOnce bounds how many fleets live at the same time. Each has half a dozen processes, which mostly wait.
var atOnce = make(chan struct{}, 3*runtime.NumCPU())

// patience is how long a test waits for a step that takes a second or two, on a busy machine.
const patience = 60 * time.Second

// Fleet is one fleet with its own state directory, home directory and repository.
type Fleet struct {
	t      *testing.T
	root   string // parent of all its directories
	home   string // the state directory
	repo   string
	shared string   // a directory that fenced agents and checks may use too
	grants []string // what fenced agents and checks may write; all of it exists
	simLog string   // the log in which agents record their begin and end
	env    []string
	ctl    *control.Control // only for queries and requests; never for proofs
	undo   []func()         // run when everything has ended, before the files are removed
	over   bool             // finish has been called
}

// newFleet makes a fleet that is not up. When the test ends, the fleet is ended by muster's own commands, and nothing
// of it may be left.
func newFleet(t *testing.T) *Fleet {
	t.Helper()
	atOnce <- struct{}{}
	t.Cleanup(func() { <-atOnce })
	root, err := os.MkdirTemp("/tmp", "m-e2e-") // short, because the path of a socket is below it
	if err != nil {
		t.Fatal(err)
	}
	f := &Fleet{t: t, root: root, home: root + "/s", repo: root + "/repo", shared: root + "/shared", simLog: root + "/shared/sim.log"}
	f.grants = []string{f.shared}
	t.Cleanup(f.end)
	for _, d := range []string{"home", "tmp", "s", "repo", "shared"} {
		if err := os.Mkdir(filepath.Join(root, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	f.env = []string{
		"HOME=" + root + "/home", "TMPDIR=" + root + "/tmp", "PATH=" + os.Getenv("PATH"), "MUSTER_HOME=" + f.home,
		"LANG=C.UTF-8", "SHELL=/bin/sh", "USER=tester", "TERM=xterm",
	}
	f.userConfig("[fleet]\nmax_agents = 12\nmax_checks = 3\nmin_free_disk = 1\nmin_free_memory = 1\n")
	f.initRepo()
	return f
}

// fenceMode is the mode of the fence in every fleet whose test does not set one itself.
var fenceMode = flag.String("e2e.fence", "off", "on: every fleet has the fence that muster init writes")

// inFence reports whether fleets have a fence that their test did not ask for.
func inFence() bool { return *fenceMode == "on" }

// userConfig writes the user's configuration. If fleets have a fence, it grants f.grants.
func (f *Fleet) userConfig(text string) {
	f.t.Helper()
	if inFence() && !strings.Contains(text, "[fence]") {
		text += fmt.Sprintf("\n[fence]\nmode = \"on\"\nwrite = [%s]\n", quoted(f.grants))
	}
	f.write(f.home+"/config.toml", text)
}

// quoted returns strings as a list of TOML.
func quoted(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = strconv.Quote(s)
	}
	return strings.Join(out, ", ")
}

// openFence skips a test about what only agents without a fence can do.
func openFence(t *testing.T, why string) {
	t.Helper()
	if inFence() {
		t.Skip("not with a fence: " + why)
	}
}

// initRepo makes the fleet's repository in its existing empty directory.
func (f *Fleet) initRepo() {
	f.t.Helper()
	f.git("init", "-q", "-b", "main")
	f.git("config", "user.name", "Tester")
	f.git("config", "user.email", "tester@example.com")
	f.write(f.repo+"/.gitignore", "go-*\n")
	f.write(f.repo+"/README", "a repository\n")
	f.git("add", "-A")
	f.git("commit", "-q", "-m", "base")
}

func (f *Fleet) write(path, text string) {
	f.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// git runs git in the fleet's repository.
func (f *Fleet) git(args ...string) string {
	f.t.Helper()
	return f.gitIn(f.repo, args...)
}

// gitIn runs git in a directory.
func (f *Fleet) gitIn(dir string, args ...string) string {
	f.t.Helper()
	out, err := f.tryGit(dir, args...)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// tryGit is gitIn, but a git that fails does not end the test.
func (f *Fleet) tryGit(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, f.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s in %s: %w\n%s", args, dir, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// ran is the result of a call of muster.
type ran struct {
	out, err string
	exit     int
}

// command returns a call of muster in the fleet's repository.
func (f *Fleet) command(args ...string) *exec.Cmd {
	path, err := program()
	if err != nil {
		f.t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env = f.repo, f.env
	cmd.WaitDelay = time.Second // the call fails if a started server keeps its pipes open
	return cmd
}

// run calls muster. It fails the test only if the call could not start.
func (f *Fleet) run(args ...string) ran {
	f.t.Helper()
	var out, errs bytes.Buffer
	cmd := f.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	kill := time.AfterFunc(2*patience, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		f.t.Errorf("muster %s: %v\n%s", args, err, errs.String())
	}
	return ran{out: strings.TrimSpace(out.String()), err: errs.String(), exit: cmd.ProcessState.ExitCode()}
}

// must calls muster and fails the test if the call fails.
func (f *Fleet) must(args ...string) string {
	f.t.Helper()
	r := f.run(args...)
	if r.exit != 0 {
		f.t.Fatalf("muster %s: exit %d\n%s%s", args, r.exit, r.out, r.err)
	}
	return r.out
}

// up brings the fleet up.
func (f *Fleet) up() {
	f.t.Helper()
	f.must("up")
}

// dispatch queues a task for a scripted agent.
func (f *Fleet) dispatch(script string, flags ...string) event.TaskID {
	f.t.Helper()
	return f.dispatchPrompt("a task\n\n```sim\n"+script+"\n```\n", append([]string{"--agent", "sim"}, flags...)...)
}

func (f *Fleet) dispatchPrompt(prompt string, flags ...string) event.TaskID {
	f.t.Helper()
	args := append([]string{"dispatch", "--name", "w", "--env", "MUSTER_SIM_LOG=" + f.simLog}, flags...)
	id := event.TaskID(f.must(append(args, prompt)...))
	if !event.IsTaskID(string(id)) {
		f.t.Fatalf("dispatch printed %q", id)
	}
	return id
}

// caller returns this process as a front end of the fleet. Without a program it never starts anything.
func (f *Fleet) caller(program string) boot.Caller {
	return boot.Caller{Environ: f.env, Exe: program, Now: time.Now, Stderr: io.Discard}
}

// control opens the fleet's log in this process.
func (f *Fleet) control() *control.Control {
	f.t.Helper()
	if f.ctl == nil {
		c, err := control.Open(f.caller(""))
		if err != nil {
			f.t.Fatalf("open the log: %v", err)
		}
		f.ctl = c
	}
	return f.ctl
}

// closeControl closes the log.
func (f *Fleet) closeControl() {
	if f.ctl != nil {
		_ = f.ctl.Close()
		f.ctl = nil
	}
}

// task returns the state of a task according to the log.
func (f *Fleet) task(id event.TaskID) life.Task {
	f.t.Helper()
	t, err := control.Get(context.Background(), f.control(), control.One{Ref: string(id)})
	if err != nil {
		f.t.Fatalf("look at %s: %v", id, err)
	}
	return t
}

// do requests a command as a verb does.
func (f *Fleet) do(c control.Command) {
	f.t.Helper()
	if _, err := f.control().Do(context.Background(), c); err != nil {
		f.t.Fatalf("%T: %v", c, err)
	}
}

// eventually waits until a condition holds.
func (f *Fleet) eventually(what string, ok func() bool) {
	f.t.Helper()
	f.within(patience, what, ok)
}

// within is eventually with a time of its own.
func (f *Fleet) within(limit time.Duration, what string, ok func() bool) {
	f.t.Helper()
	if !poll(limit, 100*time.Millisecond, ok) {
		f.t.Fatalf("timed out waiting until %s", what)
	}
}

// poll calls ok until it holds or the time is over. The pauses grow to the longest one: most looks read the log, which under the
// race detector costs as much as a fleet.
func poll(limit, longest time.Duration, ok func() bool) bool {
	pause := 20 * time.Millisecond
	for deadline := time.Now().Add(limit); !ok(); pause = min(pause*5/4, longest) {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(pause)
	}
	return true
}

// until waits until a condition on a task holds.
func (f *Fleet) until(id event.TaskID, what string, ok func(life.Task) bool) life.Task {
	f.t.Helper()
	var t life.Task
	f.eventually(string(id)+" "+what, func() bool {
		t = f.task(id)
		return ok(t)
	})
	return t
}

// reaches waits until a task is in one of the states. Another final state fails the test at once.
func (f *Fleet) reaches(id event.TaskID, states ...event.State) life.Task {
	f.t.Helper()
	return f.until(id, fmt.Sprintf("is %v", states), func(t life.Task) bool {
		if slices.Contains(states, t.State) {
			return true
		}
		if t.State.Final() || t.State == event.Parked {
			f.t.Fatalf("%s is %s (%s: %s), not %v", id, t.State, t.Reason, t.Detail, states)
		}
		return false
	})
}

// marks waits until the agent of a task has passed a `mark`.
func (f *Fleet) marks(id event.TaskID, word string) {
	f.t.Helper()
	f.eventually(string(id)+" marks "+word, func() bool { return f.marked(id, word) })
}

// release makes the file that an agent waits for with `await-file`.
func (f *Fleet) release(id event.TaskID, name string) {
	f.t.Helper()
	f.write(filepath.Join(f.task(id).Worktree, name), "")
}

// events returns all events of a task.
func (f *Fleet) events(id event.TaskID) []event.Event {
	f.t.Helper()
	seq, err := control.Get(context.Background(), f.control(), control.Events{Task: string(id)})
	if err != nil {
		f.t.Fatal(err)
	}
	var out []event.Event
	for e, err := range seq {
		if err != nil {
			f.t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// payloads returns the events of one kind of a task.
func payloads[P event.Payload](f *Fleet, id event.TaskID) []P {
	f.t.Helper()
	var out []P
	for _, e := range f.events(id) {
		if p, ok := e.Data.(P); ok {
			out = append(out, p)
		}
	}
	return out
}

// only returns the one process of the fleet that runs a verb.
func (f *Fleet) only(verb string) int {
	f.t.Helper()
	pid := 0
	f.eventually("one process is `"+verb+"`", func() bool {
		all := f.playing(verb)
		if len(all) > 0 {
			pid = all[0]
		}
		return len(all) == 1
	})
	return pid
}

// playing returns the processes of the fleet that are `muster VERB`.
func (f *Fleet) playing(verb string) []int {
	var out []int
	for _, p := range f.processes() {
		if len(p.argv) > 1 && strings.HasPrefix(filepath.Base(p.argv[0]), "muster") && p.argv[1] == verb {
			out = append(out, p.pid)
		}
	}
	return out
}

// kill kills a process as the kernel's OOM killer would, and waits until it is gone.
func (f *Fleet) kill(pid int) {
	f.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		f.t.Fatalf("kill %d: %v", pid, err)
	}
	f.eventually(fmt.Sprintf("%d is gone", pid), func() bool { return !alive(pid) })
}

// tmux runs a tmux command on the fleet's server.
func (f *Fleet) tmux(args ...string) string {
	f.t.Helper()
	out, err := f.tryTmux(args...)
	if err != nil {
		f.t.Fatalf("tmux %s: %v\n%s", args, err, out)
	}
	return out
}

func (f *Fleet) tryTmux(args ...string) (string, error) {
	cmd := exec.Command("tmux", append([]string{"-S", f.home + "/tmux.sock"}, args...)...)
	cmd.Env = f.env
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// server returns the process of the fleet's tmux server.
func (f *Fleet) server() int {
	f.t.Helper()
	pid := 0
	f.eventually("the tmux server answers", func() bool {
		out, err := f.tryTmux("display-message", "-p", "#{pid}")
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(out)
		return err == nil
	})
	return pid
}

// dump logs what a person would look at first.
func (f *Fleet) dump() {
	f.t.Logf("muster ls --all:\n%s", f.run("ls", "--all").out)
	if c, err := control.Open(f.caller("")); err == nil {
		if seq, err := control.Get(context.Background(), c, control.Events{}); err == nil {
			var lines []string
			for e, err := range seq {
				if err != nil {
					break
				}
				text := fmt.Sprintf("%+v", e.Data)
				lines = append(lines, fmt.Sprintf("%d %s %s.%d %T %.300s", e.Seq, e.Time.Format("05.000"), e.Task, e.Gen, e.Data, text))
			}
			f.t.Logf("events:\n%s", strings.Join(lines[max(0, len(lines)-120):], "\n"))
		}
		_ = c.Close()
	}
	for _, name := range []string{f.home + "/supervisor.log", f.simLog, pointsFile(f.home), planFile(f.home)} {
		if data, err := os.ReadFile(name); err == nil {
			f.t.Logf("%s:\n%s", name, data[max(0, len(data)-6000):])
		}
	}
	if out, err := f.tryTmux("capture-pane", "-p", "-S", "-60", "-t", "=muster:"); err == nil {
		f.t.Logf("the supervisor's pane:\n%s", out)
	}
	for _, p := range f.processes() {
		f.t.Logf("process %d: %.200s", p.pid, strings.Join(p.argv, " "))
	}
}
