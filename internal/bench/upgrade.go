package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"muster/internal/event"
)

// measureUpgrade lets two versions of the program replace each other over a working fleet. The figure is the longest
// time without a supervisor: from the signal to the old one until the new one was ready.
func measureUpgrade(ctx context.Context, b *bench) (r result, err error) {
	n := b.pick(100, 20)
	w, err := b.asleep(ctx, n)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	data, err := os.ReadFile(b.bin)
	if err != nil {
		return r, err
	}
	next := filepath.Join(w.dir, "muster-next")
	if err := os.WriteFile(next, append(data, "\nanother version"...), 0o700); err != nil { //nolint:gosec // it is a program
		return r, err
	}
	log, err := w.log(ctx)
	if err != nil {
		return r, err
	}
	defer log.close()
	var away, whole samples
	for i := range b.pick(10, 4) {
		if err := log.skip(ctx); err != nil {
			return r, err
		}
		began := time.Now()
		out, err := w.muster(ctx, "upgrade", "--json", []string{next, b.bin}[i%2])
		if err != nil {
			return r, err
		}
		whole = append(whole, time.Since(began))
		var said struct {
			Upgraded bool
			AwayMS   int64 `json:"away_ms"`
		}
		if err := json.Unmarshal(out, &said); err != nil || !said.Upgraded {
			return r, fmt.Errorf("upgrade printed %s (%w)", out, err)
		}
		away = append(away, time.Duration(said.AwayMS)*time.Millisecond)
		e, err := log.await(ctx, func(e event.Event) bool { return e.Kind() == (event.SupervisorStarted{}).Kind() })
		if err != nil {
			return r, err
		}
		if s, ok := e.Data.(event.SupervisorStarted); !ok || s.Adopted != n {
			return r, fmt.Errorf("%d of %d agents were adopted", s.Adopted, n)
		}
		if err := w.quiet(ctx); err != nil {
			return r, err
		}
	}
	return result{
		measured: ms(away.quantile(1)), met: away.quantile(1) < 300*time.Millisecond,
		notes: []string{fmt.Sprintf("%d agents, worst of %d; median %s; the whole verb, with its preflight, %s", n, len(away), ms(away.median()), ms(whole.median()))},
	}, nil
}
