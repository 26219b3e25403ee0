package mail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"muster/internal/event"
	"muster/internal/lock"
	"muster/internal/regular"
	"muster/internal/replace"

	"golang.org/x/sys/unix"
)

var (
	// ErrReplaced is returned to a waiter when a newer one serves the agent.
	ErrReplaced = errors.New("another waiter serves this agent")
	// ErrParentGone is returned to a waiter when the agent that started it is dead.
	ErrParentGone = errors.New("the parent process is gone")
)

// Ring wakes the listener. It never blocks. It returns nil if there is no listener, because a listener reads the inbox
// before it sleeps.
func (b Box) Ring() error {
	err := b.ring(b.bell())
	if isMissing(err) {
		return nil // the agent's side removed it, so nothing listens
	}
	if err != nil {
		return fmt.Errorf("ring: %w", err)
	}
	return nil
}

// ring rings a pipe in the directory of the agent's side, and none elsewhere.
func (b Box) ring(name string) error {
	return within(b.rw(), func(root *os.Root) error {
		f, err := root.OpenFile(name, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if errors.Is(err, unix.ENXIO) {
			return nil // there is no listener
		}
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // the byte is in it or not
		if st, err := f.Stat(); err != nil || st.Mode().Type() != fs.ModeNamedPipe {
			return &fs.PathError{Op: "open", Path: name, Err: errors.Join(err, errNoPipe)}
		}
		raw, err := f.SyscallConn()
		if err != nil {
			return err
		}
		// os.File.Write would wait for a listener that reads.
		failed := raw.Control(func(fd uintptr) { err = strike(int(fd)) })
		return errors.Join(failed, err)
	})
}

// errNoPipe is the error of a file that takes the place of a pipe.
var errNoPipe = errors.New("not a named pipe")

func ring(path string) error {
	f, err := openFIFO(path, unix.O_WRONLY)
	if errors.Is(err, unix.ENXIO) {
		return nil // there is no listener
	}
	if err != nil {
		return err
	}
	defer unix.Close(f) //nolint:errcheck // the byte is in it or not
	if err := strike(f); err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

// strike writes one byte to a pipe.
func strike(fd int) error {
	_, err := unix.Write(fd, []byte{'!'})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EPIPE) {
		return nil // a full pipe wakes the listener, too, and a listener may end at any moment
	}
	return err
}

// openFIFO opens a named pipe and nothing else, without blocking.
func openFIFO(path string, mode int) (int, error) {
	fd, err := unix.Open(path, mode|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		unix.Close(fd) //nolint:errcheck // only opened
		return -1, &os.PathError{Op: "open", Path: path, Err: errNoPipe}
	}
	return fd, nil
}

// Waiter makes this process the one that waits for mail. If newest is set it takes over: an older waiter is woken and its
// Listen returns ErrReplaced. Otherwise a living older waiter stays, and Waiter returns ErrReplaced. The process is no
// longer the waiter after release or its death. Two waiters that overlap for a moment do no harm, because only one of them
// can Take a message.
func (b Box) Waiter(newest bool) (release func(), err error) {
	// Waiters share the lock, which shows whether any of them lives. Without it there may be a second waiter for this agent;
	// blocking here could leave the agent without any.
	held, err := lock.Share(filepath.Join(b.gen().RW(), "waiter.lock"), !newest)
	if errors.Is(err, lock.ErrHeld) {
		return nil, ErrReplaced
	}
	if err != nil {
		return nil, fmt.Errorf("become waiter: %w", err)
	}
	release = sync.OnceFunc(func() {
		_ = os.Remove(b.turn(os.Getpid())) // a left-over is removed by the next waiter
		_ = held.Close()                   // the lock goes with the descriptor
	})
	pid := os.Getpid()
	if err := makeFIFO(b.turn(pid)); err != nil {
		release()
		return nil, fmt.Errorf("become waiter: %w", err)
	}
	if err := replace.Quick(b.token(), []byte(strconv.Itoa(pid))); err != nil {
		release()
		return nil, fmt.Errorf("become waiter: %w", err)
	}
	b.tellOthers(pid)
	return release, nil
}

// tellOthers wakes all other waiters, each by its own pipe: a common pipe would be emptied by the first one that wakes,
// and the others would not wake.
func (b Box) tellOthers(pid int) {
	pipes, _ := filepath.Glob(b.turnPrefix() + "*") // its only error is a bad pattern
	for _, path := range pipes {
		other, err := strconv.Atoi(strings.TrimPrefix(path, b.turnPrefix()))
		if err != nil || other == pid {
			continue
		}
		if isGone(other) {
			_ = os.Remove(path) // left by a killed waiter; a process that gets this id again makes a new one
			continue
		}
		_ = ring(path) // it may have ended, and it reads the token before it sleeps
	}
}

// turn returns the path of the pipe that tells the waiter with this process id that it was replaced.
func (b Box) turn(pid int) string { return b.turnPrefix() + strconv.Itoa(pid) }
func (b Box) turnPrefix() string  { return filepath.Join(b.gen().RW(), "waiter.turn.") }

// token returns the path of the file that names the newest waiter.
func (b Box) token() string { return filepath.Join(b.gen().RW(), "waiter") }

// isReplaced reports whether another process became waiter after this one.
func (b Box) isReplaced() bool {
	raw, err := regular.Read(b.token(), maxFile)
	return err == nil && strings.TrimSpace(string(raw)) != strconv.Itoa(os.Getpid())
}

// Listen blocks until the bell rings, a message waits, or ctx is done; then it returns ctx's error. It may return although
// no message waits, so the caller looks and listens again. No message is missed, whenever it was put. Only the process that
// called Waiter may call Listen; if another one called Waiter later, Listen returns ErrReplaced.
func (b Box) Listen(ctx context.Context) error { return b.ListenWhile(ctx, 0) }

// ListenWhile is Listen, but returns ErrParentGone when the process parent dies; 0 watches no process. A parent of 1 counts
// as dead, because the caller was handed over to init. It does not return for messages in past alone, which the caller
// has seen and does not take.
func (b Box) ListenWhile(ctx context.Context, parent int, past ...event.MessageID) error {
	p, err := openPipe(b.rw(b.bell()))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer p.close()
	turn, err := openPipe(b.turn(os.Getpid()))
	if err == nil {
		defer turn.close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("listen: %w", err)
	}
	if parent == 1 || parent > 0 && isGone(parent) {
		return ErrParentGone // before a message is taken for a dead agent
	}
	// The bell is open, so later rings are kept. What came earlier shows in the files that are read now.
	if b.isReplaced() {
		return ErrReplaced
	}
	ids, err := b.list()
	if err != nil || slices.ContainsFunc(ids, func(id event.MessageID) bool { return !slices.Contains(past, id) }) {
		return err
	}
	err = wait(ctx, parent, p.r, turn.r)
	// The ring may be meant for the waiter that replaced us, so it stays in the bell.
	if b.isReplaced() {
		return ErrReplaced
	}
	if err != nil {
		return err
	}
	p.drain()
	if b.isReplaced() {
		_ = b.Ring() // we took its ring; if this fails there is no bell to listen to
		return ErrReplaced
	}
	return nil
}

// pipe is a named pipe that is open at both ends, so that what is written stays and no end of file is read.
type pipe struct{ r, w int }

func openPipe(path string) (pipe, error) {
	r, err := openFIFO(path, unix.O_RDONLY)
	if err != nil {
		return pipe{-1, -1}, err
	}
	w, err := openFIFO(path, unix.O_WRONLY)
	if err != nil {
		unix.Close(r) //nolint:errcheck // the first error counts
		return pipe{-1, -1}, err
	}
	return pipe{r, w}, nil
}

func (p pipe) close() {
	unix.Close(p.r) //nolint:errcheck // nothing to lose
	unix.Close(p.w) //nolint:errcheck // nothing to lose
}

// drain reads all rings from the pipe.
func (p pipe) drain() {
	var buf [512]byte
	for {
		n, err := unix.Read(p.r, buf[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n < len(buf) {
			return
		}
	}
}

// wait blocks without polling until one of the descriptors can be read (-1 never can), the parent is dead, or ctx
// is done.
func wait(ctx context.Context, parent int, fds ...int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if ctx.Done() != nil {
		r, w, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		defer r.Close()                                      //nolint:errcheck // nothing was written
		defer w.Close()                                      //nolint:errcheck // again, harmless
		defer context.AfterFunc(ctx, func() { w.Close() })() //nolint:errcheck // its end is the signal
		fds = append(fds, int(r.Fd()))                       //nolint:gosec // descriptors are small
	}
	gone, err := waitAny(fds, parent)
	switch {
	case err != nil:
		return fmt.Errorf("wait: %w", err)
	case gone:
		return ErrParentGone
	}
	return ctx.Err()
}

// isGone reports whether no process has this id.
func isGone(pid int) bool { return errors.Is(unix.Kill(pid, 0), unix.ESRCH) }
