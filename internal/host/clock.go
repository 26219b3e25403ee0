package host

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clocks is one reading of the clocks whose difference tells sleep from time. Two readings compare only within one
// boot (see BootID).
type Clocks struct {
	Wall time.Time     // without a monotonic part
	Mono time.Duration // stands still while the host sleeps
	Boot time.Duration // goes on while the host sleeps
}

// Now reads the clocks.
func Now() Clocks {
	return Clocks{Wall: time.Now().Round(0), Mono: clock(awakeClock), Boot: clock(bootClock)}
}

// Slept is how long the host slept between c and the later reading.
func (c Clocks) Slept(later Clocks) time.Duration {
	return max(0, (later.Boot-c.Boot)-(later.Mono-c.Mono))
}

// Jumped is by how much the wall clock was set between c and the later reading: negative if set back. It also
// shows a virtual machine that was frozen, for which no clock but the wall's goes on.
func (c Clocks) Jumped(later Clocks) time.Duration {
	return later.Wall.Round(0).Sub(c.Wall.Round(0)) - (later.Boot - c.Boot)
}

// clock reads one of the kernel's clocks; they cannot fail for an id that exists.
func clock(id int32) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
