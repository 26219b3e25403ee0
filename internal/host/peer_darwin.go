package host

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Peer returns the pid of the process at the other end of a Unix socket, as the kernel noted it.
func Peer(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("peer of a socket: %w", err)
	}
	var pid int
	var pidErr error
	if err := raw.Control(func(fd uintptr) { pid, pidErr = unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID) }); err != nil {
		return 0, fmt.Errorf("peer of a socket: %w", err)
	}
	if pidErr != nil {
		return 0, fmt.Errorf("peer of a socket: %w", pidErr)
	}
	return pid, nil
}
