package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/intake"
	"muster/internal/life"
	"muster/internal/words"
)

const waitHelp = `Wait until tasks are over. It ends at once with exit code 4 when one of them parks, because that task
needs a person.

  muster wait t3 t4 --timeout 2h
  muster wait --any t3 t4 && echo "one is done"`

type waitOptions struct {
	timeout string
	any     bool
}

func newWaitCommand(env Env) *cobra.Command {
	var o waitOptions
	c := verb(&cobra.Command{
		Use: "wait ID…", Short: "Wait until tasks are over", Long: waitHelp, Args: cobra.MinimumNArgs(1),
	}, groupLook)
	c.Flags().StringVar(&o.timeout, "timeout", "", "wait no longer than `TIME`, such as 90s or 2h (default: no limit)")
	c.Flags().BoolVar(&o.any, "any", false, "until the first of them has ended")
	result[[]waited]{
		json: "the id and state of each",
		get: func(ctx context.Context, args []string) (all []waited, err error) {
			err = withControl(env, func(c *control.Control) error {
				all, err = wait(ctx, env, c, o, args)
				return err
			})
			return all, err
		},
	}.addTo(env, c)
	return c
}

// waited is the result for one task.
type waited struct {
	Task   event.TaskID `json:"task"`
	State  event.State  `json:"state"`
	Reason event.Reason `json:"reason"`
	Detail string       `json:"detail"`
}

// waiter holds the tasks to wait for.
type waiter struct {
	env   Env
	any   bool
	order []event.TaskID
	tasks map[event.TaskID]waited
}

func wait(ctx context.Context, env Env, c *control.Control, o waitOptions, refs []string) ([]waited, error) {
	var limit time.Duration
	if err := intake.ParseDuration("timeout", o.timeout, &limit); err != nil {
		return nil, err
	}
	h, err := control.Get(ctx, c, control.Health{}) // before the tasks are read, so that no event is missed
	if err != nil {
		return nil, err
	}
	w := waiter{env: env, any: o.any, tasks: map[event.TaskID]waited{}}
	for _, ref := range refs {
		t, err := control.Get(ctx, c, control.One{Ref: ref})
		if err != nil {
			return nil, err
		}
		w.add(t)
	}
	if !h.Running && !w.over() {
		env.warn("No supervisor runs: nothing happens until `muster up`.")
	}
	if err := w.follow(ctx, c, h.LastSeq, limit); err != nil {
		return w.states(), partial{err}
	}
	return w.states(), nil
}

func (w *waiter) add(t life.Task) {
	if _, twice := w.tasks[t.ID]; !twice {
		w.order = append(w.order, t.ID)
	}
	w.tasks[t.ID] = waited{Task: t.ID, State: t.State, Reason: t.Reason, Detail: t.Detail}
}

// over reports whether the wait has ended.
func (w *waiter) over() bool {
	left := len(w.order)
	for _, t := range w.tasks {
		if t.State == event.Parked {
			return true
		}
		if t.State.Final() {
			left--
		}
	}
	return left == 0 || w.any && left < len(w.order)
}

// follow waits for the end and returns the verdict.
func (w *waiter) follow(ctx context.Context, c *control.Control, from int64, limit time.Duration) error {
	watching := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		watching, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	if !w.over() {
		w.say()
		task := event.TaskID("")
		if len(w.order) == 1 {
			task = w.order[0]
		}
		for e, err := range c.Watch(watching, from, task) {
			if err != nil {
				return err
			}
			w.take(e)
			if w.over() {
				break
			}
		}
	}
	switch {
	case w.over():
		return w.verdict()
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fault.New(fault.Timeout, "not over within %s: %s", duration(limit), w.unfinished())
}

func (w *waiter) take(e event.Event) {
	p, ok := e.Data.(event.TaskMoved)
	if _, mine := w.tasks[e.Task]; !ok || !mine {
		return
	}
	w.tasks[e.Task] = waited{Task: e.Task, State: p.To, Reason: p.Reason, Detail: p.Detail}
	if isTerminal(w.env.Stderr) {
		w.env.warn(fmt.Sprintf("%s  %s  %s", e.Task, p.To, clean(p.Detail, 200)))
	}
	w.say()
}

// say says which tasks are waited for.
func (w *waiter) say() {
	left := w.left()
	what := "waiting for "
	if w.any && len(left) > 1 {
		what += "one of "
	}
	w.env.progress.say(what + words.Tasks(left))
}

// left returns the states of the tasks that are not over.
func (w *waiter) left() (left []words.TaskState) {
	for _, id := range w.order {
		if t := w.tasks[id]; !t.State.Final() {
			left = append(left, words.TaskState{ID: id, State: t.State})
		}
	}
	return left
}

func (w *waiter) unfinished() string {
	text := ""
	for _, t := range w.left() {
		text += fmt.Sprintf(" %s is %s", t.ID, t.State)
	}
	return text[1:]
}

// verdict returns the worst result.
func (w *waiter) verdict() error {
	for _, id := range w.order {
		if t := w.tasks[id]; t.State == event.Parked {
			return fault.New(fault.Conflict, "%s is parked (%s): %s", id, t.Reason, clean(words.FirstLine(t.Detail), 200)).
				WithHint("`muster show %s` shows what to do.", id)
		}
	}
	for _, id := range w.order {
		if t := w.tasks[id]; t.State.Final() && t.State != event.Done {
			return fault.New(fault.Failed, "%s is %s (%s): %s", id, t.State, t.Reason, clean(words.FirstLine(t.Detail), 200)).
				WithHint("`muster why %s` shows the decisions that led there.", id)
		}
	}
	return nil
}

// states returns the result of each task.
func (w *waiter) states() []waited {
	all := []waited{}
	for _, id := range w.order {
		all = append(all, w.tasks[id])
	}
	return all
}
