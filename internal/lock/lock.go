package lock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"muster/internal/fault"
	"muster/internal/host"
	"muster/internal/regular"
)

// ErrHeld says that what was to be started runs already.
var ErrHeld = errors.New("lock is held by a living process")

// takeLimit is how long a lock is tried for: whoever asks with Held has it for some microseconds.
const (
	takeLimit = 300 * time.Millisecond
	takeStep  = 5 * time.Millisecond
)

// inheritedFrom is the lowest descriptor under which a lock is handed on by exec. Scripts use 3 to 9 and 200 to
// 255 for themselves, and would close it.
const inheritedFrom = 400

// Held reports whether anything holds a lock: the agent, or whatever it left behind. It does not disturb a holder,
// and no launch fails because of it. A lock file that does not exist is not held.
func Held(lock string) (bool, error) {
	f, err := regular.Open(lock)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at lock: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	ok, err := flock(f, unix.LOCK_SH)
	if err != nil {
		return false, err
	}
	if ok {
		// Not left to Close: a child that is being forked may have the descriptor for a moment.
		_, err = flock(f, unix.LOCK_UN)
	}
	return !ok, err
}

// Holder gives the process that took a lock, if it holds it still. A lock may be held with no holder: by what a
// dead agent left behind.
func Holder(lock string) (pid int, ok bool) {
	if held, err := Held(lock); err != nil || !held {
		return 0, false
	}
	f, err := regular.Open(lock)
	if err != nil {
		return 0, false
	}
	defer f.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return 0, false
	}
	num, start, _ := bytes.Cut(bytes.TrimSpace(b), []byte{' '})
	p := host.Process{}
	if p.PID, err = strconv.Atoi(string(num)); err != nil {
		return 0, false
	}
	if p.Start, err = strconv.ParseUint(string(start), 10, 64); err != nil {
		return 0, false
	}
	return p.PID, p.Alive()
}

// Take takes a lock for this process and writes who it is into the file; ErrHeld if somebody else has it. The
// file is never removed. Closing it gives the lock back.
func Take(path string) (*os.File, error) {
	for deadline := time.Now().Add(takeLimit); ; {
		f, err := Try(path)
		if err == nil {
			if err := sign(f); err != nil {
				_ = f.Close()
				return nil, err
			}
			return f, nil
		}
		if !errors.Is(err, ErrHeld) || time.Now().After(deadline) {
			return nil, err
		}
		<-time.After(takeStep)
	}
}

// Try takes a lock if it is free this moment.
func Try(path string) (*os.File, error) {
	f, err := regular.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	ok, err := flock(f, unix.LOCK_EX)
	if err == nil && !ok {
		err = fault.Wrap(fault.Conflict, ErrHeld, "%s", path)
	}
	if err == nil {
		err = same(f, path)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// Wait takes a lock, and waits for it until ctx ends.
func Wait(ctx context.Context, path string) (*os.File, error) {
	step := time.NewTicker(takeStep)
	defer step.Stop()
	for {
		f, err := Try(path)
		if err == nil || !errors.Is(err, ErrHeld) {
			return f, err
		}
		select {
		case <-step.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// same makes sure that the locked file is the one that others will find: a state directory that was removed and
// made anew meanwhile would give two holders.
func same(f *os.File, path string) error {
	mine, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at lock: %w", err)
	}
	theirs, err := os.Stat(path)
	if err != nil || !os.SameFile(mine, theirs) {
		return fault.Wrap(fault.Conflict, ErrHeld, "%s was replaced while it was taken", path)
	}
	return nil
}

// sign writes pid and start time into a lock that we hold.
func sign(f *os.File) error {
	me, err := host.Identify(os.Getpid())
	if err != nil {
		return fmt.Errorf("sign lock: %w", err)
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("sign lock: %w", err)
	}
	if _, err := f.WriteAt(fmt.Appendf(nil, "%d %d\n", me.PID, me.Start), 0); err != nil {
		return fmt.Errorf("sign lock: %w", err)
	}
	return nil
}

// flock changes a lock without waiting; false if somebody else's is in the way.
func flock(f *os.File, how int) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}

// Inherit hands a lock on over exec, under a descriptor that programs leave alone where the limits permit one.
func Inherit(f *os.File) error {
	if _, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD, inheritedFrom); err == nil {
		return nil // a duplicate is not closed on exec
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("hand lock on: %w", err)
	}
	return nil
}
