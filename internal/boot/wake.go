package boot

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"muster/internal/environ"
	"muster/internal/home"
	"muster/internal/lock"
)

// wakePause is the minimum time between two requests of agents' hooks for the keeper.
const wakePause = 30 * time.Second

// WakeKeeper asks tmux to restart the keeper's pane if no supervisor runs and the fleet should be up. Hooks of agents
// call it. They never start a keeper as their own child, because it would end with the agent. Usually the call only
// tests a lock.
func WakeKeeper(c Caller) {
	h := home.Dir(c.Getenv(environ.Home))
	if !filepath.IsAbs(string(h)) {
		return
	}
	if held, err := lock.Held(h.Lock()); err != nil || held {
		return
	}
	if (Fleet{Home: h}).ToldDown() {
		return
	}
	stamp := filepath.Join(string(h), "wake.stamp")
	if st, err := os.Stat(stamp); err == nil && c.Now().Sub(st.ModTime()) < wakePause {
		return
	}
	if err := os.WriteFile(stamp, nil, 0o600); err != nil {
		return
	}
	f, err := Open(c)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = f.Server().WakeHub(ctx) // errors are ignored: the next verb starts one otherwise
}
