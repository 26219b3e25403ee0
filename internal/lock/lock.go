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

// ErrHeld is the error of a lock that another process holds.
var ErrHeld = errors.New("lock is held by a living process")

// takeLimit is how long Take retries. A process that calls Held holds the lock for some microseconds.
const (
	takeLimit = 300 * time.Millisecond
	takeStep  = 5 * time.Millisecond
)

// inheritedFrom is the lowest descriptor of a lock that is inherited over exec. Scripts use the descriptors 3 to 9
// and 200 to 255 themselves and would close it.
const inheritedFrom = 400

// Held reports whether any process holds a lock: the agent, or a process that it left behind. It does not disturb the
// holder, and no launch fails because of it. A lock file that does not exist is not held.
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
		// Unlock explicitly. A concurrently forked child may still hold a copy of the descriptor.
		_, err = flock(f, unix.LOCK_UN)
	}
	return !ok, err
}

// Holder returns the process that took a lock, if it still holds it. A lock may be held without a holder, if a
// process that a dead agent left behind holds it; then ok is false, and pid was the dead one's.
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

// Take takes a lock for this process and writes the process's identity into the file. It returns ErrHeld if another
// process has the lock. The file is never removed. Closing it releases the lock.
func Take(path string) (*os.File, error) {
	f, err := TakeUnsigned(path)
	if err != nil {
		return nil, err
	}
	if err := Sign(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// TakeUnsigned is Take for a lock whose holder does not matter. It writes nothing, so it works on a full disk.
func TakeUnsigned(path string) (*os.File, error) {
	for deadline := time.Now().Add(takeLimit); ; {
		f, err := Try(path)
		if !errors.Is(err, ErrHeld) || time.Now().After(deadline) {
			return f, err
		}
		<-time.After(takeStep)
	}
}

// Try takes a lock if it is free now. It also fails while another process tests the lock with Held.
func Try(path string) (*os.File, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
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

// Wait takes a lock, and waits for it until ctx ends. The error is then the cause of ctx.
func Wait(ctx context.Context, path string) (*os.File, error) {
	for {
		f, err := open(path)
		if err != nil {
			return nil, err
		}
		if err = WaitFor(ctx, f); err == nil {
			err = same(f, path)
		}
		if err == nil {
			return f, nil
		}
		_ = f.Close()
		if !errors.Is(err, ErrHeld) {
			return nil, err
		}
	}
}

// WaitFor takes the lock of an open file, and waits for it until ctx ends. The error is then the cause of ctx.
func WaitFor(ctx context.Context, f *os.File) error {
	step := time.NewTicker(takeStep)
	defer step.Stop()
	for {
		if ok, err := flock(f, unix.LOCK_EX); ok || err != nil {
			return err
		}
		select {
		case <-step.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", f.Name(), context.Cause(ctx))
		}
	}
}

// Share takes a lock that any number of processes hold together. With first it returns ErrHeld if another process
// holds it. If two processes call it at the same moment, the second may continue without the lock, since Share never
// waits.
func Share(path string, first bool) (*os.File, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	if first {
		if ok, err := flock(f, unix.LOCK_EX); err != nil || !ok {
			_ = f.Close()
			return nil, errors.Join(err, fault.Wrap(fault.Conflict, ErrHeld, "%s", path))
		}
	}
	if _, err := flock(f, unix.LOCK_SH); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// AwaitFree blocks until no process holds a lock. It uses no CPU time while it waits, and cannot be interrupted.
func AwaitFree(path string) error {
	f, err := open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // releases it
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_SH); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("wait for %s: %w", path, err)
	}
	return nil
}

// Release releases a lock and closes its file. With Close alone, a duplicate of the descriptor in another process
// would keep the lock.
func Release(f *os.File) {
	_, _ = flock(f, unix.LOCK_UN) // closing does the same if there are no duplicates
	_ = f.Close()
}

// open opens the file of a lock, or creates it.
func open(path string) (*os.File, error) {
	f, err := regular.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	return f, nil
}

// same checks that the locked file is the one that others find at the path. If the state directory was removed and
// created again meanwhile, there would be two holders.
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

// Sign writes pid and start time into a lock that this process holds, for Holder.
func Sign(f *os.File) error {
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

// flock changes a lock without waiting. It returns false if a lock of another process prevents it.
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

// Inherit keeps a lock over exec, under a descriptor that programs do not use if the limits permit one.
func Inherit(f *os.File) error {
	if _, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD, inheritedFrom); err == nil {
		return nil // a duplicate is not closed on exec
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("hand lock on: %w", err)
	}
	return nil
}
