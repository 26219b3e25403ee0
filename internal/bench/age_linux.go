package main

import (
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// age returns how long ago a process was started. The kernel stores the start in hundredths of a second.
func age(pid int) (time.Duration, error) {
	f := stat(pid)
	if len(f) < 20 {
		return 0, fmt.Errorf("no process %d", pid)
	}
	ticks, err := strconv.ParseInt(f[19], 10, 64)
	if err != nil {
		return 0, err
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0, err
	}
	return time.Duration(now.Nano()) - time.Duration(ticks)*10*time.Millisecond, nil
}
