package host

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// zombie is SZOMB of <sys/proc.h>.
const zombie = 5

// Identify returns the process that has a pid now; ErrGone if none has. A zombie still has its pid.
func Identify(pid int) (Process, error) {
	k, err := kinfo(pid)
	if err != nil {
		return Process{}, err
	}
	return identity(k), nil
}

// Alive reports whether the very process still runs; a zombie does not.
func (p Process) Alive() bool {
	k, err := kinfo(p.PID)
	return err == nil && identity(k) == p && k.Proc.P_stat != zombie
}

// Signal sends a signal to the very process; ErrGone if it has ended. There is no descriptor for a process here:
// between the comparison and the signal lie some microseconds.
func (p Process) Signal(sig syscall.Signal) error {
	now, err := Identify(p.PID)
	if err != nil {
		return err
	}
	if now != p {
		return ErrGone
	}
	switch err := unix.Kill(p.PID, sig); {
	case errors.Is(err, unix.ESRCH):
		return ErrGone
	case err != nil:
		return fmt.Errorf("signal %s: %w", p, err)
	}
	return nil
}

func kinfo(pid int) (*unix.KinfoProc, error) {
	if pid <= 0 {
		return nil, ErrGone
	}
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.ESRCH) { // an empty answer: no such process
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read state of process %d: %w", pid, err)
	}
	return k, nil
}

func identity(k *unix.KinfoProc) Process {
	t := k.Proc.P_starttime
	return Process{PID: int(k.Proc.P_pid), Start: uint64(t.Sec)*1e6 + uint64(t.Usec)} //nolint:gosec // after 1970
}

// processes is one pass over everything that runs.
func processes() ([]entry, error) {
	all, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	out := make([]entry, 0, len(all))
	for i := range all {
		k := &all[i]
		out = append(out, entry{
			Process: identity(k), parent: int(k.Eproc.Ppid), group: int(k.Eproc.Pgid),
		})
	}
	return out, nil
}

// Marked cannot be told here: the environment of another process is not shown reliably.
func Marked(_, _ string) ([]Process, error) { return nil, ErrUnsupported }

// Holders cannot be told here without the right to look into other processes.
func Holders(string) ([]Process, error) { return nil, ErrUnsupported }

// OwnCgroup is "": there are no control groups here.
func OwnCgroup() string { return "" }

// CgroupFor is "" for the same reason.
func CgroupFor(string) string { return "" }

// JoinCgroup does nothing here.
func JoinCgroup(string) error { return nil }

// Grouped finds nothing here.
func Grouped(string) ([]Process, error) { return nil, nil }

// LeaveCgroup does nothing here.
func LeaveCgroup(string) error { return nil }
