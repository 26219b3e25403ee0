package host

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// zombie is SZOMB of <sys/proc.h>.
const zombie = 5

// Identify returns the process that has the pid now, or ErrGone if there is none. A zombie still has its pid.
func Identify(pid int) (Process, error) {
	k, err := kinfo(pid)
	if err != nil {
		return Process{}, err
	}
	return identity(k), nil
}

// Alive reports whether this process still runs. A zombie does not.
func (p Process) Alive() bool {
	k, err := kinfo(p.PID)
	return err == nil && identity(k) == p && k.Proc.P_stat != zombie
}

// CPUTime returns 0: the listing of processes does not say how long they have used a CPU.
func (p Process) CPUTime() time.Duration { return 0 }

// Signal sends a signal to this process. It returns ErrGone if the process has ended. This system has no descriptors
// for processes, so some microseconds pass between the comparison and the signal.
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

// stopped is the state of a stopped process (SSTOP).
const stopped = 4

// Stopped reports whether this process was stopped by a signal, and does nothing until it is continued.
func (p Process) Stopped() bool {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", p.PID)
	return err == nil && identity(k) == p && k.Proc.P_stat == stopped
}

func identity(k *unix.KinfoProc) Process {
	t := k.Proc.P_starttime
	return Process{PID: int(k.Proc.P_pid), Start: uint64(t.Sec)*1e6 + uint64(t.Usec)} //nolint:gosec // after 1970
}

// processes returns all processes.
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

// Marked returns ErrUnsupported, because the environment of another process cannot be read reliably.
func Marked(_, _ string) ([]Process, error) { return nil, ErrUnsupported }

// Holders returns ErrUnsupported, because other processes cannot be inspected without special rights.
func Holders(string) ([]Process, error) { return nil, ErrUnsupported }

// OwnCgroup returns "", because this system has no control groups.
func OwnCgroup() string { return "" }

// CgroupFor returns "", because this system has no control groups.
func CgroupFor(string) string { return "" }

// JoinCgroup does nothing on this system.
func JoinCgroup(string) error { return nil }

// Grouped returns no processes on this system.
func Grouped(string) ([]Process, error) { return nil, nil }

// LeaveCgroup does nothing on this system.
func LeaveCgroup(string) error { return nil }
