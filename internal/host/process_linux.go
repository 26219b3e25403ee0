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
	"time"

	"golang.org/x/sys/unix"
)

// stat is the part of /proc/PID/stat that we use.
type stat struct {
	state         byte
	parent, group int
	start         uint64
	ticks         uint64 // CPU time, with that of the children that were waited for
	exit          int    // wait status of a zombie; also 0 without permission to read it
}

// Fields of /proc/PID/stat, counted from 0 after the closing parenthesis of the name.
const (
	fieldState  = 0
	fieldParent = 1
	fieldGroup  = 2
	fieldUser   = 11 // and the next three: system, and both of the children
	fieldStart  = 19
	fieldExit   = 49
)

// Identify returns the process that has the pid now, or ErrGone if there is none. A zombie still has its pid.
func Identify(pid int) (Process, error) {
	s, err := readStat(pid)
	if err != nil {
		return Process{}, err
	}
	return Process{PID: pid, Start: s.start}, nil
}

// Alive reports whether this process still runs. A zombie does not.
func (p Process) Alive() bool {
	fd, err := p.open()
	if err != nil {
		return false
	}
	defer unix.Close(fd) //nolint:errcheck // a descriptor that was only read
	return !readable(fd)
}

// Stopped reports whether this process was stopped by a signal or a tracer, and does nothing until it is continued.
func (p Process) Stopped() bool {
	s, err := readStat(p.PID)
	return err == nil && s.start == p.Start && (s.state == 'T' || s.state == 't')
}

// tick is the unit of CPU times in /proc, on every architecture that Go supports.
const tick = 10 * time.Millisecond

// CPUTime returns how long this process, and the children that it has waited for, have used a CPU. It is 0 if the
// process is gone or the system does not say.
func (p Process) CPUTime() time.Duration {
	s, err := readStat(p.PID)
	if err != nil || s.start != p.Start {
		return 0
	}
	return time.Duration(s.ticks) * tick //nolint:gosec // centuries
}

// Signal sends a signal to this process and never to a later one with its pid. It returns ErrGone if the process has
// ended.
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

// open returns a descriptor of this process. The start time is compared after the descriptor is open, because then
// the descriptor cannot refer to another process.
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

// readable reports whether the process of a pidfd has ended.
func readable(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // descriptors are small
	for {
		n, err := unix.Poll(fds, 0)
		if !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}

// readStat reads /proc/PID/stat. It returns ErrGone if the process does not exist.
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

// bootShift leaves room for 300 years of clock ticks (100 per second) below the mark of the boot. Both together have
// 53 bits, which JSON numbers represent exactly.
const bootShift = 40

// boot is the mark of this boot, if it is known.
var boot atomic.Pointer[uint64]

// bootMark returns a mark that differs between boots: after a reboot the same pid may have the same number of ticks.
// If the system has no boot id, the mark is 0; a temporary error is returned.
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

// parseStat parses a line of /proc/PID/stat. The name in it may contain spaces and parentheses.
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
	for i := range 4 {
		s.ticks += uint64(max(0, num(fieldUser+i))) //nolint:gosec // never negative
	}
	return s, ok && err == nil
}

// processes returns all processes.
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

// Marked returns the processes of this user whose initial environment contains NAME=VALUE. Unreadable processes are
// skipped, and a program that overwrote its environment is not found. The value must be unique to one fleet, such as
// an absolute path, because every process that has it may be ended.
func Marked(name, value string) ([]Process, error) {
	pids, err := pids()
	if err != nil {
		return nil, err
	}
	mark, uid := []byte(name+"="+value), os.Geteuid()
	var out []Process
	for _, pid := range pids {
		if !ownedBy(pid, uid) || !hasMark(pid, mark) {
			continue // nearly all processes are skipped here
		}
		p, err := Identify(pid)
		if err != nil || !hasMark(pid, mark) {
			continue
		}
		// The identity is read before and after: the environment belongs to this process.
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
