package tmux

import "syscall"

// raiseDescriptorLimit lets the server that we are about to start hold one descriptor per pane: where it
// runs out, its clients hang. Setting it explicitly is what makes Go hand it on to children. The limit stays
// modest, as every agent inherits it and some programs walk all of it.
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
