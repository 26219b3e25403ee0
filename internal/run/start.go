package run

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Child is a program that stays until it is told to end.
type Child struct {
	Stdin  io.WriteCloser
	Stdout io.ReadCloser
	cmd    *exec.Cmd
	word   chan string // what it says through Word; nil without
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
	// Word gives the child a pipe as descriptor WordFD, for one line; see Child.Word.
	Word bool
	// SameGroup leaves the child in the caller's process group, so that a terminal's signals reach it.
	SameGroup bool
}

// WordFD is the descriptor that a child with Spec.Word writes its line to.
const WordFD = 3

// mostWord bounds the line, in bytes.
const mostWord = 4096

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
	var theirs, ours *os.File
	if s.Word {
		var err error
		if ours, theirs, err = os.Pipe(); err != nil {
			return nil, fmt.Errorf("run %s: %w", s.Argv[0], err)
		}
		cmd.ExtraFiles = []*os.File{theirs}
		c.word = make(chan string, 1)
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
			// Wait closes the pipes, so the process's end is awaited without it first.
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

// listen reads the child's word, if it may have one. The function it returns is called once the child has ended; by
// then, what it said has been read.
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
		line, err := bufio.NewReader(io.LimitReader(ours, mostWord)).ReadString('\n')
		if err == nil {
			c.word <- strings.TrimSuffix(line, "\n")
		}
		close(c.word)
	}()
	return func() {
		_ = ours.SetReadDeadline(time.Now().Add(pipeGrace)) // something that it started may hold its end
		<-read
	}
}

// Word gives the line that a child with Spec.Word wrote; it is closed after that, and when the child said nothing and
// cannot any more. What a child said before it ended can be had before Done is closed. nil without Spec.Word.
func (c *Child) Word() <-chan string { return c.word }

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
