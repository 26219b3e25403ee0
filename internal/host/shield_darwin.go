package host

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrTraced means that another process traces this one and can change what it does.
var ErrTraced = errors.New("another process traces this one")

// Shield keeps other processes of the same user from attaching to this process. The kernel ends a process that is
// traced already.
func Shield() error {
	if err := unix.PtraceDenyAttach(); err != nil {
		return fmt.Errorf("shield the process: %w", err)
	}
	return nil
}
