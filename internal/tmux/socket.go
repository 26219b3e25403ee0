package tmux

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// maxSocketPath is the longest path of a socket on all systems (macOS: 104 bytes with the final NUL).
const maxSocketPath = 103

// socketName returns the -L name for a path that is too long for a socket; "" if the path can be used.
func (s *Server) socketName() string {
	if len(s.cfg.Socket) <= maxSocketPath {
		return ""
	}
	sum := sha256.Sum256([]byte(s.cfg.Socket))
	return "muster-" + hex.EncodeToString(sum[:10])
}

// Socket returns the absolute path of the socket in use: the configured one, or tmux's own for -L.
func (s *Server) Socket() string {
	name := s.socketName()
	if name == "" {
		return s.cfg.Socket
	}
	tmp := "/tmp"
	if p, err := filepath.EvalSymlinks(tmp); err == nil {
		tmp = p
	}
	return filepath.Join(tmp, "tmux-"+strconv.Itoa(os.Getuid()), name)
}

// peer returns the process that listens on the socket; ErrNoServer if there is none. It asks the kernel, so it needs
// no client and works with a stopped server and with one of another version.
func (s *Server) peer(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	path := s.Socket()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)) && s.recreateSocket(ctx) {
		conn, err = (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTDIR) {
			return 0, fmt.Errorf("%s: %w", path, ErrNoServer)
		}
		return 0, fmt.Errorf("reach tmux: %w", err)
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("reach tmux: %w", err)
	}
	pid := 0
	var perr error
	if err := raw.Control(func(fd uintptr) { pid, perr = socketPeer(int(fd)) }); err != nil {
		return 0, fmt.Errorf("reach tmux: %w", err)
	}
	return pid, perr
}

// removeStaleSocket removes the socket file of a dead server. It never touches that of a running server.
func (s *Server) removeStaleSocket(ctx context.Context) error {
	if _, err := s.peer(ctx); !errors.Is(err, ErrNoServer) {
		return err
	}
	path := s.Socket()
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove stale tmux socket: %w", err)
	}
	return nil
}
