package daemon

import (
	"context"

	"muster/internal/agent/all"
	"muster/internal/boot"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/store"
)

// Preflight checks on a copy of the database whether this program could supervise the fleet. It migrates the copy,
// folds its log again, and looks for what it does not know. The caller has read the configuration already.
func Preflight(ctx context.Context, copied string) (boot.Understood, error) {
	db, err := store.Open(ctx, copied, store.Options{Version: boot.Version()})
	if err != nil {
		return boot.Understood{}, err
	}
	defer func() { _ = db.Close() }()
	out := boot.Understood{Understood: true, Version: boot.Version()}
	for e, err := range db.Events(ctx, store.EventFilter{}) {
		if err != nil {
			return boot.Understood{}, err
		}
		if u, ok := e.Data.(event.Unknown); ok {
			return boot.Understood{}, fault.New(fault.Conflict, "the log holds %s, which version %s does not know", u.Name, boot.Version()).
				WithHint("Use the version that wrote it, or a newer one.")
		}
		out.Events++
	}
	diff, err := db.Rebuild(ctx)
	if err != nil {
		return boot.Understood{}, err
	}
	if len(diff) > 0 {
		return boot.Understood{}, fault.New(fault.Conflict, "version %s reads the log differently from the running version: %s", boot.Version(), diff[0]).
			WithHint("Use another version.")
	}
	for t, err := range db.Unfinished(ctx) {
		if err != nil {
			return boot.Understood{}, err
		}
		out.Live++
		if _, err := all.For(t.Spec); err != nil {
			return boot.Understood{}, fault.Wrap(fault.Conflict, err, "version %s does not know the kind of agent of %s", boot.Version(), t.ID)
		}
	}
	return out, nil
}
