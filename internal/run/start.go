package run

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// Child is a program that runs until it is told to end.
type Child struct {
	Stdin  io.WriteCloser
	Stdout io.ReadCloser
	cmd    *exec.Cmd
	word   chan string // the lines for Word; nil without Spec.Word
	done   chan struct{}
	err    error
	once   sync.Once
}

// Spec describes how to start a Child.
type Spec struct {
	Argv []string
	Dir  string
	Env  []string
	// Pipes connects Stdin and Stdout to the caller; otherwise the child inherits the caller's.
	Pipes bool
	// Stderr gets the standard error of a child with Pipes; nil drops it.
	Stderr io.Writer
	// Word adds a pipe as descriptor WordFD, for lines from the child. See Child.Word.
	Word bool
	// SameGroup leaves the child in the caller's process group, so that a terminal's signals reach it.
	SameGroup bool
}

// WordFD is the descriptor to which a child with Spec.Word writes its lines.
const WordFD = 3

const (
	mostWord  = 4096 // bytes of a line
	mostWords = 64   // lines that wait for their reader; further ones are dropped
)

// Start starts a program that keeps running. It ends with ctx. On Linux the kernel also ends it when this process
// dies in any way, because a left-over control client of tmux freezes agents.
func Start(ctx context.Context, s Spec) (*Child, error) {
	cmd := command(ctx, s.Argv, s.Dir, s.Env)
	c := &Child{cmd: cmd, done: make(chan struct{})}
	if s.SameGroup {
		cmd.SysProcAttr.Setpgid = false
		cmd.Cancel = func() error { return cmd.Process.Kill() }
	}
	endWithParent(cmd.SysProcAttr)
	if s.Pipes {
		cmd.Stderr = s.Stderr
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
	var theirs, ours *os.File
	if s.Word {
		var err error
		if ours, theirs, err = os.Pipe(); err != nil {
			return nil, fmt.Errorf("run %s: %w", s.Argv[0], err)
		}
		cmd.ExtraFiles = []*os.File{theirs}
		c.word = make(chan string, mostWords)
	}
	started := make(chan error, 1)
	// The kernel ties the death signal to the thread that started the child, so that thread must stay.
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		heard := c.listen(theirs, ours, err == nil)
		started <- err
		if err != nil {
			return
		}
		if s.Pipes {
			// cmd.Wait closes the pipes, so wait for the process itself first.
			_, _ = cmd.Process.Wait()
			c.err = nil
		} else {
			c.err = cmd.Wait()
		}
		heard()
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run %s: %w", s.Argv[0], err)
	}
	return c, nil
}

// listen reads the child's lines, if it may write some. The returned function is called after the child has ended, and
// returns when the lines have been read.
func (c *Child) listen(theirs, ours *os.File, runs bool) (heard func()) {
	if ours == nil {
		return func() {}
	}
	_ = theirs.Close()
	if !runs {
		_ = ours.Close()
		return func() {}
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer ours.Close() //nolint:errcheck // read only
		defer close(c.word)
		lines := bufio.NewScanner(ours)
		lines.Buffer(nil, mostWord)
		for lines.Scan() {
			select {
			case c.word <- lines.Text():
			default:
			}
		}
	}()
	return func() {
		_ = ours.SetReadDeadline(time.Now().Add(pipeGrace)) // a process that it started may keep the pipe open
		<-read
	}
}

// Word returns a channel for the lines that a child with Spec.Word writes. It is closed when the child can write none
// any more, or wrote a line that is too long. Lines that the child wrote before its end are available before Done is
// closed. Without Spec.Word it is nil.
func (c *Child) Word() <-chan string { return c.word }

// PID returns the child's process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Done returns a channel that is closed when the child has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err returns how the child ended. It is valid only after Done is closed.
func (c *Child) Err() error { return c.err }

// Signal sends a signal to the child.
func (c *Child) Signal(s os.Signal) error { return c.cmd.Process.Signal(s) }

// Close ends the child and waits for it. It may be called more than once.
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
