package tmux

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// zombie is SZOMB of <sys/proc.h>.
const zombie = 5

// socketPeer is the process that listens at the other end of a connected socket.
func socketPeer(fd int) (int, error) {
	pid, err := unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID)
	if err != nil {
		return 0, fmt.Errorf("ask for the peer of a socket: %w", err)
	}
	return pid, nil
}

// processStart is a mark that no other process with this id has; alive is false for zombies, too.
func processStart(pid int) (mark string, alive bool) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(k.Proc.P_pid) != pid {
		return "", false
	}
	t := k.Proc.P_starttime
	return fmt.Sprintf("%d.%d", t.Sec, t.Usec), k.Proc.P_stat != zombie
}

// processWords are the words of a process's command line, each ended by a NUL byte, among what else the kernel shows
// of it; nil if it is gone.
func processWords(pid int) []byte {
	b, err := unix.SysctlRaw("kern.procargs2", pid)
	if err != nil {
		return nil
	}
	return b
}

// executable has no counterpart here: a server that was upgraded under us cannot be spoken to.
func executable(int) string { return "" }
