package tmux

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// zombie is SZOMB of <sys/proc.h>.
const zombie = 5

// socketPeer returns the process at the other end of a connected socket.
func socketPeer(fd int) (int, error) {
	pid, err := unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID)
	if err != nil {
		return 0, fmt.Errorf("ask for the peer of a socket: %w", err)
	}
	return pid, nil
}

// processStart returns a mark that differs for every process with this id. alive is false for zombies, too.
func processStart(pid int) (mark string, alive bool) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(k.Proc.P_pid) != pid {
		return "", false
	}
	t := k.Proc.P_starttime
	return fmt.Sprintf("%d.%d", t.Sec, t.Usec), k.Proc.P_stat != zombie
}

// processWords returns the arguments of a process, each followed by a NUL byte, among other data; nil if it is gone.
func processWords(pid int) []byte {
	b, err := unix.SysctlRaw("kern.procargs2", pid)
	if err != nil {
		return nil
	}
	return b
}

// executable returns "": this system has no such path, so a server of an older version cannot be used after an
// upgrade.
func executable(int) string { return "" }
