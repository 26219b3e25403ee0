package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"muster/internal/text"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
)

const logsHelp = `Print the log of a task: the text of its agent's terminal with its history, as long as
the session exists, otherwise what the agent reported. --check prints the output of a check.

  muster logs t3 -f
  muster logs t3 --check test
  muster logs t3 --check test --grep panic   the lines that have it
  muster logs --supervisor -f          the supervisor's own log`

// followStep is the pause between two reads of a growing log that a person follows.
const followStep = 500 * time.Millisecond

type logsOptions struct {
	follow, supervisor, json bool
	check, grep              string
	round, gen               int
}

func newLogsCommand(env Env) *cobra.Command {
	var o logsOptions
	c := verb(&cobra.Command{
		Use: "logs ID", Short: "Print the output of an agent or a check", Long: logsHelp,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.supervisor {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("grep") {
				return grepLog(cmd.Context(), env, o, strings.Join(args, ""))
			}
			return logs(cmd.Context(), env, o, strings.Join(args, ""))
		},
	}, groupLook)
	c.Flags().BoolVarP(&o.follow, "follow", "f", false, "print new output until Ctrl-C")
	c.Flags().BoolVar(&o.supervisor, "supervisor", false, "the supervisor's own log")
	c.Flags().StringVar(&o.check, "check", "", "the output of check `NAME`, in the newest or running round")
	c.Flags().IntVar(&o.round, "round", 0, "with --check: in round `N`")
	c.Flags().IntVar(&o.gen, "gen", 0, "what generation `N` of the agent reported")
	c.Flags().StringVar(&o.grep, "grep", "", "only the lines that have `WORDS`, in capitals or not")
	c.Flags().BoolVar(&o.json, "json", false, "print JSON: the source and its text")
	return c
}

func (o logsOptions) log(ref string) control.Log {
	return control.Log{Ref: ref, Supervisor: o.supervisor, Check: o.check, Round: o.round, Gen: o.gen}
}

// tellSource says that there is less than what was asked for.
func (o logsOptions) tellSource(env Env, id event.TaskID, source string) {
	if source == control.LogRecords && o.gen == 0 {
		_, _ = fmt.Fprintf(env.Stderr, "The session of %s is gone; this is what its agent reported.\n", id)
	}
}

// grepLog prints the lines of a log that have some words.
func grepLog(ctx context.Context, env Env, o logsOptions, ref string) error {
	if o.follow {
		return fault.New(fault.Usage, "--grep searches in what the log has now, and --follow prints what comes").WithHint("Leave one of them out.")
	}
	found, err := get(ctx, env, control.Search{Log: o.log(ref), Words: o.grep})
	if err != nil {
		return err
	}
	o.tellSource(env, found.Task, found.Source)
	if o.json {
		return printJSON(env.Stdout, found.Told())
	}
	if found.Count == 0 {
		env.warn(fmt.Sprintf("No line of it has %q.", clean(o.grep, 200)))
	}
	w := env.forPeople()
	for _, line := range found.Lines {
		if _, err := fmt.Fprintf(w, "%d:%s\n", line.Number, line.Text); err != nil {
			return err
		}
	}
	return w.Close()
}

func logs(ctx context.Context, env Env, o logsOptions, ref string) error {
	return withControl(env, func(c *control.Control) error {
		l, err := control.Get(ctx, c, o.log(ref))
		if err != nil {
			return err
		}
		o.tellSource(env, l.Task, l.Source)
		if l.Recorded {
			_, _ = fmt.Fprintf(env.Stderr, "What its terminal showed: muster replay %s\n", l.Task)
		}
		if !o.json {
			return follow(ctx, env, l, o.follow)
		}
		said, err := l.Say(ctx)
		if err != nil {
			return err
		}
		return printJSON(env.Stdout, control.ToldLog{Task: l.Task, Source: l.Source, Text: text.Terminal(said, false)})
	})
}

// follow prints a log, and then what is added to it. A full-screen agent redraws in place; the output then continues
// with the first line that differs.
func follow(ctx context.Context, env Env, l control.TaskLog, on bool) error {
	w := env.forPeople()
	printed := ""
	tick := time.NewTicker(followStep)
	defer tick.Stop()
	for {
		text, err := l.Say(ctx)
		if errors.Is(err, control.ErrNoScreen) || on && fault.Is(err, fault.NotFound) {
			return w.Close() // the log ended while it was followed
		}
		if err != nil {
			return err
		}
		if text != printed {
			if _, err := io.WriteString(w, text[commonLines(printed, text):]); err != nil {
				return err
			}
			printed = text
		}
		if !on {
			return endLine(w, text)
		}
		select {
		case <-ctx.Done():
			return errors.Join(w.Close(), ctx.Err())
		case <-tick.C:
		}
	}
}

func endLine(w *text.Writer, text string) error {
	if text != "" && !strings.HasSuffix(text, "\n") {
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
	}
	return w.Close()
}

// commonLines returns the offset at which two texts begin to differ: the beginning of a line, or the end of the older
// text if the newer one continues it.
func commonLines(old, text string) int {
	if strings.HasPrefix(text, old) {
		return len(old)
	}
	n := 0
	for n < len(old) && n < len(text) && old[n] == text[n] {
		n++
	}
	return strings.LastIndexByte(text[:n], '\n') + 1
}
