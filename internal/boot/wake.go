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

// wakePause is how often agents' hooks may ask for the keeper.
const wakePause = 30 * time.Second

// WakeKeeper asks tmux to start the keeper's pane again if no supervisor runs and the fleet is to be up. It is for the
// hooks of agents, which never start a keeper as their own child: that would end with the agent. Usually it costs one
// look at a lock.
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
	_ = f.Server().WakeHub(ctx) // a hint: the next verb starts one otherwise
}
