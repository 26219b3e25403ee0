package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// Foreground is a program to which a front end lends its terminal until the program ends. It belongs to the caller's process
// group, so that keys that send signals reach it.
type Foreground struct {
	Context context.Context // a field, because those who lend a terminal call Run without parameters
	Argv    []string
	Env     []string
	// Settle is how long to wait after the program was killed or failed, because its server may still reset the terminal.
	Settle time.Duration

	stdin          io.Reader
	stdout, stderr io.Writer
}

// restoreGrace is how long a program may take to restore its terminal after SIGTERM.
const restoreGrace = 5 * time.Second

// SetStdin sets the standard input.
func (f *Foreground) SetStdin(r io.Reader) { f.stdin = r }

// SetStdout sets the standard output.
func (f *Foreground) SetStdout(w io.Writer) { f.stdout = w }

// SetStderr sets the standard error.
func (f *Foreground) SetStderr(w io.Writer) { f.stderr = w }

// Run runs the program to its end. When the context ends, the program gets SIGTERM, and SIGKILL if it does not obey.
func (f *Foreground) Run() error {
	path, err := LookPath(f.Argv[0], f.Env)
	if err != nil {
		return fmt.Errorf("run %s: %w", f.Argv[0], err)
	}
	cmd := exec.CommandContext(f.Context, path, f.Argv[1:]...)
	cmd.Args[0] = f.Argv[0]
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = f.Env, f.stdin, f.stdout, f.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = restoreGrace
	err = cmd.Run()
	var failed *exec.ExitError
	if errors.As(err, &failed) && f.Settle > 0 && f.Context.Err() == nil {
		select {
		case <-f.Context.Done():
		case <-time.After(f.Settle):
		}
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", f.Argv[0], err)
	}
	return nil
}
