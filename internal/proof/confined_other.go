//go:build !linux

package proof

// confined reports whether this process can be within a fence. This system has no way to ask.
func confined() bool { return true }
