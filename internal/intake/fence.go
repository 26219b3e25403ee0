package intake

import (
	"cmp"
	"fmt"
	"os"

	"muster/internal/config"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fence"
)

// Fence returns the fence that a configuration describes, whatever its mode.
func (in *Intake) Fence(cfg config.Config) (*event.Fence, error) {
	f, _, err := in.fence(cfg, Order{Options: Options{Fence: config.FenceOn}})
	return f, err
}

// fence freezes the fence of a task, nil if it has none, and returns hints about what it grants. A machine that cannot
// enforce it is an error.
func (in *Intake) fence(cfg config.Config, o Order) (*event.Fence, []string, error) {
	mode := cmp.Or(o.Fence, cfg.Fence.Mode)
	switch mode {
	case config.FenceOn:
	case config.FenceOff:
		return nil, nil, nil
	default:
		return nil, nil, fault.New(fault.Usage, "--fence: %q is neither on nor off", mode).WithHint("Write --fence on, or --fence off.")
	}
	user := environ.Get(in.fleet.Environ, "HOME")
	if real, exists := fence.Real(user); exists {
		user = real
	}
	where := []string{cfg.Origin["fence.read"], cfg.Origin["fence.write"]}
	configuration, _ := fence.Real(in.fleet.UserConfig)
	keep := fence.Keep{User: user, State: string(in.fleet.Home), Config: configuration, Where: where}
	read, write, links, err := keep.Freeze(cfg.Fence.Read, cfg.Fence.Write)
	if err != nil {
		return nil, nil, err
	}
	f := &event.Fence{
		Read: read, Write: write, Unix: cfg.Fence.Unix == config.UnixAllow, Ports: cfg.Fence.TCP, Cache: cfg.Fence.Cache, Git: cfg.Fence.Git,
	}
	prepared, err := fence.Prepare(fence.Grants(fence.Need{Fence: *f, User: user}))
	if err != nil {
		return nil, nil, err
	}
	var notices []string
	for _, link := range links {
		notices = append(notices, "[fence]: "+link+", which is granted.")
	}
	for _, path := range append(read, write...) {
		if _, err := os.Lstat(path); err != nil {
			notices = append(notices, fmt.Sprintf("[fence]: %s does not exist, so nothing is granted there until it does.", path))
		}
	}
	return f, notices, prepared.Close()
}
