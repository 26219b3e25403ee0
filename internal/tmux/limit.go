package tmux

import "syscall"

// raiseDescriptorLimit raises the limit of open files for the server that is about to start: it needs one descriptor
// per pane, and without a free one its clients hang. Go passes the limit to children only if it was set explicitly.
// The limit is moderate, because every agent inherits it and some programs iterate over all descriptors.
func raiseDescriptorLimit() {
	var have syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &have) != nil {
		return
	}
	for _, want := range []uint64{65536, 10240, 4096} { // the kernel of macOS refuses more than 10240
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: min(want, have.Max), Max: have.Max}) == nil {
			return
		}
	}
}
