package tmux

import (
	"context"
	"os"
	"syscall"
	"time"

	"muster/internal/fault"
	"muster/internal/run"
)

// clientFor returns the tmux program to use as a client. After an upgrade the installed tmux may have another version
// than the running server. With some versions such a client gets no answer, or ends the server. Then the server's own
// program is used, which the kernel keeps even if its file is gone.
func (s *Server) clientFor(ctx context.Context, pid int) (string, error) {
	installed, lookErr := run.LookPath("tmux", s.cfg.Env)
	own := executable(pid)
	choice := chooseClient(installed, own, sameFile, func(path string) (Version, error) {
		return versionOf(ctx, path, s.cfg.Env)
	})
	if choice == "" {
		return "", fault.Wrap(fault.Conflict, lookErr, "tmux is not installed").WithHint("%s", installHint(s.cfg.Env))
	}
	s.mu.Lock()
	s.client = choice
	s.mu.Unlock()
	return choice, nil
}

// chooseClient chooses between the installed program and the server's own. Either may be "".
func chooseClient(installed, own string, same func(a, b string) bool, version func(string) (Version, error)) string {
	if installed == "" || own == "" {
		return installed + own
	}
	if same(installed, own) {
		return installed
	}
	mine, err := version(own)
	if err != nil {
		// We may not run it (another user, another mount namespace), so only the installed one is left.
		return installed
	}
	theirs, err := version(installed)
	if err != nil {
		return own // the installation is broken, but the server works
	}
	if mine == theirs {
		return installed // a wrapper script, or another build of the same release
	}
	return own
}

// sameVersion returns an error if only a client of another version is available, which would get no answer or end the
// server.
func (s *Server) sameVersion(ctx context.Context, client string, id Identity) error {
	if executable(id.PID) != "" {
		return nil // clientFor has compared the versions
	}
	have, err := versionOf(ctx, client, s.cfg.Env)
	if err != nil {
		return err
	}
	if have.String() != id.Version {
		return fault.New(fault.Conflict, "the running tmux server is %s, the installed tmux is %s", id.Version, have).
			WithHint("Install tmux %s again, or restart the fleet: muster down --kill, then muster up.", id.Version)
	}
	return nil
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// awaitEnd waits until the process is gone, a zombie, or replaced by another with its id.
func awaitEnd(ctx context.Context, pid int, mark string, most time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if now, alive := processStart(pid); !alive || now != mark {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// killProcess kills the process if it still has the mark.
func killProcess(pid int, mark string) {
	if now, alive := processStart(pid); alive && now == mark {
		_ = syscall.Kill(pid, syscall.SIGKILL) // an error means that it is gone
	}
}
