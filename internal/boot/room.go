package boot

import (
	"fmt"

	"muster/internal/config"
	"muster/internal/home"
	"muster/internal/host"
)

// minFreeInodes is the minimum number of free inodes for the start of an agent: for a small worktree, for the files
// of a generation, and for the agents that run.
const minFreeInodes = 1000

// shortage is the resource that is exhausted.
type shortage string

const (
	shortNothing shortage = ""
	shortMemory  shortage = "memory"
	shortDisk    shortage = "disk"
	shortInodes  shortage = "inodes"
	shortWrite   shortage = "write"
)

// Room measures whether the machine has the resources for one more agent. It remembers the last shortage, so a
// supervisor uses one value for its whole life.
type Room struct {
	home   home.Dir
	limits config.Fleet
	what   shortage
	why    string
}

// Room returns the admission control of this fleet.
func (f Fleet) Room() Room { return Room{home: f.Home, limits: f.Config.Fleet} }

// Short returns why no agent may start now; "" if there is room. The text stays the same during one shortage: each
// change is an event, and a number that changes all night would fill the log.
func (r *Room) Short() string {
	if what, why := r.measure(); what != r.what {
		r.what, r.why = what, why
	}
	return r.why
}

// measure measures memory and disk. A shortage ends only with a tenth more than the minimum; otherwise the answer
// would change back and forth.
func (r *Room) measure() (shortage, string) {
	enough := func(of shortage, least uint64) uint64 {
		if r.what == of {
			least += least / 10
		}
		return least
	}
	least := uint64(max(0, r.limits.MinFreeMemory))
	if mem, err := host.Mem(); err == nil && mem.Available < enough(shortMemory, least) {
		return shortMemory, fmt.Sprintf("only %d MiB of memory are free, and min_free_memory is %d MiB", mem.Available>>20, least>>20)
	}
	d, err := host.DiskAt(string(r.home))
	least = uint64(max(0, r.limits.MinFreeDisk))
	switch {
	case err != nil:
	case d.ReadOnly:
		return shortWrite, fmt.Sprintf("the disk of %s is mounted for reading only", r.home)
	case d.Free < enough(shortDisk, least):
		return shortDisk, fmt.Sprintf("only %d MiB of disk are free at %s, and min_free_disk is %d MiB", d.Free>>20, r.home, least>>20)
	case d.FreeInodes < enough(shortInodes, minFreeInodes):
		return shortInodes, fmt.Sprintf("only %d more files fit on the disk of %s (its inodes are used up), and a task wants %d",
			d.FreeInodes, r.home, minFreeInodes)
	}
	return shortNothing, ""
}
