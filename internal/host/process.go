package host

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// ErrGone means that a process has ended or that its pid belongs to another process now.
var ErrGone = errors.New("process is gone")

// ErrUnsupported means that this operating system does not provide the information.
var ErrUnsupported = errors.New("not supported on this system")

// Process identifies a process permanently. A pid alone is reused after a while; a pid with its start time is not,
// not even after a reboot.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // Linux: clock ticks since boot, and which boot; macOS: microseconds since 1970. Only for comparison.
}

// String names the process for messages.
func (p Process) String() string { return fmt.Sprintf("process %d", p.PID) }

// entry is one process in a listing of all processes.
type entry struct {
	Process
	parent, group int
}

// Tree returns the present descendants of the pids, without the pids themselves. It follows parent links. A child
// whose parent ended earlier belongs to pid 1 and is not found, so call Tree before ending the root.
func Tree(pids ...int) ([]Process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	return descendants(all, pids), nil
}

// Group returns the processes in a process group, including zombies.
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

// descendants returns the processes below the roots, by parent links.
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

// untouchable returns the pids that are never signalled: the first process, this process and its ancestors.
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
