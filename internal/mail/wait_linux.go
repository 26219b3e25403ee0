package mail

import (
	"errors"

	"golang.org/x/sys/unix"
)

// waitAny blocks in poll(2) until one of the descriptors can be read (-1 never can) or the parent is gone; 0
// watches no parent.
func waitAny(fds []int, parent int) (gone bool, err error) {
	polled := make([]unix.PollFd, 0, len(fds)+1)
	for _, fd := range fds {
		polled = append(polled, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}) //nolint:gosec // descriptors are small
	}
	timeout := -1
	pidfd := -1
	if parent > 0 {
		pidfd, err = unix.PidfdOpen(parent, 0)
		switch {
		case err == nil:
			defer unix.Close(pidfd) //nolint:errcheck // only waited on
		case errors.Is(err, unix.ESRCH):
			return true, nil
		default:
			pidfd, timeout = -1, 2000 // ms; this kernel has no pidfd: poll
		}
	}
	polled = append(polled, unix.PollFd{Fd: int32(pidfd), Events: unix.POLLIN}) //nolint:gosec // descriptors are small
	for {
		n, err := unix.Poll(polled, timeout)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return false, err
		case n > 0:
			return polled[len(polled)-1].Revents != 0, nil
		case isGone(parent):
			return true, nil
		}
	}
}
