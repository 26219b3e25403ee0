package config

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpuOf returns the processor time that fn takes. Unlike its time by the clock it hardly depends on what else runs.
func cpuOf(t *testing.T, fn func()) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	fn()
	return used() - before
}
