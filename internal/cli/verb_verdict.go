package cli

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/inside"
)

const verdictHelp = `Give the verdict of a review, in the shell of the reviewer; the reviewer then ends its turn. Red findings go to the
author of the work. A later verdict of the same turn replaces an earlier one.

  muster verdict green
  muster verdict red "parse.go:31: the error of Close is dropped; return it"
  muster verdict red - < findings.txt`

func newVerdictCommand(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "verdict green|red [FINDINGS|-]", Short: "Give the verdict of a review", Long: verdictHelp, Args: cobra.MinimumNArgs(1),
	}
	result[event.Record]{
		get: func(_ context.Context, args []string) (event.Record, error) {
			color := event.VerdictColor(args[0])
			if color != event.VerdictGreen && color != event.VerdictRed {
				return event.Record{}, fault.New(fault.Usage, "verdict: %q is neither green nor red", args[0]).WithHint("Write: muster verdict green, or: muster verdict red \"FINDINGS\"")
			}
			findings := strings.Join(args[1:], " ")
			if findings == "-" {
				b, err := io.ReadAll(io.LimitReader(env.Stdin, inside.MaxFindings+1))
				if err != nil {
					return event.Record{}, fault.Wrap(fault.Failed, err, "read the findings")
				}
				findings = string(b)
			}
			if color == event.VerdictRed && strings.TrimSpace(findings) == "" {
				return event.Record{}, fault.New(fault.Usage, "verdict: red needs its findings").WithHint("Say what is wrong, and where: muster verdict red \"FINDINGS\"")
			}
			v, err := env.voice(c.Name())
			if err != nil {
				return event.Record{}, err
			}
			return v.Verdict(color, findings)
		},
		show: func(r event.Record) error {
			return env.say("Noted: " + string(r.Verdict.Result) + ". End your turn now.")
		},
	}.addTo(env, c)
	return verb(c, groupAgent)
}
