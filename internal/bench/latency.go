package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"muster/internal/event"
)

// pause is the pause between two samples of a latency, in which all work ends.
const pause = 15 * time.Millisecond

// latencies are samples of muster and its floor, measured alternately, so that the noise of the machine is in both.
type latencies struct{ product, floor samples }

func (l latencies) result(expected string) result {
	p99, floor := l.product.quantile(0.99), l.floor.quantile(0.99)
	rel := ratio(p99, floor)
	return result{
		measured: ms(p99), floor: ms(floor), ratio: rel, met: rel <= 3,
		notes: []string{fmt.Sprintf("%d samples; median %s, of the floor %s; %s expected",
			len(l.product), ms(l.product.median()), ms(l.floor.median()), expected)},
	}
}

// measureStatus writes records that change a task's state, among 20 agents, and waits until the change can be read.
func measureStatus(ctx context.Context, b *bench) (r result, err error) {
	w, err := b.asleep(ctx, 20)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	dir := filepath.Join(w.dir, "fl")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return r, err
	}
	low, err := startFloor(ctx, roleStatus, dir)
	defer low.close()
	if err != nil {
		return r, err
	}
	log, err := w.log(ctx)
	if err != nil {
		return r, err
	}
	defer log.close()
	if err := log.skip(ctx); err != nil {
		return r, err
	}
	var l latencies
	for i := range b.pick(400, 60) {
		line := fmt.Sprintf(`{"state":"working","note":"step %d"}`, i)
		want := event.Working
		if i%2 == 0 {
			line, want = fmt.Sprintf(`{"state":"waiting","reason":"question","note":"question %d"}`, i), event.Waiting
		}
		began := time.Now()
		if err := appendLine(w.home.StatusFile(event.TaskID(fmt.Sprintf("t%d", 1+i/2%20)), 1), line); err != nil {
			return r, err
		}
		_, err := log.await(ctx, func(e event.Event) bool {
			m, ok := e.Data.(event.TaskMoved)
			return ok && m.To == want
		})
		if err != nil {
			return r, fmt.Errorf("sample %d: %w", i, err)
		}
		l.product = append(l.product, time.Since(began))
		time.Sleep(pause)
		began = time.Now()
		if err := appendLine(filepath.Join(dir, "lines.jsonl"), line); err != nil {
			return r, err
		}
		if err := low.awaitRow(ctx); err != nil {
			return r, err
		}
		l.floor = append(l.floor, time.Since(began))
		time.Sleep(pause)
	}
	return l.result("about 10 ms"), nil
}

func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // a file of the benchmark
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

// measureDeath kills agents one by one and waits until each end can be read, with its signal.
func measureDeath(ctx context.Context, b *bench) (r result, err error) {
	n := b.pick(200, 40)
	w, err := b.asleep(ctx, n)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	dir := filepath.Join(w.dir, "fl")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return r, err
	}
	low, err := startFloor(ctx, roleDeath, dir, strconv.Itoa(n))
	defer low.close()
	if err != nil {
		return r, err
	}
	log, err := w.log(ctx)
	if err != nil {
		return r, err
	}
	defer log.close()
	agents := map[event.TaskID]int{}
	for len(agents) < n {
		e, err := log.next(ctx)
		if err != nil {
			return r, err
		}
		if p, ok := e.Data.(event.AgentLaunched); ok {
			agents[e.Task] = p.Process.PID
		}
	}
	var l latencies
	for id, pid := range agents {
		if err := log.skip(ctx); err != nil {
			return r, err
		}
		began := time.Now()
		kill(pid)
		e, err := log.await(ctx, func(e event.Event) bool { return e.Task == id && e.Kind() == (event.AgentExited{}).Kind() })
		if err != nil {
			return r, err
		}
		l.product = append(l.product, time.Since(began))
		if x, ok := e.Data.(event.AgentExited); !ok || !x.Known || x.Signal != int(syscall.SIGKILL) {
			return r, fmt.Errorf("the end of %s was recorded as %+v", id, e.Data)
		}
		if err := w.rest(ctx, log, id); err != nil {
			return r, err
		}
		pid, err := strconv.Atoi(low.said[len(l.floor)])
		if err != nil {
			return r, err
		}
		began = time.Now()
		kill(pid)
		if err := low.awaitRow(ctx); err != nil {
			return r, err
		}
		l.floor = append(l.floor, time.Since(began))
		time.Sleep(pause)
	}
	return l.result("about 20 ms"), nil
}

// rest waits until all consequences of an agent's death have ended.
func (w *world) rest(ctx context.Context, log *eventLog, id event.TaskID) error {
	_, err := log.await(ctx, func(e event.Event) bool {
		m, ok := e.Data.(event.TaskMoved)
		return ok && e.Task == id && (m.To.Final() || m.To == event.Parked)
	})
	time.Sleep(4 * pause)
	return err
}

// kill ends a process.
func kill(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }
