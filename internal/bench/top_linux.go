package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Size of the terminal that muster top is measured in.
const (
	columns = 200
	lines   = 50
)

// top is muster top in a terminal of its own.
type top struct {
	cmd      *exec.Cmd
	terminal *os.File
	said     chan []byte // what it draws; closed at its end
	seen     []byte
}

// top starts muster top.
func (w *world) top(ctx context.Context) (*top, error) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	t := &top{terminal: terminal, said: make(chan []byte, 1000)}
	tty, err := t.other()
	if err != nil {
		return nil, errors.Join(err, terminal.Close())
	}
	defer func() { _ = tty.Close() }() // the program has its own
	t.cmd = exec.CommandContext(ctx, w.b.bin, "top")
	t.cmd.Dir, t.cmd.Env = w.repo, w.env
	t.cmd.Stdin, t.cmd.Stdout, t.cmd.Stderr = tty, tty, tty
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := t.cmd.Start(); err != nil {
		return nil, errors.Join(err, terminal.Close())
	}
	go func() {
		defer close(t.said)
		for {
			b := make([]byte, 64<<10)
			n, err := terminal.Read(b)
			if err != nil { // the program has ended
				return
			}
			t.said <- b[:n]
		}
	}()
	return t, nil
}

// other opens the side of the terminal on which a program is.
func (t *top) other() (*os.File, error) {
	fd := int(t.terminal.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, fmt.Errorf("unlock a terminal: %w", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, fmt.Errorf("name a terminal: %w", err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: lines, Col: columns}); err != nil {
		return nil, fmt.Errorf("set the size of a terminal: %w", err)
	}
	return os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
}

// shows returns when a text was drawn.
func (t *top) shows(ctx context.Context, text string) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for !bytes.Contains(t.seen, []byte(text)) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return fmt.Errorf("it never shows %q", text)
		case b, ok := <-t.said:
			if !ok {
				return fmt.Errorf("it has ended: %q", t.seen)
			}
			t.seen = append(t.seen, b...)
		}
	}
	go func() { // a terminal reads on
		for range t.said { //nolint:revive // what it draws later is not looked at
		}
	}()
	return nil
}

// close ends it.
func (t *top) close() error {
	_ = t.cmd.Process.Signal(syscall.SIGTERM)
	_ = t.cmd.Wait() // it was told to end
	return t.terminal.Close()
}
