package host

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// ErrGone says that a process has ended, or that its pid belongs to another one by now.
var ErrGone = errors.New("process is gone")

// ErrUnsupported says that this operating system cannot tell.
var ErrUnsupported = errors.New("not supported on this system")

// Process is one process for ever: a pid alone is used again after a while, a pid with its start time is not, not even
// after a reboot.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // Linux: clock ticks since boot, and which boot; macOS: microseconds since 1970. Compare, never compute.
}

// String names the process for messages.
func (p Process) String() string { return fmt.Sprintf("process %d", p.PID) }

// entry is what one pass over all processes learns of each.
type entry struct {
	Process
	parent, group int
}

// Tree returns all descendants of the pids as they are now, by parent links, in one pass over the processes; the
// pids themselves are not among them. A child whose parent ended before belongs to pid 1 and is not found: note
// the tree before ending its root.
func Tree(pids ...int) ([]Process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	return descendants(all, pids), nil
}

// Group returns the processes that are in a process group now; zombies count.
func Group(pgid int) ([]Process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	var out []Process
	for _, e := range all {
		if e.group == pgid {
			out = append(out, e.Process)
		}
	}
	return out, nil
}

// descendants follows parent links down from the roots, without them.
func descendants(all []entry, roots []int) []Process {
	children := map[int][]Process{}
	for _, e := range all {
		children[e.parent] = append(children[e.parent], e.Process)
	}
	seen := map[int]bool{}
	for _, pid := range roots {
		seen[pid] = true
	}
	var out []Process
	for next := slices.Clone(roots); len(next) > 0; {
		pid := next[0]
		next = next[1:]
		for _, c := range children[pid] {
			if !seen[c.PID] {
				seen[c.PID] = true
				out = append(out, c)
				next = append(next, c.PID)
			}
		}
	}
	return out
}

// untouchable are the pids that are never signalled: the first process, ourselves and whatever started us.
func untouchable(all []entry) map[int]bool {
	parent := map[int]int{}
	for _, e := range all {
		parent[e.PID] = e.parent
	}
	never := map[int]bool{0: true, 1: true}
	for pid := os.Getpid(); !never[pid]; pid = parent[pid] {
		never[pid] = true
	}
	return never
}
