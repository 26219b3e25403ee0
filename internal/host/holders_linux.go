package host

import (
	"bytes"
	"os"
	"strconv"
)

// Holders gives the processes of our own user that have a file open for reading and writing, by its absolute path.
// Whoever only reads it, as one does who looks at a lock, is no holder. A descriptor that was handed down is kept by
// what leaves its session and clears its environment; what closes all descriptors is not found.
func Holders(path string) ([]Process, error) {
	pids, err := pids()
	if err != nil {
		return nil, err
	}
	uid := os.Geteuid()
	var out []Process
	for _, pid := range pids {
		p, err := Identify(pid)
		if err != nil || !ownedBy(pid, uid) || !holds(pid, path) {
			continue
		}
		// Identified before and after: the descriptors that were read are this process's.
		if again, err := Identify(pid); err == nil && again == p {
			out = append(out, p)
		}
	}
	return out, nil
}

// holds tells whether a process has the file open for reading and writing.
func holds(pid int, path string) bool {
	dir := "/proc/" + strconv.Itoa(pid)
	fds, err := os.Open(dir + "/fd")
	if err != nil {
		return false
	}
	defer fds.Close() //nolint:errcheck // read only
	names, err := fds.Readdirnames(-1)
	if err != nil {
		return false
	}
	for _, n := range names {
		if target, err := os.Readlink(dir + "/fd/" + n); err == nil && target == path && forWriting(dir+"/fdinfo/"+n) {
			return true
		}
	}
	return false
}

// forWriting reads the access mode of a descriptor: the last octal digit of its flags, of which 2 is both ways.
func forWriting(info string) bool {
	b, err := os.ReadFile(info)
	if err != nil {
		return false
	}
	for line := range bytes.Lines(b) {
		if flags, ok := bytes.CutPrefix(line, []byte("flags:")); ok {
			n, err := strconv.ParseUint(string(bytes.TrimSpace(flags)), 8, 64)
			return err == nil && n&3 == uint64(os.O_RDWR)
		}
	}
	return false
}
