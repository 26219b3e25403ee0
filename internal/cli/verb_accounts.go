package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/words"
)

const accountsHelp = `List the accounts that agents use: those of config.toml in the order of preference, then the implied ones
of agents without a configured account. An account that has met its usage limit rests: nothing is
started on it, and its agents get nothing until one of them has tried it.

  muster accounts
  muster accounts --json | jq '.[] | select(.state != "free")'
  muster accounts wake work
  muster accounts rest work --until 18:30`

const accountsWakeHelp = `Try an account again now, such as after a login: one of its agents goes on, and when it has an answer
the others follow, one after another.

  muster accounts wake work
  CLAUDE_CONFIG_DIR=~/.claude-work claude /login; muster accounts wake work`

const accountsRestHelp = `Let an account rest: nothing is started on it, and its agents stop at the ends of their turns.

  muster accounts rest work
  muster accounts rest work --until 18:30
  muster accounts rest work --until 2026-12-01T06:00:00Z
  muster accounts rest work --until 3h`

// onAccount is the JSON of a request about an account.
type onAccount struct {
	Account   event.AccountID `json:"account"`
	Requested string          `json:"requested"` // the verb
	Seq       int64           `json:"seq"`       // `muster events --after SEQ` shows the effect
}

func newAccountsCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "accounts", Short: "List the accounts that agents use, wake them, let them rest", Long: accountsHelp, Args: cobra.NoArgs,
	}, groupLook)
	result[[]control.AccountStatus]{
		get: func(ctx context.Context, _ []string) ([]control.AccountStatus, error) {
			return get(ctx, env, control.Accounts{})
		},
		show: func(all []control.AccountStatus) error { return printAccounts(env, all) },
	}.addTo(env, c)
	c.AddCommand(newAccountsWakeCommand(env), newAccountsRestCommand(env))
	return c
}

func newAccountsWakeCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "wake NAME", Short: "Try an account again now", Long: accountsWakeHelp, Args: cobra.ExactArgs(1),
	}, "")
	result[onAccount]{
		get: func(ctx context.Context, args []string) (onAccount, error) {
			name := event.AccountID(args[0])
			out, _, err := do(ctx, env, control.WakeAccount{Name: name})
			return onAccount{Account: name, Requested: "wake", Seq: out.Seq}, err
		},
	}.addTo(env, c)
	return c
}

func newAccountsRestCommand(env Env) *cobra.Command {
	var until string
	c := verb(&cobra.Command{
		Use: "rest NAME", Short: "Let an account rest", Long: accountsRestHelp, Args: cobra.ExactArgs(1),
	}, "")
	c.Flags().StringVar(&until, "until", "", "wake it at `TIME`: "+timeForms+"; without it somebody has to wake it")
	result[onAccount]{
		get: func(ctx context.Context, args []string) (onAccount, error) {
			at, err := readTime("until", until, future, env.Now())
			if err != nil {
				return onAccount{}, err
			}
			name := event.AccountID(args[0])
			out, _, err := do(ctx, env, control.RestAccount{Name: name, Until: at})
			return onAccount{Account: name, Requested: "rest", Seq: out.Seq}, err
		},
	}.addTo(env, c)
	return c
}

func printAccounts(env Env, all []control.AccountStatus) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(env.Stderr, "No account was used yet. docs/accounts.md tells how to configure several.")
		return err
	}
	now := env.Now()
	var rows [][]string
	for _, a := range all {
		until := "-"
		if a.Until != nil {
			until = words.Until(*a.Until, now)
		}
		rows = append(rows, []string{
			clean(string(a.Name), 40), clean(cmp.Or(a.Agent, "all"), 20), a.State, until, fmt.Sprint(a.Running), fmt.Sprint(a.Limited), cmp.Or(usedText(a.Windows), "-"),
			cmp.Or(a.Spent.Text(), "-"),
		})
	}
	return env.table([]string{"NAME", "AGENT", "STATE", "UNTIL", "RUNNING", "LIMITED", "USED", "SPENT"}, rows)
}

// usedText describes the use of an account's limits.
func usedText(all []event.LimitWindow) string {
	var parts []string
	for _, w := range all {
		parts = append(parts, fmt.Sprintf("%s %.0f%%", clean(w.Name, 20), w.UsedPercent))
	}
	return strings.Join(parts, ", ")
}

// accountLine describes an account that is not free.
func accountLine(a control.AccountStatus, now time.Time) string {
	text := fmt.Sprintf("%s: %s", clean(string(a.Name), 40), words.Cause(a.Cause))
	switch {
	case a.Phase == "probing":
		text += "; one agent tries it"
	case a.Phase == "waking":
		text += "; its agents are woken one after another"
	case a.Until != nil:
		text += fmt.Sprintf("; it rests until %s (%s)", a.Until.Local().Format(time.DateTime), words.Until(*a.Until, now))
	default:
		text += fmt.Sprintf("; it rests until a person wakes it: muster accounts wake %s", clean(string(a.Name), 40))
	}
	return text
}
