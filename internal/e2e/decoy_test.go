package e2e

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"muster/internal/event"
)

// decoy starts a process that looks like an agent: the same program and the same command line, but outside the fleet.
func (f *Fleet) decoy(agent int) int {
	f.t.Helper()
	dir := f.root + "/decoy"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		f.t.Fatal(err)
	}
	path, err := program()
	if err != nil {
		f.t.Fatal(err)
	}
	var argv []string
	for _, p := range f.processes() {
		if p.pid == agent {
			argv = p.argv
		}
	}
	if len(argv) < 2 {
		f.t.Fatalf("the command line of agent %d is %q", agent, argv)
	}
	cmd := exec.Command(path)
	cmd.Args, cmd.Dir = argv, dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	in, err := cmd.StdinPipe() // open as long as the process lives, like a terminal
	if err != nil {
		f.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = in.Close()
		_ = cmd.Wait()
	})
	f.eventually("the decoy runs", func() bool { return runs(cmd.Process.Pid, "sim") })
	return cmd.Process.Pid
}

// ownServer starts a person's own tmux server, the one that a plain `tmux` uses in the fleet's environment.
func (f *Fleet) ownServer(sessions ...string) (server func() string) {
	f.t.Helper()
	dir := f.root + "/own"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		f.t.Fatal(err)
	}
	f.withVar("TMUX_TMPDIR", dir)
	plain := func(args ...string) string {
		cmd := exec.Command("tmux", append([]string{"-f", "/dev/null"}, args...)...)
		cmd.Env = f.env
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "tmux " + args[0] + ": " + err.Error() + " " + string(out)
		}
		return strings.TrimSpace(string(out))
	}
	for _, s := range sessions {
		if out := plain("new-session", "-d", "-s", s, "-n", "agent", "sleep 3604"); out != "" {
			f.t.Fatal(out)
		}
	}
	f.t.Cleanup(func() {
		pid, _ := strconv.Atoi(plain("display-message", "-p", "#{pid}"))
		_ = plain("kill-server")
		f.eventually("a person's own server is gone", func() bool { return !alive(pid) })
	})
	f.withVar("TMUX", plain("display-message", "-p", "#{socket_path},#{pid},0"))
	return func() string {
		return plain("list-panes", "-a", "-F", "#{pid} #{session_name} #{pane_pid} #{pane_dead}")
	}
}

// TestOnlyWhatIsOurs checks what stop, rm and `down --kill` end. They do not end a process that looks like an agent,
// nor the person's own tmux server with sessions of the same names. A window that a person opened in the session of a
// task is closed with the session.
func TestOnlyWhatIsOurs(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(2)
	pids := f.agents(ids)
	decoys := []int{f.decoy(pids[0]), f.decoy(pids[1])}
	names := strings.Fields(f.tmux("list-sessions", "-F", "#{session_name}"))
	var own func() string
	f.unattended(func() { own = f.ownServer(names...) }) // the supervisor also starts where this is the default server
	before := own()
	if strings.Count(before, "\n")+1 != len(names) || len(names) < 3 {
		t.Fatalf("sessions %v, a person's own:\n%s", names, before)
	}
	extra, err := strconv.Atoi(f.tmux("new-window", "-d", "-P", "-F", "#{pane_pid}", "-t", "="+f.task(ids[0]).Session+":", "sleep 3605"))
	if err != nil {
		t.Fatal(err)
	}
	untouched := func(after string) {
		t.Helper()
		for _, pid := range decoys {
			if !runs(pid, "sim") {
				t.Errorf("after %s: decoy %d is gone", after, pid)
			}
		}
		if now := own(); now != before {
			t.Errorf("after %s: a person's own server is\n%s\nbefore\n%s", after, now, before)
		}
	}
	f.must("stop", string(ids[0]))
	f.reaches(ids[0], event.Cancelled)
	untouched("stop")
	f.must("rm", "--force", string(ids[0]))
	f.until(ids[0], "rests", taskRests)
	f.eventually("the window is closed with its session", func() bool { return !alive(extra) })
	untouched("rm")
	f.must("down", "--kill")
	untouched("down --kill")
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("agent %d still runs", pid)
		}
	}
}
