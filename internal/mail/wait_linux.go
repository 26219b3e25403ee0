package mail

import (
	"errors"

	"golang.org/x/sys/unix"
)

// waitAny blocks in poll(2) until bell or stop can be read or the parent is dead. stop may be -1, parent 0.
func waitAny(bell, stop, parent int) (woken, error) {
	fds := []unix.PollFd{
		{Fd: int32(bell), Events: unix.POLLIN}, //nolint:gosec // descriptors are small
		{Fd: int32(stop), Events: unix.POLLIN}, //nolint:gosec // a negative one is ignored
		{Fd: -1, Events: unix.POLLIN},
	}
	timeout := -1
	if parent > 0 {
		pidfd, err := unix.PidfdOpen(parent, 0)
		switch {
		case err == nil:
			defer unix.Close(pidfd)  //nolint:errcheck // only waited on
			fds[2].Fd = int32(pidfd) //nolint:gosec // descriptors are small
		case errors.Is(err, unix.ESRCH):
			return wokenByParent, nil
		default:
			timeout = 2000 // ms; no pidfd on this kernel: look now and then
		}
	}
	for {
		n, err := unix.Poll(fds, timeout)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, err
		case fds[0].Revents != 0:
			return wokenByBell, nil
		case fds[2].Revents != 0, n == 0 && isGone(parent):
			return wokenByParent, nil
		case fds[1].Revents != 0:
			return wokenByStop, nil
		}
	}
}
