package host

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary plays the processes that the tests watch and end: `ROLE=… test-binary`.
const (
	roleVar = "MUSTER_HOST_TEST_ROLE"
	markVar = "MUSTER_HOST_TEST_MARK"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		play(role)
		return
	}
	goleak.VerifyTestMain(m)
}

// play prints "ready PID" when the process has set itself up, and then waits to be ended. No role outlives 60 s.
func play(role string) {
	time.AfterFunc(time.Minute, func() { os.Exit(99) })
	if act := roles[role]; act != nil {
		act()
		return
	}
	switch role {
	case "sleeper":
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	case "daemon": // leaves a grandchild in its own session, and exits
		spawn(os.Environ(), false)
		return
	case "leader": // dies, and leaves a child in its process group that writes a file when it is told to end
		c := exec.Command("/bin/sh", "-c", `trap 'echo told > "$0"; exit 0' TERM; echo ready $$; while :; do sleep 0.05; done`, os.Getenv(markVar)+"/told")
		c.Env, c.Stdout = os.Environ(), os.Stdout
		if err := c.Start(); err != nil {
			fmt.Println("failed", err)
		}
		return
	case "cleared": // keeps a child in its own session with an empty environment
		spawn([]string{roleVar + "=sleeper"}, true)
	case "forker": // answers SIGTERM by forking another process with the marker, and exits
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		fmt.Println("ready", os.Getpid())
		<-c
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), roleVar+"=sleeper")
		if err := cmd.Start(); err != nil {
			fmt.Println("failed", err)
			return
		}
		fmt.Println("forked", cmd.Process.Pid)
		return
	}
	fmt.Println("ready", os.Getpid())
	select {}
}

// spawn starts a sleeper in its own session and passes on its "ready".
func spawn(env []string, quiet bool) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(env, roleVar+"=sleeper")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if quiet {
		line = "child " + strings.TrimPrefix(line, "ready ")
	}
	fmt.Print(line)
}

// actor is a started role.
type actor struct {
	cmd  *exec.Cmd
	out  *bufio.Reader
	proc Process
}

// start plays a role in a child and waits until it is ready. The child ends with the test.
func start(t *testing.T, role, mark string) *actor {
	t.Helper()
	a := &actor{cmd: exec.Command(os.Args[0])}
	if role == "leader" {
		a.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	a.cmd.Env = []string{roleVar + "=" + role, markVar + "=" + mark}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, a.out)
		_ = a.cmd.Wait()
	})
	a.out = bufio.NewReader(out)
	if role != "daemon" && role != "cleared" && role != "leader" {
		a.proc = a.said(t, "ready")
	}
	return a
}

// said reads the next line, "WORD PID", and identifies that process. The process is killed when the test ends.
func (a *actor) said(t *testing.T, word string) Process {
	t.Helper()
	pid := a.pid(t, word)
	p, err := Identify(pid)
	if err != nil {
		t.Fatalf("identify %d: %v", pid, err)
	}
	t.Cleanup(func() { _ = p.Signal(syscall.SIGKILL) })
	return p
}

// pid reads the next line, "WORD PID".
func (a *actor) pid(t *testing.T, word string) int {
	t.Helper()
	line, err := a.out.ReadString('\n')
	if err != nil {
		t.Fatalf("role said nothing: %v", err)
	}
	got, num, _ := strings.Cut(strings.TrimSpace(line), " ")
	pid, err := strconv.Atoi(num)
	if got != word || err != nil {
		t.Fatalf("role said %q, want %q and a pid", line, word)
	}
	return pid
}

// pipe returns a read end whose readers see the end when the write end is closed.
func pipe() (r, w *os.File, err error) { return os.Pipe() }
