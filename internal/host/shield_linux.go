package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrTraced means that another process traces this one and can change what it does.
var ErrTraced = errors.New("another process traces this one")

// Shield keeps other processes of the same user from tracing this process and from reading or writing its memory. It
// does not affect the programs that this process starts. It returns ErrTraced if it is too late.
func Shield() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("shield the process: %w", err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return fmt.Errorf("shield the process: %w", err)
	}
	for line := range bytes.Lines(status) {
		if tracer, ok := bytes.CutPrefix(line, []byte("TracerPid:")); ok && !bytes.Equal(bytes.TrimSpace(tracer), []byte("0")) {
			return ErrTraced
		}
	}
	return nil
}
