package tmuxtest

import (
	"os"
	"syscall"
	"testing"

	"muster/internal/tmux"
)

func TestFakeKeepsThePromises(t *testing.T) {
	t.Parallel()
	Run(t, func(t *testing.T) Harness {
		f := NewFake()
		f.Dirs = func(dir string) bool { _, err := os.Stat(dir); return err == nil }
		t.Cleanup(f.Close)
		return Harness{
			Terminal: f,
			Dir:      t.TempDir(),
			Exit:     func(_ *testing.T, p tmux.Pane, code int) { f.Exit(p.ID, code) },
			Kill:     func(_ *testing.T, p tmux.Pane, signal int) { f.Signal(p.ID, signal) },
			Scroll:   func(_ *testing.T, p tmux.Pane) { f.Scroll(p.ID, true) },
			Lose:     func(_ *testing.T) { f.Lose("server exited unexpectedly") },
		}
	})
}

func TestTmuxKeepsThePromises(t *testing.T) {
	t.Parallel()
	Run(t, func(t *testing.T) Harness {
		c, _, dir := Connect(t)
		return Harness{
			Terminal: c,
			Dir:      dir,
			Exit: func(t *testing.T, p tmux.Pane, code int) {
				if err := c.Paste(t.Context(), p.ID, "exit "+string(rune('0'+code))); err != nil {
					t.Fatal(err)
				}
				if err := c.Keys(t.Context(), p.ID, "Enter"); err != nil {
					t.Fatal(err)
				}
			},
			Kill: func(t *testing.T, p tmux.Pane, signal int) {
				if err := syscall.Kill(p.PID, syscall.Signal(signal)); err != nil {
					t.Fatal(err)
				}
			},
			Scroll: func(t *testing.T, p tmux.Pane) {
				if _, err := c.Do(t.Context(), "copy-mode", "-t", string(p.ID)); err != nil {
					t.Fatal(err)
				}
			},
			Lose: func(t *testing.T) {
				if err := syscall.Kill(c.Identity().PID, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
