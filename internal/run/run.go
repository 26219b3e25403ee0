package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"muster/internal/environ"
	"muster/internal/scarce"
	"muster/internal/text"
)

// Defaults of Cmd.
const (
	DefaultTimeout   = 30 * time.Second
	DefaultMaxOutput = 16 << 20
	// pipeGrace is how long output may continue after the end of the program. A grandchild that keeps the pipe open,
	// such as a tmux server, must not delay Do (measured: 5.4 s without this limit, 0.6 s with it).
	pipeGrace = 500 * time.Millisecond
)

// Cmd is one call of a program that ends by itself.
type Cmd struct {
	Argv    []string      // program and arguments; never a shell line
	Dir     string        // working directory; "" means the caller's
	Env     []string      // the whole environment, NAME=VALUE; nil means an empty one
	Stdin   io.Reader     // nil is /dev/null
	Stdout  io.Writer     // nil collects into Result.Stdout
	Stderr  io.Writer     // nil collects into Result.Stderr
	Timeout time.Duration // 0 means DefaultTimeout; negative means only the context's
	// Idle ends the program when no process of its group has used CPU time, read or written anything for this long. 0
	// means no limit. It works on Linux only.
	Idle      time.Duration
	MaxOutput int        // bytes kept of each stream; 0 means DefaultMaxOutput
	Files     []*os.File // more open files of the program, from descriptor 3 on, such as a lock that it inherits
	// Started is called with the process id when the program runs. The process leads its process group. It may be
	// nil.
	Started func(pid int)
	// Stop ends a program that is cut off, and returns when it has ended or Stop has given up. nil means a SIGKILL to
	// its process group. It is called from another goroutine.
	Stop func(pid int)
}

// Result is the result of a program that ran.
type Result struct {
	Stdout, Stderr []byte
	Exit           int  // exit status; -1 if it was ended by a signal
	Truncated      bool // some output was dropped
}

// ExitError is the error of a program that ran and failed.
type ExitError struct {
	Argv   []string
	Exit   int            // -1 if ended by a signal
	Signal syscall.Signal // 0 if it exited
	Stderr string         // the end of it
}

// Error has the program's name, how it ended and the end of its stderr.
func (e *ExitError) Error() string {
	msg := strings.Join(e.Argv, " ") + ": " + text.Exit(e.Exit, int(e.Signal))
	if e.Stderr != "" {
		msg += ": " + e.Stderr
	}
	return msg
}

// Is reports whether the program's stderr says that it failed because of the shortage target.
func (e *ExitError) Is(target error) bool { return scarce.Says(e.Stderr, target) }

// Do runs a program to its end. The error is an *ExitError if it ran and failed; what it said then has no login of a proxy. It satisfies errors.Is(err,
// exec.ErrNotFound) if there is no such program, and context.DeadlineExceeded if the program was cut off, also if it
// made no progress. The whole process group ends with the program.
func Do(ctx context.Context, c Cmd) (Result, error) {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	limit := c.MaxOutput
	if limit == 0 {
		limit = DefaultMaxOutput
	}
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	stdout, stderr := &capped{limit: limit}, &capped{limit: limit}
	cmd := command(ctx, c.Argv, c.Dir, c.Env)
	cmd.Stdin, cmd.ExtraFiles = c.Stdin, c.Files
	cmd.Stdout, cmd.Stderr = io.Writer(stdout), io.Writer(stderr)
	if c.Stdout != nil {
		cmd.Stdout = c.Stdout
	}
	if c.Stderr != nil {
		cmd.Stderr = c.Stderr
	}
	if c.Stop != nil {
		cmd.Cancel = func() error { c.Stop(cmd.Process.Pid); return nil }
	}
	err := cmd.Start()
	if err == nil {
		if c.Started != nil {
			c.Started(cmd.Process.Pid)
		}
		err = wait(ctx, cmd, c.Idle, cut)
	}
	res := Result{Stdout: stdout.buf.Bytes(), Stderr: stderr.buf.Bytes(), Truncated: stdout.cut || stderr.cut}
	if cmd.ProcessState != nil {
		res.Exit = cmd.ProcessState.ExitCode()
	}
	if cause := context.Cause(ctx); cause != nil && err != nil {
		if _, idle := cause.(idleError); !idle { //nolint:errorlint // it is never wrapped
			cause = ctx.Err()
		}
		return res, fmt.Errorf("%s: %w", strings.Join(c.Argv, " "), cause)
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // the program itself succeeded; only a grandchild held its pipe
	}
	if x, ok := errors.AsType[*exec.ExitError](err); ok {
		res.Stderr = []byte(environ.WithoutLogins(c.Env, string(res.Stderr)))
		e := &ExitError{Argv: c.Argv, Exit: x.ExitCode(), Stderr: tail(res.Stderr)}
		if ws, ok := x.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			e.Signal = ws.Signal()
		}
		return res, e
	}
	if err != nil {
		return res, fmt.Errorf("run %s: %w", c.Argv[0], err)
	}
	return res, nil
}

// wait waits for a program that was started, and ends it if it makes no progress for the time limit.
func wait(ctx context.Context, cmd *exec.Cmd, idle time.Duration, end context.CancelCauseFunc) error {
	if idle <= 0 {
		return cmd.Wait()
	}
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watchIdle(watching, cmd.Process.Pid, idle, end)
	}()
	err := cmd.Wait()
	stop()
	<-watched
	return err
}

// command builds the exec.Cmd: a process group of its own, which is ended as a whole, and a bounded wait for pipes.
func command(ctx context.Context, argv []string, dir string, env []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = env
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = pipeGrace
	return cmd
}

// LookPath finds a program on the PATH of an environment. The error is exec.ErrNotFound if there is none.
func LookPath(program string, env []string) (string, error) {
	if strings.Contains(program, "/") {
		return exec.LookPath(program)
	}
	for dir := range strings.SplitSeq(environ.Get(env, "PATH"), string(os.PathListSeparator)) {
		if dir == "" {
			continue // an empty element means the working directory, which an agent may write to
		}
		if p, err := exec.LookPath(dir + "/" + program); err == nil {
			return p, nil
		}
	}
	return "", &exec.Error{Name: program, Err: exec.ErrNotFound}
}

// Replace executes another program in this process. It only returns if that fails.
func Replace(path string, argv, env []string) error {
	return fmt.Errorf("exec %s: %w", path, syscall.Exec(path, argv, env)) //nolint:gosec // starting programs is what run is for
}

// capped keeps the first limit bytes and drops the rest. Its writes never fail.
type capped struct {
	buf   bytes.Buffer
	limit int
	cut   bool
}

func (w *capped) Write(p []byte) (int, error) {
	room := w.limit - w.buf.Len()
	if room < len(p) {
		w.cut = true
	}
	w.buf.Write(p[:max(0, min(room, len(p)))])
	return len(p), nil
}

// tail returns the end of a program's output on one line that is short enough for an error.
func tail(b []byte) string {
	s := strings.TrimSpace(string(b))
	const most = 500
	if len(s) > most {
		s = "…" + s[len(s)-most:]
	}
	return strings.ReplaceAll(s, "\n", "; ")
}
