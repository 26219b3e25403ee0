package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"syscall"
	"time"
)

// killLimit is how long End continues after the grace. A process that still lives then cannot be ended by a signal,
// for example because it hangs in the kernel on a dead disk.
const killLimit = 30 * time.Second

// Pauses between two searches of End for new processes.
const (
	firstLook = 20 * time.Millisecond
	slowLook  = 500 * time.Millisecond
)

// errLeft is the cause of a timeout of End.
var errLeft = errors.New("processes would not end")

// Ending selects the processes to end.
type Ending struct {
	Procs []Process     // with all their descendants, including those that Tree found before their parent ended
	Mark  [2]string     // NAME and VALUE of the environment marker; empty for none. Marked explains which value is suitable
	Held  string        // absolute path of a file that only the selected processes have open for writing; "" for none. See Holders
	Group string        // directory of a control group that contains only selected processes; "" for none. See JoinCgroup
	Grace time.Duration // from SIGTERM to SIGKILL; 0 kills at once
	// Headless is a process group whose leader was killed; 0 for none. Those of the selected processes that are in it are killed before
	// any other is told to end.
	Headless int
}

// End ends processes, their descendants, and all processes that have the marker, hold the file or are in the group. It
// sends SIGTERM (and SIGCONT, so that a stopped process can react), and SIGKILL after the grace. It repeats the search
// until it finds no process, so that processes that were forked meanwhile end, too. It never signals itself, its
// ancestors, pid 1, or a process whose start time differs. It returns the processes that are left, because ctx ended
// first, or because they may not be signalled or do not react.
func End(ctx context.Context, e Ending) (left []Process, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, e.Grace+killLimit, errLeft)
	defer cancel()
	d, err := NewDeaths()
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = d.Serve(ctx) })
	defer wg.Wait()
	defer d.Close()

	end := &ending{Ending: e, deaths: d, known: map[Process]bool{}, living: map[Process]bool{}, denied: map[Process]bool{}}
	end.signal = syscall.SIGTERM
	if e.Grace <= 0 {
		end.signal = syscall.SIGKILL
	}
	end.note(e.Procs)
	err = end.run(ctx)
	for p := range end.living {
		left = append(left, p)
	}
	for p := range end.denied {
		if p.Alive() {
			left = append(left, p)
		}
	}
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("end %d processes: not permitted", len(left))
	}
	return left, err
}

// ending is the state of one call of End.
type ending struct {
	Ending
	deaths *Deaths
	signal syscall.Signal
	known  map[Process]bool // all processes that were found
	living map[Process]bool // not yet reported dead
	denied map[Process]bool // may not be signalled, because they changed their user
	errs   []error
}

func (e *ending) run(ctx context.Context) error {
	grace := time.NewTimer(e.Grace)
	defer grace.Stop()
	step := firstLook
	look := time.NewTimer(step)
	defer look.Stop()
	for {
		if err := e.look(); err != nil {
			return err
		}
		if len(e.living) == 0 {
			return errors.Join(e.errs...)
		}
		for again := false; !again && len(e.living) > 0; {
			select {
			case x := <-e.deaths.C():
				delete(e.living, x.Process)
			case <-look.C:
				step = min(2*step, slowLook)
				look.Reset(step)
				again = true
			case <-grace.C:
				e.signal = syscall.SIGKILL
				for p := range e.living {
					e.send(p, e.signal)
				}
			case <-ctx.Done():
				return fmt.Errorf("end processes: %w", context.Cause(ctx))
			}
		}
	}
}

// look searches for the processes and signals new ones.
func (e *ending) look() error {
	all, err := processes()
	if err != nil {
		return err
	}
	never := untouchable(all)
	spare := func(p Process, _ bool) bool { return never[p.PID] }
	maps.DeleteFunc(e.living, spare)
	roots := make([]int, 0, len(e.living))
	for p := range e.living {
		roots = append(roots, p.PID)
	}
	e.note(descendants(all, roots))
	for _, find := range e.finders() {
		found, err := find()
		if err != nil && !errors.Is(err, ErrUnsupported) {
			return err
		}
		e.note(found)
	}
	maps.DeleteFunc(e.living, spare)
	headless := map[Process]bool{}
	for _, p := range all {
		if e.Headless != 0 && p.group == e.Headless {
			headless[p.Process] = true
		}
	}
	var others []Process
	for p := range e.living {
		if e.known[p] {
			continue
		}
		e.known[p] = true
		if err := e.deaths.Watch(p, nil); err != nil {
			return err
		}
		if headless[p] {
			e.send(p, syscall.SIGKILL)
		} else {
			others = append(others, p)
		}
	}
	for _, p := range others {
		e.send(p, e.signal)
	}
	return nil
}

// finders returns the searches for processes that are no longer descendants of known ones.
func (e Ending) finders() (all []func() ([]Process, error)) {
	if e.Mark[0] != "" {
		all = append(all, func() ([]Process, error) { return Marked(e.Mark[0], e.Mark[1]) })
	}
	if e.Held != "" {
		all = append(all, func() ([]Process, error) { return Holders(e.Held) })
	}
	if e.Group != "" {
		all = append(all, func() ([]Process, error) { return Grouped(e.Group) })
	}
	return all
}

// note adds processes that were not found before to the living.
func (e *ending) note(procs []Process) {
	for _, p := range procs {
		if !e.known[p] {
			e.living[p] = true
		}
	}
}

func (e *ending) send(p Process, signal syscall.Signal) {
	err := p.Signal(signal)
	if err == nil && signal == syscall.SIGTERM {
		err = p.Signal(syscall.SIGCONT)
	}
	if err == nil || errors.Is(err, ErrGone) {
		return // its death is reported separately
	}
	e.errs = append(e.errs, err)
	e.denied[p] = true
	delete(e.living, p)
}
