package cli

import (
	"context"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/fault"
	"muster/internal/report"
)

const reportHelp = `Show what happened while you were away: what is finished, what needs you and the
command that takes it on, what muster did by itself, and why slots were free. Tasks
that ended before --since are left out. With --until it is about an earlier time: tasks that were
queued or ended after it are left out, and what has not ended is shown as it is now.

  muster report
  muster report --since 18:00
  muster report --since 2026-11-26T18:00 --until 2026-11-27T08:00
  muster report --since 3d --format html > report.html
  muster report --json | jq '.tasks[] | select(.group == "needs_you") | .next'`

// The forms of a report.
const (
	formText     = "text"
	formMarkdown = "md"
	formJSON     = "json"
	formHTML     = "html"
)

func newReportCommand(env Env) *cobra.Command {
	var since, until, form string
	c := verb(&cobra.Command{
		Use: "report", Short: "Show what happened while you were away", Long: reportHelp, Args: cobra.NoArgs,
	}, groupLook)
	c.Flags().StringVar(&since, "since", "12h", "look back to `TIME`: "+timeForms)
	c.Flags().StringVar(&until, "until", "", "leave out what happened after `TIME` (default: now)")
	c.Flags().StringVar(&form, "format", formText, "`FORM` of the report: text, md, json or html")
	result[report.Report]{
		json: "the whole report; every command in it begins with \"muster\"",
		get: func(ctx context.Context, _ []string) (report.Report, error) {
			from, to, err := readWindow(since, until, env.Now())
			if err != nil {
				return report.Report{}, err
			}
			switch form {
			case formText, formMarkdown, formJSON, formHTML:
			default:
				return report.Report{}, fault.New(fault.Usage, "--format: unknown format %q", clean(form, 40)).WithHint("Choose text, md, json or html.")
			}
			return get(ctx, env, control.Report{Since: from, Until: to})
		},
		show: func(r report.Report) error {
			switch form {
			case formMarkdown:
				return report.Markdown(env.Stdout, r)
			case formJSON:
				return printJSON(env.Stdout, r)
			case formHTML:
				return report.HTML(env.Stdout, r)
			}
			return report.Text(env.Stdout, r, env.width())
		},
	}.addTo(env, c)
	return c
}
