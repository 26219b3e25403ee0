package check

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reopen opens the controlling terminal again, for non-blocking writes. Nothing else can be reopened.
func reopen(f *os.File) (*os.File, error) {
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TIOCGETA); err != nil {
		return nil, errors.New("not a terminal")
	}
	return os.OpenFile("/dev/tty", os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
}
