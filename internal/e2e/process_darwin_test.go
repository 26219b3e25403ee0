package e2e

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// allProcesses asks ps, which shows the environment of our own processes behind their command lines.
func allProcesses() []process {
	data, _ := exec.Command("ps", "-axwwE", "-o", "pid=,stat=,command=").Output()
	var out []process
	for line := range strings.Lines(string(data)) {
		w := strings.Fields(line)
		if len(w) < 3 || strings.HasPrefix(w[1], "Z") {
			continue
		}
		pid, err := strconv.Atoi(w[0])
		if err != nil {
			continue
		}
		out = append(out, process{pid: pid, argv: w[2:], text: line})
	}
	return out
}

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	state := strings.TrimSpace(string(out))
	return err == nil && state != "" && !strings.HasPrefix(state, "Z")
}

// runs reports whether a process runs and has the word among the first two of its command line.
func runs(pid int, word string) bool {
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil || !alive(pid) {
		return false
	}
	argv := strings.Fields(string(out))
	return slices.ContainsFunc(argv[:min(2, len(argv))], func(a string) bool {
		return a == word || strings.HasSuffix(a, "/"+word)
	})
}
