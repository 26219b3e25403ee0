package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/words"
)

const lsHelp = `List the live tasks and those that ended within the last day. The first hundred queued tasks and the
last hundred ended tasks are shown; --all and --json show all of them.

  muster ls
  muster ls --all --json | jq '.[] | select(.state == "parked") | .id'`

func newLsCommand(env Env) *cobra.Command {
	var all, asJSON bool
	c := verb(&cobra.Command{
		Use: "ls", Short: "List the tasks", Long: lsHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withControl(env, func(c *control.Control) error {
				if asJSON {
					raw, err := control.Get(cmd.Context(), c, control.TasksJSON{All: all})
					if err != nil {
						return err
					}
					return printRaw(env, raw)
				}
				if all {
					tasks, err := control.Get(cmd.Context(), c, control.Tasks{All: true})
					if err != nil {
						return err
					}
					return printTasks(env, tasks)
				}
				o, err := control.Get(cmd.Context(), c, control.Overview{Most: mostListed})
				if err != nil {
					return err
				}
				if err := printTasks(env, o.Tasks); err != nil {
					return err
				}
				return printLeftOut(env, o)
			})
		},
	}, groupLook)
	c.Flags().BoolVar(&all, "all", false, "every task, including those that ended long ago")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// mostListed is the default maximum of listed tasks: of the queued ones, and of the ended ones.
const mostListed = 100

// printLeftOut prints how many tasks a list does not show.
func printLeftOut(env Env, o control.TasksOverview) error {
	var parts []string
	if o.Waiting > 0 {
		parts = append(parts, fmt.Sprintf("%d more wait for their turn", o.Waiting))
	}
	if o.Ended > 0 {
		parts = append(parts, fmt.Sprintf("%d more ended within a day", o.Ended))
	}
	if len(parts) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(env.Stderr, "%s. `muster ls --all` lists every task.\n", strings.Join(parts, ", "))
	return err
}

// printRaw prints JSON objects of the store as one array. They are formatted in one pass: encoding and checking each
// of a thousand again would take longer than reading them.
func printRaw(env Env, raw []json.RawMessage) error {
	var joined, out bytes.Buffer
	joined.WriteByte('[')
	for i, doc := range raw {
		if i > 0 {
			joined.WriteByte(',')
		}
		joined.Write(doc)
	}
	joined.WriteByte(']')
	if err := json.Indent(&out, joined.Bytes(), "", "  "); err != nil {
		return fmt.Errorf("lay out the tasks: %w", err)
	}
	out.WriteByte('\n')
	_, err := env.Stdout.Write(out.Bytes())
	return err
}

func printTasks(env Env, tasks []control.Summary) error {
	if len(tasks) == 0 {
		_, err := fmt.Fprintln(env.Stderr, "No tasks. `muster dispatch \"…\"` queues one.")
		return err
	}
	width, nameWidth := env.width(), 32
	roomy, cramped := width == 0 || width >= 100, width > 0 && width < 60
	if !roomy {
		nameWidth = 20 // leaves more room for the description
	}
	pick := func(id, state, since, agent, rounds, name, about string) []string {
		switch {
		case cramped:
			return []string{id, state, name, about}
		case roomy:
			return []string{id, state, since, agent, rounds, name, about}
		}
		return []string{id, state, since, agent, name, about}
	}
	now := env.Now()
	var rows [][]string
	for _, t := range tasks {
		rows = append(rows, pick(
			string(t.ID), paint(env, t.State), words.Ago(*t.ChangedAt, now), clean(t.Agent, 12), fmt.Sprint(t.Rounds),
			ansi.Truncate(clean(t.Name, 100), nameWidth, "…"), clean(words.About(&t), 200),
		))
	}
	return env.table(pick("ID", "STATE", "FOR", "AGENT", "ROUNDS", "NAME", ""), rows)
}

// paint colours a state by its urgency: red and yellow need a person, green is good, the others are in progress.
func paint(env Env, s event.State) string {
	if !env.colour() {
		return string(s)
	}
	code := map[words.Tone]string{words.ToneGood: "32", words.ToneBad: "31", words.ToneWarn: "33", words.ToneDim: "90", words.ToneBusy: "36"}[words.ToneOf(s)]
	return "\x1b[" + code + "m" + string(s) + "\x1b[0m"
}
