package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/words"
)

const eventsHelp = `Print the log: every event, oldest first. With --json each event is one object on a line.

  muster events --task t3
  muster events --last 20 -f
  muster events --since 22:00 --kind task.moved
  muster events -f --json --kind task.moved | jq -r '[.task, .data.to] | @tsv'`

type eventsOptions struct {
	follow bool
	task   string
	after  int64
	since  string
	last   int
	kinds  []string
	json   bool
}

func newEventsCommand(env Env) *cobra.Command {
	var o eventsOptions
	c := verb(&cobra.Command{
		Use: "events", Short: "Print the log of all events", Long: eventsHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withControl(env, func(c *control.Control) error { return events(cmd.Context(), env, c, o) })
		},
	}, groupLook)
	c.Flags().BoolVarP(&o.follow, "follow", "f", false, "print new events until Ctrl-C")
	c.Flags().StringVar(&o.task, "task", "", "only of the task `ID`")
	c.Flags().Int64Var(&o.after, "after", 0, "only events after the sequence number `N`")
	c.Flags().StringVar(&o.since, "since", "", "only what happened after `TIME`: "+timeForms)
	c.Flags().IntVar(&o.last, "last", 0, "only the newest `N` of these")
	c.Flags().StringSliceVar(&o.kinds, "kind", nil, "only of this `KIND`, or these with commas, such as task.moved")
	c.Flags().BoolVar(&o.json, "json", false, "print one JSON object a line")
	return c
}

func events(ctx context.Context, env Env, c *control.Control, o eventsOptions) error {
	kinds, err := eventKinds(o.kinds)
	if err != nil {
		return err
	}
	since, err := readTime("since", o.since, past, env.Now())
	if err != nil {
		return err
	}
	if o.last < 0 {
		return fault.New(fault.Usage, "--last: %d is negative", o.last).WithHint("Leave it out for all events.")
	}
	var id event.TaskID
	if o.task != "" {
		t, err := control.Get(ctx, c, control.One{Ref: o.task})
		if err != nil {
			return err
		}
		id = t.ID
	}
	all, err := control.Get(ctx, c, control.Events{After: o.after, Since: since, Task: string(id), Kinds: kinds, Limit: o.last, Newest: o.last > 0})
	if err != nil {
		return err
	}
	if o.last > 0 {
		all = reversed(all)
	}
	last := o.after
	for e, err := range all {
		if err != nil {
			return err
		}
		if err := printEvent(env, e, o.json); err != nil {
			return err
		}
		last = e.Seq
	}
	if !o.follow {
		return nil
	}
	for e, err := range c.Watch(ctx, last, id) {
		if err != nil {
			return err
		}
		if e.Time.Before(since) || len(kinds) > 0 && !slices.Contains(kinds, e.Kind()) {
			continue
		}
		if err := printEvent(env, e, o.json); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// reversed returns events in the opposite order. Those before an error are left out.
func reversed(all iter.Seq2[event.Event, error]) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		var found []event.Event
		for e, err := range all {
			if err != nil {
				yield(event.Event{}, err)
				return
			}
			found = append(found, e)
		}
		for _, e := range slices.Backward(found) {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// eventKinds returns an error for unknown kinds: a filter with a typing error would match nothing.
func eventKinds(words []string) ([]event.Kind, error) {
	known := event.Kinds()
	var out []event.Kind
	for _, w := range words {
		if !slices.Contains(known, event.Kind(w)) {
			slices.Sort(known)
			return nil, fault.New(fault.Usage, "--kind: there is no kind %q", w).WithHint("The kinds are: %v", known)
		}
		out = append(out, event.Kind(w))
	}
	return out, nil
}

func printEvent(env Env, e event.Event, asJSON bool) error {
	if asJSON {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("print event %d: %w", e.Seq, err)
		}
		_, err = fmt.Fprintf(env.Stdout, "%s\n", line)
		return err
	}
	task := string(e.Task)
	if task == "" {
		task = "-"
	}
	return env.line(fmt.Sprintf("%6d  %s  %-5s %-20s %s", e.Seq, e.Time.Local().Format(time.DateTime), task, clean(string(e.Kind()), 40), words.Event(e)))
}
