package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/internal/event"
	"muster/internal/fault"
)

const statusSetHelp = `Report what the agent is doing: append a record to its status file, as any program may do with
echo '{"state":"working"}' >> "$MUSTER_STATUS_FILE". This verb checks it first.

  muster status set working --note "running the tests"
  muster status set limited --until 2026-01-02T06:00:00Z`

// statusSetOptions are the flags of status set.
type statusSetOptions struct {
	note, reason, errorKind, until, message, tool string
	usage                                         event.Usage
}

func (o *statusSetOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.note, "note", "", "`TEXT` for people, in a line")
	f.StringVar(&o.reason, "reason", "", "with waiting: `WHY`, which is permission, question or dialog")
	f.StringVar(&o.errorKind, "error", "", "with error: `KIND` is rate_limit, overloaded, auth, billing, network, invalid_request, context_full, other")
	f.StringVar(&o.until, "until", "", "with limited: `TIME` when the limit ends, as in RFC 3339")
	f.StringVar(&o.message, "message", "", "`ID` of the muster message that this acknowledges, such as m3")
	f.StringVar(&o.tool, "tool", "", "`NAME` of the tool in use")
	f.Int64Var(&o.usage.InputTokens, "input-tokens", 0, "`N` tokens read so far by this conversation")
	f.Int64Var(&o.usage.OutputTokens, "output-tokens", 0, "`N` tokens written so far by this conversation")
	f.Float64Var(&o.usage.CostUSD, "cost-usd", 0, "`USD` that this conversation has cost so far")
}

func newStatusSetCommand(env Env) *cobra.Command {
	var o statusSetOptions
	c := &cobra.Command{
		Use: "set STATE", Short: "Report what the agent is doing (for agents, in their own shell)", Long: statusSetHelp, Args: cobra.ExactArgs(1),
	}
	o.addFlags(c.Flags())
	result[event.Record]{
		json: "the record",
		get: func(_ context.Context, args []string) (event.Record, error) {
			v, err := env.voice("status set")
			if err != nil {
				return event.Record{}, err
			}
			r, err := o.record(args[0])
			if err != nil {
				return r, err
			}
			return r, v.Report(r)
		},
	}.addTo(env, c)
	return c
}

func (o statusSetOptions) record(state string) (event.Record, error) {
	r := event.Record{
		State: event.RecordState(state), Note: o.note, Reason: event.WaitReason(o.reason), Error: event.ErrorKind(o.errorKind),
		Message: event.MessageID(o.message), Tool: o.tool,
	}
	if o.usage != (event.Usage{}) {
		r.Usage = &o.usage
	}
	if o.until != "" {
		at, err := time.Parse(time.RFC3339, o.until)
		if err != nil {
			return r, fault.New(fault.Usage, "--until: %q is not a time", o.until).WithHint("Write it as 2026-01-02T06:00:00Z.")
		}
		r.Until = at.UTC()
	}
	return r, nil
}
