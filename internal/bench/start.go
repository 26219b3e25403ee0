package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// measureStart measures the time from the moment when 50 tasks are queued until 50 agents run. The floor is what a
// person would write: a shell loop of plain git and tmux.
func measureStart(ctx context.Context, b *bench) (r result, err error) {
	const n = 50
	var measured, floor samples
	for range b.pick(9, 3) {
		d, err := loopStart(ctx, b, n)
		if err != nil {
			return r, fmt.Errorf("shell loop: %w", err)
		}
		floor = append(floor, d)
		if d, err = fleetStart(ctx, b, n, false); err != nil {
			return r, err
		}
		measured = append(measured, d)
	}
	return inPairs(measured, floor, 1.2), nil
}

// inPairs returns the result of measurements that were made in turn with those of their floor. A pair takes seconds, and the
// machine changes over minutes, so the result is the median of the pairs' ratios.
func inPairs(measured, floor samples, target float64) result {
	pairs := make([]float64, len(floor))
	for i := range floor {
		pairs[i] = ratio(measured[i], floor[i])
	}
	slices.Sort(pairs)
	rel := pairs[len(pairs)/2]
	return result{
		measured: ms(measured.median()), floor: ms(floor.median()), ratio: rel, met: rel <= target,
		notes: []string{fmt.Sprintf("median of %d pairs, whose ratios are %.2f; best %s, of the floor %s", len(floor), pairs, ms(measured.best()), ms(floor.best()))},
	}
}

// agentScript creates a file when it runs. Then it does nothing.
func (w *world) agentScript() (program, out string, err error) {
	out = filepath.Join(w.dir, "out")
	if err := os.Mkdir(out, 0o700); err != nil {
		return "", "", err
	}
	program, err = w.script("agent", ": > "+out+"/$$; exec sleep 1000")
	return program, out, err
}

// awaitFiles returns when a directory holds n files.
func awaitFiles(ctx context.Context, dir string, n int) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) >= n || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
	}
	return errors.New("not all agents were started")
}

// fleetStart returns the time from the moment when n tasks are queued until n agents run, with a fence or without one.
func fleetStart(ctx context.Context, b *bench, n int, fenced bool) (d time.Duration, err error) {
	w, err := b.newWorld(ctx, n)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	program, out, err := w.agentScript()
	if err != nil {
		return 0, err
	}
	if fenced {
		if err := w.fence(program, out); err != nil {
			return 0, err
		}
	}
	path, err := w.tasks(n, "sleep", "command = \""+program+"\"")
	if err != nil {
		return 0, err
	}
	if _, err := w.muster(ctx, "up"); err != nil {
		return 0, err
	}
	if err := w.quiet(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := w.muster(ctx, "dispatch", "--file", path); err != nil {
		return 0, err
	}
	err = awaitFiles(ctx, out, n)
	return time.Since(began), err
}

func loopStart(ctx context.Context, b *bench, n int) (time.Duration, error) {
	return loop(ctx, b, n, `tmux -S "$0" -f /dev/null new-session -d -s hub sleep 1000`,
		`git -C "$3" worktree add -q -b "b$i" "$4/w$i" main
		tmux -S "$0" new-session -d -s "s$i" -c "$4/w$i" "$1"`)
}

// loop runs a step n times in a shell, with the number in $i, and returns the time until n agents run. The step finds
// the socket of its own server in $0, the agent in $1, the repository in $3 and a directory in $4. The script before
// is not timed.
func loop(ctx context.Context, b *bench, n int, before, step string) (d time.Duration, err error) {
	w, err := b.newWorld(ctx, n)
	if err != nil {
		return 0, err
	}
	socket := filepath.Join(w.dir, "s")
	defer func() {
		err = errors.Join(err, w.sh(context.WithoutCancel(ctx), `tmux -S "$0" kill-server || true`, socket))
		for _, p := range w.processes() {
			kill(p)
		}
		err = errors.Join(err, os.RemoveAll(w.dir))
	}()
	program, out, err := w.agentScript()
	if err != nil {
		return 0, err
	}
	if err := w.sh(ctx, before, socket); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := w.sh(ctx, "i=0; while [ $i -lt $2 ]; do i=$((i+1)); "+step+"\ndone", socket, program, fmt.Sprint(n), w.repo, w.dir); err != nil {
		return 0, err
	}
	err = awaitFiles(ctx, out, n)
	return time.Since(began), err
}
