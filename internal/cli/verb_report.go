package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/config"
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
	c.Flags().StringVar(&since, "since", "12h", "look back to `TIME`: 12h, 3d, 18:00, 2026-11-26 or 2026-11-26T18:00")
	c.Flags().StringVar(&form, "format", formText, "`FORM` of the report: text, md, json or html")
	result[report.Report]{
		json: "the whole report; every command in it begins with \"muster\"",
		get: func(ctx context.Context, _ []string) (report.Report, error) {
			from, err := backTo(since, env.Now())
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

// backTo returns the time that --since names: a duration before now, a time of the last 24 hours, a day, or a day and a time. Days and
// times are those of the local zone.
func backTo(since string, now time.Time) (time.Time, error) {
	bad := func(why string) (time.Time, error) {
		return time.Time{}, fault.New(fault.Usage, "--since: %q %s", clean(since, 40), why).
			WithHint("Give a duration such as 12h or 3d, a time such as 18:00, a day such as 2026-11-26, or both as in 2026-11-26T18:00.")
	}
	at := time.Time{}
	if d, ok := config.ParseDuration(since); ok {
		at = now.Add(-d)
	} else if today, ok := todayAt(since, now); ok {
		if today.After(now) {
			today = today.AddDate(0, 0, -1)
		}
		return today, nil
	} else {
		for _, form := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02 15:04", time.RFC3339} {
			if t, err := time.ParseInLocation(form, since, now.Location()); err == nil {
				at = t
				break
			}
		}
	}
	switch {
	case at.IsZero():
		return bad("is neither a duration nor a time")
	case at.After(now):
		return bad("is in the future")
	}
	return at, nil
}

// todayAt returns the time of today's local clock that a text such as "18:00" names; false if it names none.
func todayAt(s string, now time.Time) (time.Time, bool) {
	clock, err := time.Parse("15:04", s)
	here := now.Local()
	return time.Date(here.Year(), here.Month(), here.Day(), clock.Hour(), clock.Minute(), 0, 0, time.Local), err == nil
}
