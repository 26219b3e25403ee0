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

// BootID names this boot of the host; it differs after each reboot.
func BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// mostFiles is how many open files the system permits a process whatever its hard limit says.
func mostFiles() uint64 { return math.MaxUint64 } // the hard limit is the word

func readOnly(st *unix.Statfs_t) bool { return st.Flags&unix.ST_RDONLY != 0 }
