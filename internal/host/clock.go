package host

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clocks is one reading of the host's clocks. Boot advances while the host sleeps and Mono does not, so the growth of
// their difference is the time slept. Readings of different boots (see BootID) can't be compared.
type Clocks struct {
	Wall time.Time     // without a monotonic part
	Mono time.Duration // excludes sleep
	Boot time.Duration // includes sleep
}

// Now reads the clocks.
func Now() Clocks {
	return Clocks{Wall: time.Now().Round(0), Mono: clock(awakeClock), Boot: clock(bootClock)}
}

// clock reads one of the kernel's clocks; they cannot fail for an id that exists.
func clock(id int32) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
