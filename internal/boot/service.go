package boot

import (
	"context"

	"muster/internal/environ"
	"muster/internal/lock"

	"muster/internal/fault"
	"muster/internal/host"
)

// ServeService is the process of the service. It brings the fleet up in its last environment and waits until the
// keeper is gone, without polling. After an error it returns, and the service manager starts it again after a pause.
func (f Fleet) ServeService(ctx context.Context) error {
	if saved, err := environ.Load(f.Home.Env()); err == nil {
		f.Environ = saved // a service has few variables; agents get those of the last `muster up`
	}
	for {
		if f.ToldDown() {
			return nil // a reboot does not cancel `muster down`
		}
		if _, err := f.Up(ctx); err != nil {
			return err
		}
		pid, ok := lock.Holder(f.Home.KeeperLock())
		if !ok {
			return fault.New(fault.Failed, "the fleet came up, but its keeper is gone again").WithHint("Look at %s.", f.Home.Log())
		}
		keeper, err := host.Identify(pid)
		if err != nil {
			continue // it has just ended
		}
		if err := host.Await(ctx, keeper); err != nil {
			return nil //nolint:nilerr // the service is stopped, and the fleet continues
		}
	}
}
