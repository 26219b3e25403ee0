package cli

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/life"
	"muster/internal/words"
)

const whyHelp = `Show the decisions that led to a task's state: for each of them the facts that muster saw, the
rule by which it decided, its actions, and their results.

  muster why t3
  muster why t3 --json | jq '.[] | select(.rule == "round.red")'`

func newWhyCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "why ID", Short: "Show the decisions that led to a task's state", Long: whyHelp, Args: cobra.ExactArgs(1),
	}, groupLook)
	result[control.History]{
		json: "an array of decisions",
		get: func(ctx context.Context, args []string) (control.History, error) {
			return get(ctx, env, control.Why{Ref: args[0]})
		},
		view: func(_ context.Context, h control.History) (any, error) { return h.Told(), nil },
		show: func(h control.History) error { return printStory(env, h.Task, h.Told()) },
	}.addTo(env, c)
	return c
}

func printStory(env Env, t life.Task, all []control.Told) error {
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
func actEnd(a control.ToldAct) string {
	switch {
	case a.Ended == nil:
		return "which is under way"
	case a.Error != "":
		return "which failed: " + words.FirstLine(a.Error)
	}
	return "done in " + a.Ended.Sub(a.Begun).Round(time.Millisecond).String()
}
