package cli

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/words"
)

const whyHelp = `Show the decisions that led to a task's state: for each of them the facts that muster saw, the
rule by which it decided, its actions, and their results.

  muster why t3
  muster why t3 --json | jq '.[] | select(.rule == "round.red")'`

// intervention is one decision: the facts, the rule, the actions and their results.
type intervention struct {
	Seq    int64        `json:"seq"`
	Time   time.Time    `json:"time"`
	Facts  []fact       `json:"facts"`
	Rule   string       `json:"rule"`    // "" if the state did not change
	Means  string       `json:"meaning"` // the rule in plain words
	From   event.State  `json:"from,omitempty"`
	To     event.State  `json:"to,omitempty"`
	Reason event.Reason `json:"reason,omitempty"`
	Detail string       `json:"detail,omitempty"`
	Acts   []act        `json:"acts"`
}

// fact is something that was seen or requested.
type fact struct {
	Seq  int64      `json:"seq"`
	Time time.Time  `json:"time"`
	Kind event.Kind `json:"kind"`
	Text string     `json:"text"`
}

// act is something that muster did, and its result.
type act struct {
	ID    event.ActionID   `json:"id"`
	Kind  event.ActionKind `json:"kind"`
	Text  string           `json:"text"`
	Begun time.Time        `json:"begun"`
	Ended *time.Time       `json:"ended"` // null: not yet
	Error string           `json:"error"`
}

func newWhyCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "why ID", Short: "Show the decisions that led to a task's state", Long: whyHelp, Args: cobra.ExactArgs(1),
	}, groupLook)
	result[control.History]{
		json: "an array of decisions",
		get: func(ctx context.Context, args []string) (control.History, error) {
			return get(ctx, env, control.Why{Ref: args[0]})
		},
		view: func(_ context.Context, h control.History) (any, error) { return story(h), nil },
		show: func(h control.History) error { return printStory(env, h.Task, story(h)) },
	}.addTo(env, c)
	return c
}

// story describes the decisions about a task.
func story(h control.History) []intervention {
	all := []intervention{}
	for _, d := range h.Decisions {
		i := intervention{Seq: d.Seq, Time: d.Time, Facts: []fact{}, Acts: []act{}}
		for _, e := range d.Facts {
			i.Facts = append(i.Facts, fact{Seq: e.Seq, Time: e.Time, Kind: e.Kind(), Text: words.Event(e)})
		}
		if m := d.Move; m != nil {
			i.Rule, i.Means, i.From, i.To, i.Reason, i.Detail = m.Rule, life.RuleText(m.Rule), m.From, m.To, m.Reason, m.Detail
		}
		for _, a := range d.Acts {
			done := act{ID: a.Action.ID, Kind: a.Action.Kind(), Text: words.Action(a.Action), Begun: a.Begun, Error: a.Error}
			if !a.Ended.IsZero() {
				done.Ended = &a.Ended
			}
			i.Acts = append(i.Acts, done)
		}
		all = append(all, i)
	}
	return all
}

func printStory(env Env, t life.Task, all []intervention) error {
	p := &page{env: env, now: env.Now()}
	fmt.Fprintf(&p.b, "%s  %s  %s\n", t.ID, clean(t.Spec.Name, 60), paint(env, t.State))
	for _, i := range all {
		p.b.WriteString("\n" + i.Time.Local().Format(time.DateTime))
		if i.To != "" {
			fmt.Fprintf(&p.b, "  %s → %s", i.From, i.To)
		}
		p.b.WriteString("\n")
		for _, f := range i.Facts {
			p.field("saw", f.Text)
		}
		if i.Rule != "" {
			p.field("rule", fmt.Sprintf("%s: %s", i.Rule, cmp.Or(i.Means, "a rule of another version")))
			p.field("because", i.Detail)
		}
		for _, a := range i.Acts {
			p.field("did", a.Text+", "+actEnd(a))
		}
	}
	return p.flush()
}

// actEnd describes the result of an act.
func actEnd(a act) string {
	switch {
	case a.Ended == nil:
		return "which is under way"
	case a.Error != "":
		return "which failed: " + words.FirstLine(a.Error)
	}
	return "done in " + a.Ended.Sub(a.Begun).Round(time.Millisecond).String()
}
