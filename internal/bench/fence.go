package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/store"
)

// fence switches the fence on for a fleet that is not up yet, and grants these files.
func (w *world) fence(granted ...string) error {
	quoted := make([]string, len(granted))
	for i, path := range granted {
		quoted[i] = strconv.Quote(path)
	}
	f, err := os.OpenFile(filepath.Join(string(w.home), "config.toml"), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "\n[fence]\nmode = \"on\"\nwrite = [%s]\n", strings.Join(quoted, ", "))
	return errors.Join(err, f.Close())
}

// measureFencedStart measures what measureStart measures, with the fence on. The floor is the same without it.
func measureFencedStart(ctx context.Context, b *bench) (r result, err error) {
	const n = 50
	var with, without samples
	for i := range b.pick(9, 3) {
		for _, fenced := range []bool{i%2 == 0, i%2 != 0} { // the first of a pair would always meet the same machine
			d, err := fleetStart(ctx, b, n, fenced)
			if err != nil {
				return r, err
			}
			if fenced {
				with = append(with, d)
			} else {
				without = append(without, d)
			}
		}
	}
	return inPairs(with, without, 1.05), nil
}

// mostMore is how much longer a round of one check may take with the fence.
const mostMore = 3 * time.Millisecond

// measureFencedCheck measures the time from the intent to run a round of checks to its verdict, where the check does nothing.
// The floor is the same without a fence.
func measureFencedCheck(ctx context.Context, b *bench) (r result, err error) {
	n := b.pick(30, 10)
	var with, without samples
	for range 2 {
		for _, fenced := range []bool{true, false} {
			took, err := rounds(ctx, b, n, fenced)
			if err != nil {
				return r, err
			}
			if fenced {
				with = append(with, took...)
			} else {
				without = append(without, took...)
			}
		}
	}
	more := with.median() - without.median()
	return result{
		measured: ms(with.median()), floor: ms(without.median()), ratio: ratio(with.median(), without.median()), met: more <= mostMore,
		notes: []string{fmt.Sprintf("%s more; best %s, of the floor %s", ms(more), ms(with.best()), ms(without.best()))},
	}, nil
}

// rounds runs n tasks one after the other, and returns how long the round of each took.
func rounds(ctx context.Context, b *bench, n int, fenced bool) (took samples, err error) {
	w, err := b.newWorld(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if fenced {
		if err := w.fence(); err != nil {
			return nil, err
		}
	}
	var text strings.Builder
	for range n {
		text.WriteString("[[task]]\nprompt = \"nothing\"\ncommand = \"true\"\npublish = \"none\"\ncheck = [\"one=true\"]\n")
	}
	path := filepath.Join(w.dir, "tasks.toml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	ids, err := w.muster(ctx, "dispatch", "--file", path)
	if err != nil {
		return nil, err
	}
	if _, err := w.muster(ctx, append([]string{"wait", "--timeout", "10m"}, strings.Fields(string(ids))...)...); err != nil {
		return nil, err
	}
	return w.rounds(ctx)
}

// rounds returns how long each round of checks in the log took.
func (w *world) rounds(ctx context.Context) (took samples, err error) {
	s, err := store.Open(ctx, w.home.DB(), store.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	began := map[event.TaskID]time.Time{}
	for e, err := range s.Events(ctx, store.EventFilter{}) {
		if err != nil {
			return nil, err
		}
		switch p := e.Data.(type) {
		case event.ActionIntended:
			if p.Action.Kind() == event.ActCheck {
				began[e.Task] = e.Time
			}
		case event.RoundFinished:
			if at, ok := began[e.Task]; ok && len(p.Results) > 0 {
				took = append(took, e.Time.Sub(at))
			}
		}
	}
	if len(took) == 0 {
		return nil, errors.New("no round was judged")
	}
	return took, nil
}

// measureFencedIdle measures what measureIdle measures, with the fence on.
func measureFencedIdle(ctx context.Context, b *bench) (result, error) { return idle(ctx, b, true) }
