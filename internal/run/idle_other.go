//go:build !linux

package run

// activity is unknown on this system.
func activity(int) (n uint64, known bool) { return 0, false }
