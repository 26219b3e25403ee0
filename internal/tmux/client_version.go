package tmux

import (
	"context"
	"os"
	"syscall"
	"time"

	"muster/internal/fault"
	"muster/internal/run"
)

// clientFor chooses the program to speak to the server with. After an upgrade the installed tmux may be of
// another version than the running server; across some versions a client gets no answer, or ends the server.
// Then the server's own program is used, which the kernel keeps although its file is gone.
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

// chooseClient decides between the installed program and the one the server runs; either may be "".
func chooseClient(installed, own string, same func(a, b string) bool, version func(string) (Version, error)) string {
	if installed == "" || own == "" {
		return installed + own
	}
	if same(installed, own) {
		return installed
	}
	mine, err := version(own)
	if err != nil {
		// The kernel does not let us run it (another user's, another file system view): all that is left.
		return installed
	}
	theirs, err := version(installed)
	if err != nil {
		return own // a broken installation must not cost a living server
	}
	if mine == theirs {
		return installed // a wrapper script, or the same release built again
	}
	return own
}

// sameVersion refuses to connect where only a client of another version is to be had: it would get no
// answer, or end the server.
func (s *Server) sameVersion(ctx context.Context, client string, id Identity) error {
	if executable(id.PID) != "" {
		return nil // then it was chosen by version
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

// awaitEnd waits until the process is gone, a zombie, or another one with its id.
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

// killProcess ends exactly that process, whatever it does.
func killProcess(pid int, mark string) {
	if now, alive := processStart(pid); alive && now == mark {
		_ = syscall.Kill(pid, syscall.SIGKILL) // gone in between is what we want
	}
}
