package tmux

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// socketPeer returns the process at the other end of a connected socket.
func socketPeer(fd int) (int, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, fmt.Errorf("ask for the peer of a socket: %w", err)
	}
	return int(cred.Pid), nil
}

// processStart returns a mark that differs for every process with this id. alive is false for zombies, too.
func processStart(pid int) (mark string, alive bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false
	}
	// The name in parentheses may contain anything: count the fields after the last parenthesis.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 20 {
		return "", false
	}
	state := string(f[0])
	return string(f[19]), state != "Z" && state != "X"
}

// processWords returns the arguments of a process, each followed by a NUL byte; nil if it is gone.
func processWords(pid int) []byte {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return nil
	}
	return b
}

// executable returns a path that runs the program of a running process, even if its file was replaced.
func executable(pid int) string { return fmt.Sprintf("/proc/%d/exe", pid) }
