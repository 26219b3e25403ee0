package host

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Peer returns the pid of the process at the other end of a Unix socket, as the kernel noted it: for the side that
// connected, it is the process that called listen.
func Peer(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("peer of a socket: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return 0, fmt.Errorf("peer of a socket: %w", err)
	}
	if credErr != nil {
		return 0, fmt.Errorf("peer of a socket: %w", credErr)
	}
	return int(cred.Pid), nil
}
