package host

import "runtime"

// Memory is what can be used, in bytes.
type Memory struct {
	Total     uint64 // of the host, or of the tightest control group around us
	Available uint64 // can be allocated without swapping
}

// Cores is how many processors we may keep busy: those of our affinity mask, fewer where a control group limits us.
func Cores() int { return runtime.GOMAXPROCS(0) }
