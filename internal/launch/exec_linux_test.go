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
)

func TestWhatIsTooLongIsSaidPlainly(t *testing.T) {
	t.Parallel()
	a := newAgent(t, "true")
	a.Argv = append(a.Argv, "sh", strings.Repeat("x", 140<<10))
	code, said := finish(t, program("launch", a.write(t)))
	if code == 0 || !strings.Contains(said, "143360 bytes") || !strings.Contains(said, "{prompt_file}") || strings.Contains(said, "xxxx") {
		t.Errorf("long argument: exit %d, said %.300q", code, said)
	}
	b := newAgent(t, "true")
	b.Env = append(b.Env, "TOKEN="+strings.Repeat("x", 140<<10))
	code, said = finish(t, program("launch", b.write(t)))
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
	cmd := program("launch", a.write(t))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := started(t, cmd)
	firstLine(t, out)
	seen := func(name string) string { return read(t, fmt.Sprintf("/proc/%d/%s", p.PID, name)) }
	eventually(t, "the agent is what it stays", func() bool { return seen("cmdline") == "sleep\x0060\x00" && seen("environ") != "" })
	if line := seen("cmdline"); strings.Contains(line, "s3cret") {
		t.Errorf("command line %q", line)
	}
	if env := seen("environ"); !strings.Contains(env, "TOKEN=s3cret") || strings.Contains(env, "LEAKED") {
		t.Errorf("environment %q", env)
	}
}

// smallDisk makes a directory that is a disk of its own, of 64 KiB. Where that is not allowed the test is skipped.
func smallDisk(t *testing.T, dir string) string {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no disk of its own: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// full is an agent whose status file lies on a disk of its own without room, which there is after room was called.
func full(t *testing.T) (a *agent, room func()) {
	t.Helper()
	a = newAgent(t, `echo works; exec sleep 60`)
	disk := smallDisk(t, filepath.Join(a.Dir, "disk"))
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

// TestALaunchWaitsForRoom: a full disk is nobody's fault, and when there is room, the agent starts in the same pane.
func TestALaunchWaitsForRoom(t *testing.T) {
	t.Parallel()
	a, room := full(t)
	cmd := program("launch", a.write(t))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	p := started(t, cmd)
	eventually(t, "it has tried", func() bool { _, err := os.Stat(a.StatusFile); return err == nil })
	if got := a.status(t); got != "" {
		t.Errorf("in its status file stands %q", got)
	}
	room()
	if line := firstLine(t, out); line != "works" {
		t.Errorf("it says %q", line)
	}
	if r := records(t, a); len(r) != 1 || r[0].State != event.RecordLaunched || r[0].PID != p.PID {
		t.Errorf("records %+v", r)
	}
}

// TestALaunchWithoutRoomNeverWas: it says why, and ends in a way that nobody takes for the agent's.
func TestALaunchWithoutRoomNeverWas(t *testing.T) {
	t.Parallel()
	a, room := full(t)
	code, said := finish(t, program("launch", a.write(t)))
	if code != scarce.ExitStatus || !strings.Contains(said, "no space left on device") || strings.Count(said, "\n") != 1 {
		t.Errorf("exit %d, said %q", code, said)
	}
	room()
	if got := a.status(t); got != "" {
		t.Errorf("in its status file stands %q", got)
	}
}

// TestAResultWaitsForRoom: what was found out is not lost because the work has filled the disk, and as the words of the work
// are lost, it says that.
func TestAResultWaitsForRoom(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: `head -c 200000 /dev/zero > "$0.big"; touch filled; exit 1`})
	smallDisk(t, j.Out)
	j.Steps[0].Run = strings.Replace(j.Steps[0].Run, "$0", j.Out+"/x", 1)
	cmd := program("launch", j.write(t))
	p := started(t, cmd)
	eventually(t, "the disk is full", func() bool { return exists(filepath.Join(j.Dir, "filled")) })
	if err := os.Remove(j.Out + "/x.big"); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if r := j.result(t); !r.Scarce || !strings.Contains(r.Error, "no space left on device") {
		t.Errorf("process %d left the result %+v", p.PID, r)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
