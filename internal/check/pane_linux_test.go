package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/testkit/await"
	"muster/internal/testkit/files"
	"muster/internal/testkit/proc"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// underTerminal runs a job as the first process of a pane.
func underTerminal(t *testing.T, j *job) (wait func() error, master *os.File) {
	t.Helper()
	master, slave := terminal(t)
	cmd := proc.Role("run", j.write(t))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	j.start(t, cmd)
	_ = slave.Close()
	return cmd.Wait, master
}

func TestJobOutlivesTheDeathOfItsPane(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "long", Run: `echo $$ > pid; while [ ! -e go ]; do sleep 0.02; done; echo late`}, Step{Name: "next", Run: "echo more"})
	wait, master := underTerminal(t, j)
	await.Until(t, "the step runs", func() bool { return files.Read(t, filepath.Join(j.Dir, "pid")) != "" })
	if err := master.Close(); err != nil { // what the kernel does when the tmux server is killed
		t.Fatal(err)
	}
	files.Write(t, filepath.Join(j.Dir, "go"), "")
	if err := wait(); err != nil {
		t.Fatalf("the runner ended with %v", err)
	}
	if r := j.result(t); len(r.Steps) != 2 || files.Read(t, r.Steps[0].Log) != "late\n" || r.Steps[1].Exit != 0 {
		t.Errorf("result %+v", r)
	}
}

func TestJobIsNotHeldUpByAStoppedServer(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "noisy", Run: `yes | head -c 1000000`, Timeout: 20 * time.Second})
	wait, _ := underTerminal(t, j) // the other side is not read
	if err := wait(); err != nil {
		t.Fatalf("the runner ended with %v", err)
	}
	if s := j.result(t).Steps[0]; s.Exit != 0 || s.TimedOut || s.LogBytes != 1000000 {
		t.Errorf("result %+v", s)
	}
}

// TestAResultWaitsForRoom: a result is not lost because the work has filled the disk. If the log of a step is lost,
// the result says so.
func TestAResultWaitsForRoom(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: `head -c 200000 /dev/zero > "$0.big"; touch filled; exit 1`})
	if err := os.Remove(j.Out); err != nil {
		t.Fatal(err)
	}
	proc.SmallDisk(t, j.Out)
	j.Steps[0].Run = strings.Replace(j.Steps[0].Run, "$0", j.Out+"/x", 1)
	cmd := proc.Role("run", j.write(t))
	p := j.start(t, cmd)
	await.Until(t, "the disk is full", func() bool { return files.Exists(filepath.Join(j.Dir, "filled")) })
	if err := os.Remove(j.Out + "/x.big"); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if r := j.result(t); !r.Scarce || !strings.Contains(r.Error, "no space left on device") {
		t.Errorf("process %d left the result %+v", p.PID, r)
	}
}
