package tmux

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"muster/internal/replace"
)

// recallLimit is how long a server may take to make its socket again; it does so at its next look at events.
const recallLimit = 2 * time.Second

// pidFile names the process of the server that ran last, for the case that its socket file goes.
func (s *Server) pidFile() string { return filepath.Join(filepath.Dir(s.cfg.ConfPath), "tmux.pid") }

// writePID notes the server's process.
func (s *Server) writePID(pid int) error {
	if s.lastPID() == pid {
		return nil
	}
	if err := replace.File(s.pidFile(), []byte(strconv.Itoa(pid)), 0o600); err != nil {
		return fmt.Errorf("note the process of tmux: %w", err)
	}
	return nil
}

// Remember tells of the server's process what somebody else noted, for the case that our own note went with the socket.
// It counts only where there is no note.
func (s *Server) Remember(pid int) error {
	if pid <= 1 || s.lastPID() != 0 {
		return nil
	}
	return s.writePID(pid)
}

// lastPID is what writePID noted; 0 for nothing.
func (s *Server) lastPID() int {
	data, err := os.ReadFile(s.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 1 {
		return 0
	}
	return pid
}

// recall has a server that lost its socket file, as by those who clear directories of old files, or put one of a backup
// into its place, make it again (tmux does so on SIGUSR1): without it the server and all that it holds would be out of reach, and a second one would
// be started beside it. Only a process whose own command line says that it is the server of this socket is signalled.
// It tells whether the socket is there again.
func (s *Server) recall(ctx context.Context) bool {
	pid := s.lastPID()
	if pid == 0 || !s.serves(processWords(pid)) {
		return false
	}
	if err := os.MkdirAll(filepath.Dir(s.Socket()), 0o700); err != nil {
		return false
	}
	if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, recallLimit)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		if conn, err := (&net.Dialer{}).DialContext(ctx, "unix", s.Socket()); err == nil {
			_ = conn.Close()
			return true
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return false
		}
	}
}

// serves tells whether the words of a command line, each ended by a NUL byte, are those that launch starts a server
// with. A client that merely speaks to it has others.
func (s *Server) serves(words []byte) bool {
	where := "\x00-S\x00" + s.cfg.Socket + "\x00"
	if name := s.socketName(); name != "" {
		where = "\x00-L\x00" + name + "\x00"
	}
	return bytes.Contains(words, []byte(where)) && bytes.Contains(words, []byte("\x00new-session\x00"))
}
