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

const whyHelp = `Tell how a task came to where it is: each time muster did something about it, the facts that it saw, the
rule by which it decided, what it did, and what came of that.

  muster why t3
  muster why t3 --json | jq '.[] | select(.rule == "round.red")'`

// intervention is one decision: what was seen, the rule, what was done, what came of it.
type intervention struct {
	Seq    int64        `json:"seq"`
	Time   time.Time    `json:"time"`
	Facts  []fact       `json:"facts"`
	Rule   string       `json:"rule"`    // "" where something was done within a state
	Means  string       `json:"meaning"` // the rule in plain words
	From   event.State  `json:"from,omitempty"`
	To     event.State  `json:"to,omitempty"`
	Reason event.Reason `json:"reason,omitempty"`
	Detail string       `json:"detail,omitempty"`
	Acts   []act        `json:"acts"`
}

// fact is something that was seen or asked for.
type fact struct {
	Seq  int64      `json:"seq"`
	Time time.Time  `json:"time"`
	Kind event.Kind `json:"kind"`
	Text string     `json:"text"`
}

// act is something that muster did, and how it went.
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
		Use: "why ID", Short: "Tell how a task came to where it is", Long: whyHelp, Args: cobra.ExactArgs(1),
	}, groupLook)
	var task life.Task
	result[[]intervention]{
		json: "an array of decisions",
		get: func(ctx context.Context, args []string) (story []intervention, err error) {
			err = withControl(ctx, env, func(c *control.Control) error {
				task, story, err = tellStory(ctx, c, args[0])
				return err
			})
			return story, err
		},
		show: func(story []intervention) error { return printStory(env, task, story) },
	}.addTo(env, c)
	return c
}

func tellStory(ctx context.Context, c *control.Control, ref string) (life.Task, []intervention, error) {
	t, err := control.Get(ctx, c, control.One{Ref: ref})
	if err != nil {
		return t, nil, err
	}
	log, err := control.Get(ctx, c, control.Events{Task: string(t.ID)})
	if err != nil {
		return t, nil, err
	}
	s := story{}
	for e, err := range log {
		if err != nil {
			return t, nil, err
		}
		s.take(e)
	}
	return t, s.end(), nil
}

// story gathers the events of a task into decisions: the facts stand before the decision in the log, the acts
// behind it.
type story struct {
	all   []intervention
	facts []fact
}

func (s *story) take(e event.Event) {
	switch p := e.Data.(type) {
	case event.TaskMoved:
		s.begin(e)
		i := &s.all[len(s.all)-1]
		i.Rule, i.Means, i.From, i.To, i.Reason, i.Detail = p.Rule, life.RuleText(p.Rule), p.From, p.To, p.Reason, p.Detail
	case event.ActionIntended:
		if len(s.facts) > 0 || len(s.all) == 0 {
			s.begin(e)
		}
		i := &s.all[len(s.all)-1]
		i.Acts = append(i.Acts, act{ID: p.Action.ID, Kind: p.Action.Kind(), Text: words.Action(p.Action), Begun: e.Time})
	case event.ActionFinished:
		s.finished(e, p)
	case event.DeadlineSet, event.DeadlineCleared, event.UsageRecorded, event.SlotReleased, event.MessageMoved:
		// they follow from what is told anyhow
	default:
		if text := words.Event(e); text != "" {
			s.facts = append(s.facts, fact{Seq: e.Seq, Time: e.Time, Kind: e.Kind(), Text: text})
		}
	}
}

// begin starts a decision with the facts that were seen since the one before.
func (s *story) begin(e event.Event) {
	s.all = append(s.all, intervention{Seq: e.Seq, Time: e.Time, Facts: orEmpty(s.facts), Acts: []act{}})
	s.facts = nil
}

// finished notes how an act went, which is also a fact for the decision that follows.
func (s *story) finished(e event.Event, p event.ActionFinished) {
	for i := range s.all {
		for j := range s.all[i].Acts {
			if a := &s.all[i].Acts[j]; a.ID == p.ID {
				at := e.Time
				a.Ended, a.Error = &at, p.Error
			}
		}
	}
	s.facts = append(s.facts, fact{Seq: e.Seq, Time: e.Time, Kind: e.Kind(), Text: words.Event(e)})
}

// end gives the decisions, and what was seen since the last one.
func (s *story) end() []intervention {
	if len(s.facts) > 0 {
		last := s.facts[len(s.facts)-1]
		s.begin(event.Event{Seq: last.Seq, Time: last.Time})
	}
	return orEmpty(s.all)
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

// actEnd is how an act went.
func actEnd(a act) string {
	switch {
	case a.Ended == nil:
		return "which is under way"
	case a.Error != "":
		return "which failed: " + words.FirstLine(a.Error)
	}
	return "done in " + a.Ended.Sub(a.Begun).Round(time.Millisecond).String()
}
