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

	"muster/internal/regular"
	"muster/internal/replace"
)

// recreateLimit bounds how long a server may take to recreate its socket.
const recreateLimit = 2 * time.Second

// pidFile returns the path of the file with the pid of the last server. It is needed if the socket is lost.
func (s *Server) pidFile() string { return filepath.Join(filepath.Dir(s.cfg.ConfPath), "tmux.pid") }

// writePID writes the pid file.
func (s *Server) writePID(pid int) error {
	if s.lastPID() == pid {
		return nil
	}
	if err := replace.File(s.pidFile(), []byte(strconv.Itoa(pid)), 0o600); err != nil {
		return fmt.Errorf("record the process of tmux: %w", err)
	}
	return nil
}

// Remember writes the pid file if it is missing. The caller has the server's pid from elsewhere, in case the file was
// lost together with the socket.
func (s *Server) Remember(pid int) error {
	if pid <= 1 || s.lastPID() != 0 {
		return nil
	}
	return s.writePID(pid)
}

// lastPID returns the pid in the pid file, or 0.
func (s *Server) lastPID() int {
	data, err := regular.Read(s.pidFile(), 1<<10)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 1 {
		return 0
	}
	return pid
}

// recreateSocket makes the running server recreate its socket file (by SIGUSR1) after it was deleted, as by a cleaner of
// temporary directories, or replaced. Without the socket the server is out of reach, and a second one would be started beside
// it. Only a process whose command line names this socket is signalled. recreateSocket reports whether the socket is back.
func (s *Server) recreateSocket(ctx context.Context) bool {
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
	ctx, cancel := context.WithTimeout(ctx, recreateLimit)
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

// serves reports whether words, a command line with NUL after each argument, started a server for this socket. The
// command line of a client differs.
func (s *Server) serves(words []byte) bool {
	where := "\x00-S\x00" + s.cfg.Socket + "\x00"
	if name := s.socketName(); name != "" {
		where = "\x00-L\x00" + name + "\x00"
	}
	return bytes.Contains(words, []byte(where)) && bytes.Contains(words, []byte("\x00new-session\x00"))
}
