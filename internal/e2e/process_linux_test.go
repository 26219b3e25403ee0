package e2e

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
)

// allProcesses reads the kernel's list. It omits zombies and processes that end meanwhile.
func allProcesses() []process {
	entries, _ := os.ReadDir("/proc")
	var out []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || !alive(pid) {
			continue
		}
		dir := "/proc/" + e.Name()
		cmdline, _ := os.ReadFile(dir + "/cmdline")
		environ, _ := os.ReadFile(dir + "/environ")
		exe, _ := os.Readlink(dir + "/exe")
		cwd, _ := os.Readlink(dir + "/cwd")
		p := process{pid: pid, argv: strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")}
		p.text = strings.Join([]string{string(cmdline), string(environ), exe, cwd}, "\x00")
		out = append(out, p)
	}
	return out
}

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	i := bytes.LastIndexByte(stat, ')')
	return i > 0 && len(stat) > i+2 && stat[i+2] != 'Z' && stat[i+2] != 'X'
}

// runs reports whether a process runs and has the word among the first two of its command line.
func runs(pid int, word string) bool {
	cmdline, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil || !alive(pid) {
		return false
	}
	argv := strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")
	return slices.ContainsFunc(argv[:min(2, len(argv))], func(a string) bool {
		return a == word || strings.HasSuffix(a, "/"+word)
	})
}
