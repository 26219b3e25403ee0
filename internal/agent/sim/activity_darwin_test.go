package sim

import "testing"

// activity returns the processor time of a process, to a hundredth of a second.
func activity(t *testing.T, pid int) string {
	t.Helper()
	return ps(t, pid, "time")
}
