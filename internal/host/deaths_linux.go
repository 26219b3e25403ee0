package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// poller waits for any number of processes: an epoll of pidfds (Linux 5.3), and an eventfd to wake it.
type poller struct{ epoll, event int }

// wakeKey is the key of the eventfd; watches count from 1.
const wakeKey = 0

func newPoller() (*poller, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	ev, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(ep)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	p := &poller{epoll: ep, event: ev}
	if err := p.ctl(ev, wakeKey); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// ctl adds a descriptor under a key. Events report the key and not the descriptor, because descriptors are reused.
func (p *poller) ctl(fd int, key uint64) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN}
	e.Fd, e.Pad = int32(key&0xffffffff), int32(key>>32) //nolint:gosec // the two halves of a key
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// add watches a process. It returns ErrGone if the process has ended.
func (p *poller) add(proc Process, key uint64) (handle int, err error) {
	fd, err := proc.open()
	if err != nil {
		return -1, err
	}
	if err := p.ctl(fd, key); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (p *poller) remove(_ Process, handle int) {
	_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, handle, nil)
	_ = unix.Close(handle)
}

// wait blocks until a process ended or wake was called, and returns the keys of the ended processes.
func (p *poller) wait() ([]uint64, error) {
	var events [128]unix.EpollEvent
	n, err := unix.EpollWait(p.epoll, events[:], -1)
	if errors.Is(err, unix.EINTR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	var keys []uint64
	for _, e := range events[:n] {
		key := uint64(uint32(e.Pad))<<32 | uint64(uint32(e.Fd)) //nolint:gosec // the two halves of a key
		if key == wakeKey {
			var count [8]byte
			_, _ = unix.Read(p.event, count[:])
			continue
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (p *poller) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(p.event, one[:]) // an error means that a wake is pending
}

func (p *poller) close() {
	_ = unix.Close(p.event)
	_ = unix.Close(p.epoll)
}

// exit returns how a process ended: from /proc while it is a zombie, and from its pidfd after its parent has waited
// for it (Linux 6.15).
func (p *poller) exit(proc Process, pidfd int) (exit, signal int, known bool) {
	if s, err := readStat(proc.PID); err == nil && s.start == proc.Start && s.state == 'Z' && mayAsk(proc.PID, s.exit) {
		return waitStatus(syscall.WaitStatus(s.exit)) //nolint:gosec // a wait status has 16 bits
	}
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if unix.IoctlPidfdInfo(pidfd, &info) == nil && info.Mask&unix.PIDFD_INFO_EXIT != 0 {
		return waitStatus(syscall.WaitStatus(info.Exit_code)) //nolint:gosec // a wait status has 16 bits
	}
	return 0, 0, false
}

// mayAsk reports whether an exit status in /proc is true: the kernel shows 0 to processes without permission. The
// link to the program needs the same permission, and a zombie has no such link.
func mayAsk(pid, status int) bool {
	if status != 0 {
		return true
	}
	_, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return errors.Is(err, unix.ENOENT)
}

func waitStatus(ws syscall.WaitStatus) (exit, signal int, known bool) {
	if ws.Signaled() {
		return -1, int(ws.Signal()), true
	}
	return ws.ExitStatus(), 0, true
}
