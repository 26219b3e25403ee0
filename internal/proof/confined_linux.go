package proof

import "golang.org/x/sys/unix"

// confined reports whether this process can be within a fence: entering one takes the right to gain privileges from the
// process and from all that it starts, and another process cannot do that to it.
func confined() bool {
	set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	return err == nil && set == 1
}
