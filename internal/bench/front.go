package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"muster/internal/event"
)

// served is a page that muster serves, and a browser that is signed in.
type served struct {
	cmd    *exec.Cmd
	home   string // address of the list of tasks
	cookie *http.Cookie
}

// serve starts muster web and signs in.
func (w *world) serve(ctx context.Context) (s *served, err error) {
	cmd := exec.CommandContext(ctx, w.b.bin, "web", "--port", "0")
	cmd.Dir, cmd.Env = w.repo, w.env
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s = &served{cmd: cmd}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	link, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("muster web prints no link: %w", err)
	}
	link = strings.TrimSpace(link)
	base, _, _ := strings.Cut(link, "/in/")
	answer, err := s.get(ctx, link)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	_, path, ok := strings.Cut(answer.Header.Get("Refresh"), "url=")
	if cookies := answer.Cookies(); ok && len(cookies) == 1 {
		s.home, s.cookie = base+path, cookies[0]
		return s, nil
	}
	return nil, fmt.Errorf("the link answers %s", answer.Status)
}

func (s *served) get(ctx context.Context, address string) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if s.cookie != nil {
		q.AddCookie(s.cookie)
	}
	return http.DefaultClient.Do(q)
}

// page loads a page and returns its size.
func (s *served) page(ctx context.Context, address string) (int64, error) {
	answer, err := s.get(ctx, address)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, answer.Body)
	err = errors.Join(err, answer.Body.Close())
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("the page answers %s", answer.Status)
	}
	return n, err
}

func (s *served) close() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait() // it was told to end
	return nil
}

// queued returns a world with n tasks that wait, because its fleet is down.
func (b *bench) queued(ctx context.Context, n int) (*world, error) {
	w, err := b.newWorld(ctx, 1)
	if err != nil {
		return nil, err
	}
	err = os.WriteFile(w.home.Down(), nil, 0o600)
	var path string
	if err == nil {
		path, err = w.tasks(n, "Make the tests of the package pass. Do not touch the generated files.", "agent = \"sim\"")
	}
	if err == nil {
		_, err = w.muster(ctx, "dispatch", "--file", path)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(w.dir))
	}
	return w, nil
}

// measurePage loads the page with 1,000 tasks again and again.
func measurePage(ctx context.Context, b *bench) (r result, err error) {
	const n = 1000
	w, err := b.queued(ctx, n)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(w.dir)) }()
	s, err := w.serve(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	size, err := s.page(ctx, s.home) // the first one reads the whole list
	if err != nil {
		return r, err
	}
	var all samples
	before := cpu(s.cmd.Process.Pid)
	for range b.pick(100, 20) {
		began := time.Now()
		if _, err := s.page(ctx, s.home); err != nil {
			return r, err
		}
		all = append(all, time.Since(began))
	}
	each := (cpu(s.cmd.Process.Pid) - before) / time.Duration(len(all))
	return result{
		measured: ms(all.best()), met: all.best() <= 50*time.Millisecond,
		notes: []string{fmt.Sprintf("%d tasks, %d kB, best of %d; median %s; the server's CPU time %s a page", n, size/1000, len(all), ms(all.median()), ms(each))},
	}, nil
}

// measureRow writes records that change a task's state, and waits until a page with 20 tasks is sent its row.
func measureRow(ctx context.Context, b *bench) (r result, err error) {
	w, err := b.asleep(ctx, 20)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	s, err := w.serve(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	stream, err := s.get(ctx, s.home+"events?tasks")
	if err != nil {
		return r, err
	}
	defer func() { _ = stream.Body.Close() }()
	rows := rowsOf(ctx, stream.Body)
	var all samples
	for i := range b.pick(200, 40) {
		id := event.NewTaskID(1 + i/2%20)
		line, want := fmt.Sprintf(`{"state":"working","note":"step %d"}`, i), event.Working
		if i%2 == 0 {
			line, want = fmt.Sprintf(`{"state":"waiting","reason":"question","note":"question %d"}`, i), event.Waiting
		}
		began := time.Now()
		if err := appendLine(w.home.StatusFile(id, 1), line); err != nil {
			return r, err
		}
		if err := awaitRow(ctx, rows, id, want); err != nil {
			return r, fmt.Errorf("sample %d: %w", i, err)
		}
		all = append(all, time.Since(began))
		time.Sleep(pause)
	}
	p99 := all.quantile(0.99)
	return result{
		measured: ms(p99), met: p99 <= 150*time.Millisecond,
		notes: []string{fmt.Sprintf("%d samples; median %s, of which 50 ms collect what else changes", len(all), ms(all.median()))},
	}, nil
}

// row is a row of a page.
type row struct {
	ID   event.TaskID `json:"id"`
	HTML string       `json:"html"`
}

// rowsOf returns the rows of a stream. The channel is closed at its end.
func rowsOf(ctx context.Context, stream io.Reader) <-chan row {
	out := make(chan row)
	go func() {
		defer close(out)
		lines := bufio.NewScanner(stream)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			var u struct {
				Rows []row `json:"rows"`
			}
			if !ok || json.Unmarshal([]byte(data), &u) != nil {
				continue
			}
			for _, r := range u.Rows {
				select {
				case out <- r:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

// awaitRow returns when a row says that a task is in a state.
func awaitRow(ctx context.Context, rows <-chan row, id event.TaskID, state event.State) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return fmt.Errorf("the row of %s never says %s", id, state)
		case r, ok := <-rows:
			if !ok {
				return errors.New("the stream has ended")
			}
			if r.ID == id && strings.Contains(r.HTML, " "+string(state)+"<") {
				return nil
			}
		}
	}
}

// measureFrame measures the time from the start of muster top until its list is on the screen. The floor is a run of the program that
// does nothing else.
func measureFrame(ctx context.Context, b *bench) (r result, err error) {
	var few, floor samples
	var notes []string
	for _, n := range []int{1000, 10_000} {
		all, starts, err := frames(ctx, b, n)
		if err != nil {
			return r, err
		}
		if few == nil {
			few, floor = all, starts
		}
		notes = append(notes, fmt.Sprintf("%d tasks: best of %d %s, median %s", n, len(all), ms(all.best()), ms(all.median())))
	}
	return result{
		measured: ms(few.best()), floor: ms(floor.best()), ratio: ratio(few.best(), floor.best()), met: few.best() <= 150*time.Millisecond, notes: notes,
	}, nil
}

// frames opens muster top several times in a fleet with n tasks, in turn with runs of muster version.
func frames(ctx context.Context, b *bench, n int) (all, starts samples, err error) {
	w, err := b.queued(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(w.dir)) }()
	for range b.pick(20, 5) {
		start, err := process(ctx, w.env, nil, b.bin, "version")
		if err != nil {
			return nil, nil, err
		}
		began := time.Now()
		t, err := w.top(ctx)
		if err != nil {
			return nil, nil, err
		}
		err = t.shows(ctx, "task 1")
		took := time.Since(began)
		if err := errors.Join(err, t.close()); err != nil {
			return nil, nil, err
		}
		all, starts = append(all, took), append(starts, start)
	}
	return all, starts, nil
}

// measureBlurred measures muster top in a terminal without the focus.
func measureBlurred(ctx context.Context, b *bench) (result, error) {
	return topIdle(ctx, b, false, 0.005)
}

// measureWatching measures muster top while it shows the screen of an agent that does nothing.
func measureWatching(ctx context.Context, b *bench) (result, error) {
	return topIdle(ctx, b, true, 0.01)
}

// topIdle returns the share of a core that muster top and its client of tmux use while nothing happens among 20 agents.
func topIdle(ctx context.Context, b *bench, focused bool, most float64) (r result, err error) {
	w, err := b.asleep(ctx, 20)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	t, err := w.top(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := t.shows(ctx, "task 1"); err != nil {
		return r, err
	}
	if !focused {
		if _, err := t.terminal.WriteString("\x1b[O"); err != nil { // what a terminal sends when it loses the focus
			return r, err
		}
	}
	rest(ctx, 5*time.Second) // what was just opened is not idle yet
	span := time.Duration(b.pick(60, 10)) * time.Second
	before := cpuOfAll(t.cmd.Process.Pid)
	rest(ctx, span)
	used := cpuOfAll(t.cmd.Process.Pid) - before
	share := float64(used) / float64(span)
	return result{
		measured: fmt.Sprintf("%.2f %%", 100*share), met: share <= most,
		notes: []string{fmt.Sprintf("%s of CPU in %s, with the children", ms(used), span)},
	}, nil
}

// cpu returns the CPU time that the kernel's scheduler has counted for a process.
func cpu(pid int) (sum time.Duration) {
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, t := range threads {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, t.Name()))
		if err != nil {
			continue
		}
		ns, _, _ := strings.Cut(string(data), " ")
		n, _ := strconv.ParseInt(ns, 10, 64)
		sum += time.Duration(n)
	}
	return sum
}

// cpuOfAll returns the CPU time of a process and of its children.
func cpuOfAll(pid int) time.Duration {
	sum := cpu(pid)
	for _, p := range pids() {
		if f := stat(p); len(f) > 1 && f[1] == strconv.Itoa(pid) {
			sum += cpu(p)
		}
	}
	return sum
}
