package fence

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// rootKeeps are the capabilities that programs of root need for files of several users and for children of other users, as
// in a container. Landlock restricts what they do to files. With others, root would read the memory of processes outside.
var rootKeeps = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_SETGID, unix.CAP_SETUID,
	unix.CAP_NET_BIND_SERVICE,
}

// dropCapabilities bounds what the next program of the calling thread may get as root. Other users have no capabilities.
func dropCapabilities() error {
	if os.Geteuid() != 0 {
		return nil
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if slices.Contains(rootKeeps, c) {
			continue
		}
		held, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_CAPBSET_READ, c, 0)
		if errno != 0 || held == 0 {
			continue // this kernel does not know it, or it is gone already
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0); errno != 0 {
			return errors.Join(errors.New("root keeps a capability that reaches out of the fence"), errno)
		}
	}
	return nil
}
