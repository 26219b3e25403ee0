package cli

import (
	"context"

	"muster/internal/agent/all"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/store"
)

// understood is the word that a program leaves which can take a fleet over. Another version reads it, so its fields
// keep their names.
type understood struct {
	Understood bool   `json:"understood"`
	Version    string `json:"version"`
	Events     int    `json:"events"`
	Live       int    `json:"live"` // tasks to be looked after
}

// preflight finds out on a copy of the database whether this program could supervise the fleet: it migrates the copy,
// folds its log anew, and looks for what it does not know. The configuration has been read by then.
func (f fleetEnv) preflight(ctx context.Context, copied string) error {
	db, err := store.Open(ctx, copied, store.Options{Version: Version()})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	out := understood{Understood: true, Version: Version()}
	for e, err := range db.Events(ctx, store.EventFilter{}) {
		if err != nil {
			return err
		}
		if u, ok := e.Data.(event.Unknown); ok {
			return fault.New(fault.Conflict, "the log holds %s, which version %s does not know", u.Name, Version()).
				WithHint("Use the version that wrote it, or a newer one.")
		}
		out.Events++
	}
	diff, err := db.Rebuild(ctx)
	if err != nil {
		return err
	}
	if len(diff) > 0 {
		return fault.New(fault.Conflict, "version %s reads the log in another way than the version at work: %s", Version(), diff[0]).
			WithHint("Use another version.")
	}
	live, err := db.Live(ctx)
	if err != nil {
		return err
	}
	for _, t := range live {
		if _, err := all.New(t.Spec.Kind); err != nil {
			return fault.Wrap(fault.Conflict, err, "version %s knows no agent such as that of %s", Version(), t.ID)
		}
	}
	out.Live = len(live)
	return printJSON(f.env.Stdout, out)
}
