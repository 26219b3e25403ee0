package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"muster/internal/event"
	"muster/internal/scarce"
	"muster/internal/testkit/await"
	"muster/internal/testkit/files"
	"muster/internal/testkit/proc"
)

func TestWhatIsTooLongIsSaidPlainly(t *testing.T) {
	t.Parallel()
	a := newAgent(t, "true")
	a.Argv = append(a.Argv, "sh", strings.Repeat("x", 140<<10))
	code, said := proc.Finish(t, proc.Role("launch", a.write(t)))
	if code == 0 || !strings.Contains(said, "143360 bytes") || !strings.Contains(said, "{prompt_file}") || strings.Contains(said, "xxxx") {
		t.Errorf("long argument: exit %d, said %.300q", code, said)
	}
	b := newAgent(t, "true")
	b.Env = append(b.Env, "TOKEN="+strings.Repeat("x", 140<<10))
	code, said = proc.Finish(t, proc.Role("launch", b.write(t)))
	if code == 0 || !strings.Contains(said, "variable TOKEN has") || strings.Contains(said, "xxxx") {
		t.Errorf("long variable: exit %d, said %.300q", code, said)
	}
	for _, a := range []*agent{a, b} {
		if r := records(t, a); len(r) != 1 || r[0].State != "exited" || !strings.Contains(r[0].Note, "the system takes 131071") {
			t.Errorf("records %+v", r)
		}
	}
}

func TestSecretsAreInNoCommandLine(t *testing.T) {
	t.Parallel()
	a := newAgent(t, `echo up; exec sleep 60`)
	a.Env = append(a.Env, "TOKEN=s3cret")
	cmd := proc.Role("launch", a.write(t))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := proc.Start(t, cmd)
	proc.FirstLine(t, out)
	seen := func(name string) string { return files.Read(t, fmt.Sprintf("/proc/%d/%s", p.PID, name)) }
	await.Until(t, "the agent is what it stays", func() bool { return seen("cmdline") == "sleep\x0060\x00" && seen("environ") != "" })
	if line := seen("cmdline"); strings.Contains(line, "s3cret") {
		t.Errorf("command line %q", line)
	}
	if env := seen("environ"); !strings.Contains(env, "TOKEN=s3cret") || strings.Contains(env, "LEAKED") {
		t.Errorf("environment %q", env)
	}
}

// full returns an agent whose status file is on its own full disk. Calling room makes room on the disk.
func full(t *testing.T) (a *agent, room func()) {
	t.Helper()
	a = newAgent(t, `echo works; exec sleep 60`)
	disk := proc.SmallDisk(t, filepath.Join(a.Dir, "disk"))
	a.StatusFile = filepath.Join(disk, "t3.2.jsonl")
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 128<<10), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk does not get full: %v", err)
	}
	return a, func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
}

// TestALaunchWaitsForRoom checks that a full disk is not charged to the task, and that the agent starts in the same
// pane once there is room.
func TestALaunchWaitsForRoom(t *testing.T) {
	t.Parallel()
	a, room := full(t)
	cmd := proc.Role("launch", a.write(t))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	p := proc.Start(t, cmd)
	await.Until(t, "it has tried", func() bool { _, err := os.Stat(a.StatusFile); return err == nil })
	if got := a.status(t); got != "" {
		t.Errorf("in its status file stands %q", got)
	}
	room()
	if line := proc.FirstLine(t, out); line != "works" {
		t.Errorf("it says %q", line)
	}
	if r := records(t, a); len(r) != 1 || r[0].State != event.RecordLaunched || r[0].PID != p.PID {
		t.Errorf("records %+v", r)
	}
}

// TestALaunchWithoutRoomNeverWas checks that the launch says why it failed, and exits with a status that is not
// mistaken for the agent's.
func TestALaunchWithoutRoomNeverWas(t *testing.T) {
	t.Parallel()
	a, room := full(t)
	code, said := proc.Finish(t, proc.Role("launch", a.write(t)))
	if code != scarce.ExitStatus || !strings.Contains(said, "no space left on device") || strings.Count(said, "\n") != 1 {
		t.Errorf("exit %d, said %q", code, said)
	}
	room()
	if got := a.status(t); got != "" {
		t.Errorf("in its status file stands %q", got)
	}
}
