package host

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// stat is the part of /proc/PID/stat that we use.
type stat struct {
	state         byte
	parent, group int
	start         uint64
	exit          int // wait status of a zombie; 0 also where the kernel does not let us see it
}

// Fields of /proc/PID/stat, counted from 0 behind the closing parenthesis of the name.
const (
	fieldState  = 0
	fieldParent = 1
	fieldGroup  = 2
	fieldStart  = 19
	fieldExit   = 49
)

// Identify returns the process that has a pid now; ErrGone if none has. A zombie still has its pid.
func Identify(pid int) (Process, error) {
	s, err := readStat(pid)
	if err != nil {
		return Process{}, err
	}
	return Process{PID: pid, Start: s.start}, nil
}

// Alive reports whether the very process still runs; a zombie does not.
func (p Process) Alive() bool {
	fd, err := p.open()
	if err != nil {
		return false
	}
	defer unix.Close(fd) //nolint:errcheck // a descriptor that was only read
	return !readable(fd)
}

// Signal sends a signal to the very process, never to a later owner of its pid; ErrGone if it has ended.
func (p Process) Signal(sig syscall.Signal) error {
	fd, err := p.open()
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // a descriptor that was only used to send
	switch err := unix.PidfdSendSignal(fd, sig, nil, 0); {
	case errors.Is(err, unix.ESRCH):
		return ErrGone
	case err != nil:
		return fmt.Errorf("signal %s: %w", p, err)
	}
	return nil
}

// open returns a descriptor that stands for the very process. The start time is compared after the descriptor is
// open: from then on it cannot come to mean another process.
func (p Process) open() (int, error) {
	if p.PID <= 0 {
		return -1, ErrGone
	}
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) { // EINVAL: the pid is a mere thread by now
		return -1, ErrGone
	}
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", p, err)
	}
	now, err := Identify(p.PID)
	if err == nil && now != p {
		err = ErrGone
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// readable reports whether a pidfd says that its process has ended.
func readable(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // descriptors are small
	for {
		n, err := unix.Poll(fds, 0)
		if !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}

// readStat reads /proc/PID/stat; ErrGone if there is no such process.
func readStat(pid int) (stat, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return stat{}, ErrGone
	}
	if err != nil {
		return stat{}, fmt.Errorf("read state of process %d: %w", pid, err)
	}
	s, ok := parseStat(b)
	if !ok {
		return stat{}, fmt.Errorf("read state of process %d: unknown format", pid)
	}
	mark, err := bootMark()
	if err != nil {
		return stat{}, err
	}
	s.start |= mark << bootShift
	return s, nil
}

// bootShift leaves 300 years of clock ticks (100 a second) below the mark of the boot. Both together fit into 53 bits: a
// number that programs read from JSON without loss.
const bootShift = 40

// boot is the mark of this boot, once it is known.
var boot atomic.Pointer[uint64]

// bootMark tells this boot from others: after a reboot the same pid may well have the same number of ticks. Where there is
// no boot id to be had there is no mark; that it cannot be read just now is no such thing.
func bootMark() (uint64, error) {
	if known := boot.Load(); known != nil {
		return *known, nil
	}
	id, err := BootID()
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return 0, err
	}
	mark := uint64(0)
	if err == nil {
		mark = markOfBoot(id)
	}
	boot.Store(&mark)
	return mark, nil
}

func markOfBoot(id string) uint64 {
	h := fnv.New32a()
	_, _ = io.WriteString(h, id)
	return uint64(h.Sum32() >> 20)
}

// parseStat takes a line of /proc/PID/stat apart. The name in it may hold spaces and parentheses.
func parseStat(b []byte) (s stat, ok bool) {
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return stat{}, false
	}
	f := bytes.Fields(b[end+1:])
	if len(f) <= fieldExit || len(f[fieldState]) != 1 {
		return stat{}, false
	}
	num := func(i int) int {
		n, err := strconv.Atoi(string(f[i]))
		ok = ok && err == nil
		return n
	}
	ok = true
	s = stat{state: f[fieldState][0], parent: num(fieldParent), group: num(fieldGroup), exit: num(fieldExit)}
	start, err := strconv.ParseUint(string(f[fieldStart]), 10, 64)
	s.start = start
	return s, ok && err == nil
}

// processes is one pass over everything that runs.
func processes() ([]entry, error) {
	pids, err := pids()
	if err != nil {
		return nil, err
	}
	out := make([]entry, 0, len(pids))
	for _, pid := range pids {
		s, err := readStat(pid)
		if err != nil {
			continue // ended while we looked
		}
		out = append(out, entry{Process: Process{PID: pid, Start: s.start}, parent: s.parent, group: s.group})
	}
	return out, nil
}

func pids() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer dir.Close() //nolint:errcheck // read only
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	out := make([]int, 0, len(names))
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			out = append(out, pid)
		}
	}
	return out, nil
}

// Marked returns the processes of our own user whose environment, as it was at their start, has NAME=VALUE. What
// cannot be read is passed over, and a program that overwrote its environment is not found. The mark must be one
// that no other fleet can have, such as an absolute path: whoever carries it may be ended for it.
func Marked(name, value string) ([]Process, error) {
	pids, err := pids()
	if err != nil {
		return nil, err
	}
	mark, uid := []byte(name+"="+value), os.Geteuid()
	var out []Process
	for _, pid := range pids {
		if !ownedBy(pid, uid) || !hasMark(pid, mark) {
			continue // nearly all are passed over here, by one look
		}
		p, err := Identify(pid)
		if err != nil || !hasMark(pid, mark) {
			continue
		}
		// Identified before and after: the environment that was read is this process's.
		if again, err := Identify(pid); err == nil && again == p {
			out = append(out, p)
		}
	}
	return out, nil
}

func ownedBy(pid, uid int) bool {
	var st unix.Stat_t
	return unix.Stat("/proc/"+strconv.Itoa(pid), &st) == nil && int(st.Uid) == uid
}

func hasMark(pid int, mark []byte) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil || !bytes.Contains(env, mark) {
		return false
	}
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.Equal(kv, mark) {
			return true
		}
	}
	return false
}
