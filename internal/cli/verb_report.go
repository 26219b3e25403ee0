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
that ended before --since are left out.

  muster report
  muster report --since 18:00
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
	var since, form string
	c := verb(&cobra.Command{
		Use: "report", Short: "Show what happened while you were away", Long: reportHelp, Args: cobra.NoArgs,
	}, groupLook)
	c.Flags().StringVar(&since, "since", "12h", "look back to `TIME`: "+timeForms)
	c.Flags().StringVar(&form, "format", formText, "`FORM` of the report: text, md, json or html")
	result[report.Report]{
		json: "the whole report; every command in it begins with \"muster\"",
		get: func(ctx context.Context, _ []string) (report.Report, error) {
			from, err := readTime("since", since, past, env.Now())
			if err != nil {
				return report.Report{}, err
			}
			switch form {
			case formText, formMarkdown, formJSON, formHTML:
			default:
				return report.Report{}, fault.New(fault.Usage, "--format: unknown format %q", clean(form, 40)).WithHint("Choose text, md, json or html.")
			}
			return get(ctx, env, control.Report{Since: from})
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
