package lock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

const (
	slotStep = 100 * time.Millisecond // between two attempts of a waiting process
	// silent is how long a ticket counts after its owner last touched it. A stopped process must not block the
	// others.
	silent = 5 * time.Second
	// queueSuffix is added to the first slot's path to get the directory of the tickets.
	queueSuffix = ".queue"
)

// Slot takes one of several locks, whichever is free first. Callers with the same paths are served in the order in
// which they came. A caller that has ended or is stopped is skipped. waiting is called once if the caller has to
// wait. The kernel frees the slot when the returned file is closed. Without paths Slot returns nil at once.
func Slot(ctx context.Context, paths []string, waiting func()) (*os.File, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	q := queue{dir: paths[0] + queueSuffix}
	if err := q.enter(ctx); err != nil {
		return nil, err
	}
	defer q.leave()
	step := time.NewTicker(slotStep)
	defer step.Stop()
	for first := true; ; first = false {
		turn, err := q.isFirst()
		if err != nil {
			return nil, err
		}
		if turn {
			for _, path := range paths {
				f, err := Try(path)
				if err == nil || !errors.Is(err, ErrHeld) {
					return f, err
				}
			}
		}
		if first {
			waiting()
		}
		select {
		case <-step.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		q.touch()
	}
}

// queue is a queue of processes. Each has a ticket, a file whose name is its number and which it keeps locked.
type queue struct {
	dir    string
	number int
	ticket *os.File
}

// enter creates the next ticket.
func (q *queue) enter(ctx context.Context) error {
	if err := os.MkdirAll(q.dir, 0o700); err != nil {
		return fmt.Errorf("queue for a slot: %w", err)
	}
	door, err := Wait(ctx, filepath.Join(q.dir, "lock")) // two processes must not draw the same number
	if err != nil {
		return fmt.Errorf("queue for a slot: %w", err)
	}
	defer door.Close() //nolint:errcheck // releases it
	numbers, err := q.numbers()
	if err != nil {
		return err
	}
	if len(numbers) > 0 {
		q.number = numbers[len(numbers)-1]
	}
	for q.ticket == nil {
		q.number++
		// ErrHeld means that another process took the new file for that of a dead process, and removed it before it
		// was locked.
		if q.ticket, err = Try(q.path(q.number)); err != nil && (!errors.Is(err, ErrHeld) || ctx.Err() != nil) {
			return fmt.Errorf("queue for a slot: %w", err)
		}
	}
	q.touch()
	return nil
}

// leave removes the ticket.
func (q *queue) leave() {
	_ = os.Remove(q.path(q.number))
	_ = q.ticket.Close()
}

// touch shows that the owner of the ticket is not stopped.
func (q *queue) touch() {
	now := time.Now()
	_ = os.Chtimes(q.path(q.number), now, now)
}

// isFirst reports whether no earlier ticket counts. It removes the tickets of dead processes.
func (q *queue) isFirst() (bool, error) {
	numbers, err := q.numbers()
	if err != nil {
		return false, err
	}
	for _, n := range numbers {
		if n >= q.number {
			break
		}
		held, err := Held(q.path(n))
		if err != nil {
			return false, err
		}
		if !held {
			_ = os.Remove(q.path(n))
			continue
		}
		if st, err := os.Stat(q.path(n)); err == nil && time.Since(st.ModTime()) < silent {
			return false, nil
		}
	}
	return true, nil
}

// numbers returns the numbers of all tickets in order.
func (q *queue) numbers() ([]int, error) {
	entries, err := os.ReadDir(q.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("queue for a slot: %w", err)
	}
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (q *queue) path(number int) string { return filepath.Join(q.dir, strconv.Itoa(number)) }
