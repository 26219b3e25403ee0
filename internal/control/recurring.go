package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"muster/internal/boot"
	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/intake"
	"muster/internal/life"
	"muster/internal/regular"
	"muster/internal/store"
	"muster/internal/text"
)

// Recurring is the service of a supervisor that dispatches recurring tasks. Each run is taken once, also if the supervisor is
// killed at any time: the transaction that queues its tasks moves the mark of its schedule.
type Recurring struct {
	Control *Control
	Log     *slog.Logger
}

const (
	// recurLook is the longest pause between two looks: a clock that was set, or a machine that slept, moves what is due.
	recurLook = 30 * time.Second
	// mostTasksFile bounds a file of tasks, in bytes.
	mostTasksFile = 4 << 20
	mostWhy       = 400 // bytes of the reason of a run that came to nothing
)

// recurSource is the name of the offset that has the time up to which the runs of a schedule were taken, in seconds since 1970.
func recurSource(name string) string { return "recurring/" + name }

// Serve dispatches what is due until ctx ends.
func (s Recurring) Serve(ctx context.Context) error {
	for {
		pause := recurLook
		f, err := s.Control.fleet()
		if err == nil {
			if len(f.Config.Recurring) == 0 { // the supervisor reads its configuration when it starts
				return nil
			}
			if !f.ToldDown() { // what is due then was missed when the fleet is up again
				pause, err = s.Control.recur(ctx, f)
			}
		}
		if err != nil && ctx.Err() == nil {
			s.Log.Error("dispatch recurring tasks", "err", err)
			pause = recurLook
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// recur takes the runs that are due, and returns how long none will be.
func (c *Control) recur(ctx context.Context, f boot.Fleet) (time.Duration, error) {
	pause := recurLook
	var failed error
	for _, r := range f.Config.Recurring {
		next, err := c.recurOne(ctx, f, r)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", r.Name, err))
			continue
		}
		if !next.IsZero() {
			pause = max(time.Second/10, min(pause, next.Sub(f.Now())))
		}
	}
	return pause, failed
}

// recurOne takes the runs of one schedule that are due, and returns when the next one is.
func (c *Control) recurOne(ctx context.Context, f boot.Fleet, r config.Recurring) (next time.Time, err error) {
	db, err := c.open(ctx)
	if err != nil {
		return next, err
	}
	cron, zone, err := r.Schedule()
	if err != nil {
		return next, err
	}
	now := f.Now().In(zone)
	mark, err := db.Offset(ctx, recurSource(r.Name))
	if err != nil {
		return next, err
	}
	if mark == 0 { // a new schedule has missed nothing
		return cron.Next(now), c.markRun(ctx, db, r.Name, 0, now, nil)
	}
	due := life.Recur(cron, life.Missed(r.Missed), time.Unix(mark, 0).In(zone), now)
	if len(due.Runs) == 0 && due.Skipped > 0 {
		ran := event.RecurringRan{Name: r.Name, At: now, Skipped: due.Skipped}
		return due.Next, c.markRun(ctx, db, r.Name, mark, now, func(tx *store.Tx) error {
			_, err := tx.Append("", 0, ran)
			return err
		})
	}
	for i, at := range due.Runs {
		ran := event.RecurringRan{Name: r.Name, At: at}
		if i == 0 {
			ran.Skipped = due.Skipped
		}
		tasks, err := recurTasks(ctx, f, r)
		if err != nil {
			if ctx.Err() != nil {
				return next, ctx.Err()
			}
			ran.Why = text.Line(err.Error(), mostWhy)
		}
		err = c.markRun(ctx, db, r.Name, mark, at, func(tx *store.Tx) error {
			if ran.Why == "" {
				out, err := Dispatch{Tasks: tasks}.request(tx, func(string, ...any) {})
				if err != nil {
					return err
				}
				ran.Tasks = out.Tasks
			}
			_, err := tx.Append("", 0, ran)
			return err
		})
		if fault.Is(err, fault.Usage) || fault.Is(err, fault.NotFound) { // the order itself is wrong, so that a repeat is, too
			ran.Why, ran.Tasks = text.Line(err.Error(), mostWhy), nil
			err = c.markRun(ctx, db, r.Name, mark, at, func(tx *store.Tx) error {
				_, err := tx.Append("", 0, ran)
				return err
			})
		}
		if err != nil {
			return next, err
		}
		mark = at.Unix()
	}
	return due.Next, nil
}

// errRunTaken means that another supervisor has taken a run.
var errRunTaken = errors.New("another supervisor has taken the run")

// markRun moves the mark of a schedule in one transaction with what do appends, unless somebody else has moved it.
func (c *Control) markRun(ctx context.Context, db *store.Store, name string, was int64, to time.Time, do func(*store.Tx) error) error {
	err := db.Request(ctx, func(tx *store.Tx) error {
		if tx.Offset(recurSource(name)) != was {
			return errRunTaken
		}
		if do != nil {
			if err := do(tx); err != nil {
				return err
			}
		}
		tx.SetOffset(recurSource(name), to.Unix())
		return nil
	})
	if err == nil && do != nil {
		c.wake(0)
	}
	return err
}

// recurTasks reads the file of a schedule and freezes its tasks, as a dispatch of the file would.
func recurTasks(ctx context.Context, f boot.Fleet, r config.Recurring) ([]intake.Task, error) {
	file, err := regular.Follow(r.File)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "read the tasks")
	}
	defer file.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(file, mostTasksFile))
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "read the tasks")
	}
	orders, err := intake.Read(data, filepath.Base(r.File), filepath.Dir(r.File), intake.Options{Repo: r.Repo})
	if err != nil {
		return nil, err
	}
	in := intake.New(f, filepath.Dir(r.File))
	out := make([]intake.Task, 0, len(orders))
	for _, o := range orders {
		t, err := in.Task(ctx, o)
		if err != nil {
			return nil, o.At(err)
		}
		out = append(out, t)
	}
	return out, nil
}

// preflightRecurring returns whether the tasks of each schedule could be queued now, and when its next run is.
func preflightRecurring(ctx context.Context, f boot.Fleet) (out []Finding) {
	for _, r := range f.Config.Recurring {
		cron, zone, err := r.Schedule()
		if err == nil {
			_, err = recurTasks(ctx, f, r)
		}
		good := ""
		if err == nil {
			good = fmt.Sprintf("%s runs next at %s", r.Name, cron.Next(f.Now().In(zone)).Format("2006-01-02 15:04 MST"))
		}
		found := finding("recurring", good, err)
		if err != nil {
			found.Text = r.Name + ": " + found.Text
		}
		out = append(out, found)
	}
	return out
}
