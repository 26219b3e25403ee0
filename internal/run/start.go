package run

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
)

// Child is a program that stays until it is told to end.
type Child struct {
	Stdin  io.WriteCloser
	Stdout io.ReadCloser
	cmd    *exec.Cmd
	done   chan struct{}
	err    error
	once   sync.Once
}

// Spec is how a Child starts.
type Spec struct {
	Argv []string
	Dir  string
	Env  []string
	// Pipes connects Stdin and Stdout to the caller; otherwise the child inherits the caller's.
	Pipes bool
	// SameGroup leaves the child in the caller's process group, so that a terminal's signals reach it.
	SameGroup bool
}

// Start starts a program that stays. On Linux it is ended by the kernel when this process dies, whatever
// the way: a left-over control client of tmux freezes agents. It ends with ctx, too.
func Start(ctx context.Context, s Spec) (*Child, error) {
	cmd := command(ctx, s.Argv, s.Dir, s.Env)
	c := &Child{cmd: cmd, done: make(chan struct{})}
	if s.SameGroup {
		cmd.SysProcAttr.Setpgid = false
		cmd.Cancel = func() error { return cmd.Process.Kill() }
	}
	endWithParent(cmd.SysProcAttr)
	if s.Pipes {
		var err error
		if c.Stdin, err = cmd.StdinPipe(); err != nil {
			return nil, fmt.Errorf("run %s: %w", s.Argv[0], err)
		}
		if c.Stdout, err = cmd.StdoutPipe(); err != nil {
			return nil, fmt.Errorf("run %s: %w", s.Argv[0], err)
		}
	} else {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	}
	started := make(chan error, 1)
	// The kernel ties the death signal to the thread that started the child, so that thread must stay.
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		if s.Pipes {
			// Wait closes the pipes, so the process's end is awaited without it first.
			_, _ = cmd.Process.Wait()
			c.err = nil
		} else {
			c.err = cmd.Wait()
		}
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run %s: %w", s.Argv[0], err)
	}
	return c, nil
}

// PID is the child's process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Done is closed when the child has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err is how the child ended; only after Done.
func (c *Child) Err() error { return c.err }

// Signal sends a signal to the child.
func (c *Child) Signal(s os.Signal) error { return c.cmd.Process.Signal(s) }

// Close ends the child and waits for it; any number of times.
func (c *Child) Close() {
	c.once.Do(func() {
		if c.Stdin != nil {
			_ = c.Stdin.Close()
		}
		_ = c.cmd.Process.Kill()
	})
	<-c.done
	if c.Stdout != nil {
		_ = c.Stdout.Close()
	}
}
