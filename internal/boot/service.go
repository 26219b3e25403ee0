package boot

import (
	"context"

	"muster/internal/environ"
	"muster/internal/lock"

	"muster/internal/fault"
	"muster/internal/host"
)

// ServeService is the service's process: it brings the fleet up as it was last up, and sleeps until the keeper is gone.
// The kernel wakes it, so that waiting costs nothing. What it cannot mend it leaves to the service manager, which
// starts it again after a pause.
func (f Fleet) ServeService(ctx context.Context) error {
	if saved, err := environ.Load(f.Home.Env()); err == nil {
		f.Environ = saved // a service has a poor environment; agents get the one of the last `muster up`
	}
	for {
		if f.ToldDown() {
			return nil // it was told to be down, and a reboot does not change that
		}
		if _, err := f.Up(ctx); err != nil {
			return err
		}
		pid, ok := lock.Holder(f.Home.KeeperLock())
		if !ok {
			return fault.New(fault.Failed, "the fleet came up, and its keeper is gone again").WithHint("Look at %s.", f.Home.Log())
		}
		keeper, err := host.Identify(pid)
		if err != nil {
			continue // it has just gone
		}
		if err := host.Await(ctx, keeper); err != nil {
			return nil //nolint:nilerr // the service is stopped; the fleet goes on
		}
	}
}
