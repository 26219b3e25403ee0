package mail

import (
	"errors"

	"golang.org/x/sys/unix"
)

// waitAny blocks in kevent(2) until one of the descriptors can be read (-1 never can) or the parent is gone;
// 0 watches no parent.
func waitAny(fds []int, parent int) (gone bool, err error) {
	kq, err := unix.Kqueue()
	if err != nil {
		return false, err
	}
	defer unix.Close(kq) //nolint:errcheck // only waited on
	unix.CloseOnExec(kq)
	var changes []unix.Kevent_t
	for _, fd := range fds {
		if fd >= 0 {
			var c unix.Kevent_t
			unix.SetKevent(&c, fd, unix.EVFILT_READ, unix.EV_ADD)
			changes = append(changes, c)
		}
	}
	if _, err := unix.Kevent(kq, changes, nil, nil); err != nil {
		return false, err
	}
	if parent > 0 {
		var exit unix.Kevent_t
		unix.SetKevent(&exit, parent, unix.EVFILT_PROC, unix.EV_ADD)
		exit.Fflags = unix.NOTE_EXIT
		if _, err := unix.Kevent(kq, []unix.Kevent_t{exit}, nil, nil); err != nil {
			if errors.Is(err, unix.ESRCH) || isGone(parent) {
				return true, nil
			}
			return false, err
		}
	}
	events := make([]unix.Kevent_t, 1)
	for {
		n, err := unix.Kevent(kq, nil, events, nil)
		switch {
		case errors.Is(err, unix.EINTR) || err == nil && n == 0:
			continue
		case err != nil:
			return false, err
		}
		return events[0].Filter == unix.EVFILT_PROC, nil
	}
}
