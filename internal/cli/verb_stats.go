package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/control"
)

const statsHelp = `Show what tasks took that have ended: rounds of checks, attempts, how often a person had to act (answers, messages,
interrupts, retries), tokens and money; by repository, agent, model and week, or by one of them. PER DONE is what all tasks
of the line used, for each that was done. Money is at list prices; + marks lines with models whose price is not known.

  muster stats --since 30d --by model
  muster stats --since 2026-10-01 --until 2026-11-01 --json`

func newStatsCommand(env Env) *cobra.Command {
	var since, until, by string
	c := verb(&cobra.Command{
		Use: "stats", Short: "Show what tasks took, by repository, agent, model and week", Long: statsHelp, Args: cobra.NoArgs,
	}, groupLook)
	c.Flags().StringVar(&since, "since", "", "only tasks that ended after `TIME`: "+timeForms)
	c.Flags().StringVar(&until, "until", "", "only tasks that ended by `TIME`, of the same forms")
	c.Flags().StringVar(&by, "by", "", "one line for each `WHAT`: repo, agent, model or week")
	result[[]control.StatsRow]{
		json: "an array of groups",
		get: func(ctx context.Context, _ []string) ([]control.StatsRow, error) {
			if err := blankFlag(c.Flags()); err != nil {
				return nil, err
			}
			from, to, err := readWindow(since, until, env.Now())
			if err != nil {
				return nil, err
			}
			return get(ctx, env, control.Stats{Since: from, Until: to, By: by})
		},
		view: func(_ context.Context, rows []control.StatsRow) (any, error) { return control.OrEmpty(rows), nil },
		show: func(rows []control.StatsRow) error { return printStats(env, by, rows) },
	}.addTo(env, c)
	return c
}

func printStats(env Env, by string, rows []control.StatsRow) error {
	if len(rows) == 0 {
		return env.say("No task has ended in this time.")
	}
	head := []string{"TASKS", "DONE", "ROUNDS", "ATTEMPTS", "ACTS", "TOKENS", "COST", "TOKENS PER DONE", "COST PER DONE"}
	keys := []string{by}
	if by == "" {
		keys = control.StatsBy
	}
	var names []string
	for _, key := range keys {
		names = append(names, strings.ToUpper(key))
	}
	var table [][]string
	for _, r := range rows {
		var line []string
		for _, key := range keys {
			value := map[string]string{"repo": filepath.Base(r.Repo), "agent": r.Agent, "model": r.Model, "week": r.Week}[key]
			line = append(line, clean(value, 40))
		}
		more := ""
		if len(r.Unpriced) > 0 {
			more = "+"
		}
		tokens, cost := "–", "–"
		if r.TokensPerDone != nil {
			tokens, cost = fmt.Sprint(*r.TokensPerDone), fmt.Sprintf("$%.2f%s", *r.CostPerDone, more)
		}
		table = append(table, append(line, fmt.Sprint(r.Tasks), fmt.Sprint(r.Done), fmt.Sprint(r.Rounds), fmt.Sprint(r.Attempts),
			fmt.Sprint(r.Interventions), fmt.Sprint(r.Tokens), fmt.Sprintf("$%.2f%s", r.CostUSD, more), tokens, cost))
	}
	return env.table(append(names, head...), table)
}
