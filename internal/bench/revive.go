package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/store"
)

// measureRevive kills the tmux server under a working fleet and waits until all agents work again, each in its own
// conversation. The floor is a shell loop that only opens as many sessions in a new server.
func measureRevive(ctx context.Context, b *bench) (r result, err error) {
	n := b.pick(50, 10)
	w, err := b.newWorld(ctx, n)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	begun := filepath.Join(w.dir, "begun")
	prompt := "wait\n```sim\nappend a.txt x\nawait-file go-on\ndone\n```"
	path, err := w.tasks(n, prompt, "agent = \"sim\"", fmt.Sprintf("env = [\"MUSTER_SIM_LOG=%s\"]", begun))
	if err != nil {
		return r, err
	}
	if _, err := w.muster(ctx, "dispatch", "--file", path); err != nil {
		return r, err
	}
	log, err := w.log(ctx)
	if err != nil {
		return r, err
	}
	defer log.close()
	if err := log.awaitWork(ctx, 1, n); err != nil {
		return r, err
	}
	if err := w.quiet(ctx); err != nil {
		return r, err
	}
	server, err := w.server()
	if err != nil {
		return r, err
	}
	began := time.Now()
	kill(server)
	if err := log.awaitWork(ctx, 2, n); err != nil {
		return r, err
	}
	took := time.Since(began)
	counted, twice, err := w.revived(ctx, begun, n)
	if err != nil {
		return r, err
	}
	floor, err := loopSessions(ctx, b, n)
	if err != nil {
		return r, fmt.Errorf("shell loop: %w", err)
	}
	return result{
		measured: fmt.Sprintf("%s, %s an agent", ms(took), ms(took/time.Duration(n))), floor: ms(floor), ratio: ratio(took, floor),
		met: counted == 0 && twice == 0,
		notes: []string{fmt.Sprintf("%d agents, 0 lost, %d twice or anew, %d attempts counted; from the kill until the last is at work again",
			n, twice, counted)},
	}, nil
}

// awaitWork returns when n tasks have a working agent of generation gen or later.
func (l *eventLog) awaitWork(ctx context.Context, gen, n int) error {
	at := map[event.TaskID]bool{}
	for len(at) < n {
		e, err := l.next(ctx)
		if err != nil {
			return fmt.Errorf("%d of %d agents work in generation %d: %w", len(at), n, gen, err)
		}
		if moved, ok := e.Data.(event.TaskMoved); ok && moved.To == event.Working && e.Gen >= gen {
			at[e.Task] = true
		}
	}
	return nil
}

// server returns the process id of the fleet's tmux server.
func (w *world) server() (pid int, err error) {
	data, err := os.ReadFile(filepath.Join(string(w.home), "tmux.pid"))
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(string(data), &pid)
	return pid, err
}

// revived counts the attempts that the death of the server used, and the agents that began more than twice or in
// another conversation, by their own output.
func (w *world) revived(ctx context.Context, begun string, n int) (counted, wrong int, err error) {
	s, err := store.Open(ctx, w.home.DB(), store.Options{ReadOnly: true})
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = s.Close() }()
	for e, err := range s.Events(ctx, store.EventFilter{}) {
		if err != nil {
			return 0, 0, err
		}
		if g, ok := e.Data.(event.GenerationStarted); ok && g.Attempt > 1 {
			counted++
		}
	}
	data, err := os.ReadFile(begun) //nolint:gosec // a file of the benchmark
	if err != nil {
		return 0, 0, err
	}
	times := map[string]int{} // by conversation
	for line := range strings.Lines(string(data)) {
		if word := strings.Fields(line); len(word) == 5 && word[0] == "begin" {
			times[word[3]]++
		}
	}
	wrong = max(len(times)-n, n-len(times))
	for _, k := range times {
		if k != 2 {
			wrong++
		}
	}
	return counted, wrong, nil
}

// loopSessions opens n sessions in a new server, each with a program that does nothing.
func loopSessions(ctx context.Context, b *bench, n int) (time.Duration, error) {
	return loop(ctx, b, n, ":", `tmux -S "$0" -f /dev/null new-session -d -s "s$i" "$1"`)
}
