package run

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// activity returns a number that changes when a process of a group uses CPU time, reads or writes, starts or ends.
func activity(group int) (n uint64, known bool) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, false
	}
	for _, e := range entries {
		pid, err := strconv.ParseUint(e.Name(), 10, 32)
		if err != nil {
			continue
		}
		f := statFields(e.Name())
		if len(f) < 15 || string(f[2]) != strconv.Itoa(group) {
			continue
		}
		n += pid << 20
		for _, ticks := range f[11:15] { // of the process itself and of the children that it has waited for
			n += number(ticks)
		}
		io, err := os.ReadFile(fmt.Sprintf("/proc/%s/io", e.Name()))
		if err != nil {
			continue // unreadable for a set-user-id program; its CPU time still counts
		}
		for line := range bytes.Lines(io) {
			if name, value, ok := bytes.Cut(line, []byte(": ")); ok && (string(name) == "rchar" || string(name) == "wchar") {
				n += number(bytes.TrimSpace(value))
			}
		}
	}
	return n, true
}

// statFields returns the fields of /proc/PID/stat from the state on. Index 2 is the process group.
func statFields(pid string) [][]byte {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return nil
	}
	i := bytes.LastIndexByte(data, ')') // the end of the name, which may contain anything
	if i < 0 {
		return nil
	}
	return bytes.Fields(data[i+1:])
}

func number(b []byte) uint64 {
	n, _ := strconv.ParseUint(string(b), 10, 64)
	return n
}
