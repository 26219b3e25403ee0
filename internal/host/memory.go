package host

import "runtime"

// Memory is an amount of memory in bytes.
type Memory struct {
	Total     uint64 // of the host, or of the tightest control group around us
	Available uint64 // can be allocated without swapping
}

// Cores returns the number of processors that this process may use: those of its affinity mask, or fewer if a control
// group limits it.
func Cores() int { return runtime.GOMAXPROCS(0) }
