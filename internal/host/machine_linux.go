package host

import (
	"fmt"
	"math"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	awakeClock = unix.CLOCK_MONOTONIC
	bootClock  = unix.CLOCK_BOOTTIME
)

// BootID returns an id of this boot of the host. It changes with each reboot.
func BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// mostFiles returns the number of open files that the system permits, whatever the hard limit is.
func mostFiles() uint64 { return math.MaxUint64 } // only the hard limit counts

func readOnly(st *unix.Statfs_t) bool { return st.Flags&unix.ST_RDONLY != 0 }
