package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/store"
)

const dispatchHelp = `Queue a task and print its id. The prompt is one argument, or - for standard input. What the flags
do not say comes from muster.toml of the checkout, and is frozen now: later edits do not touch a
queued task.

  muster dispatch "make the tests of package auth pass" --check 'test=go test ./auth/...'
  muster dispatch --after t3 --base @t3 - < prompt.md
  muster dispatch --command './agent.sh {prompt_file}' "tidy the docs"
  muster dispatch --file tasks.toml

A file holds any number of tables [[task]] with the keys prompt, name, after, and those of the flags;
after may name tasks that stand above it in the file. All of them are queued, or none.`

// dispatchOptions are the flags of dispatch; a table of a tasks file has the same words.
type dispatchOptions struct {
	Name     string   `toml:"name"`
	Repo     string   `toml:"repo"`
	Agent    string   `toml:"agent"`
	Command  string   `toml:"command"`
	Model    string   `toml:"model"`
	Base     string   `toml:"base"`
	Checks   []string `toml:"check"`
	NoChecks bool     `toml:"no_checks"`
	Publish  string   `toml:"publish"`
	After    []string `toml:"after"`
	Priority *int     `toml:"priority"`
	Rounds   *int     `toml:"rounds"`
	Attempts *int     `toml:"attempts"`
	Timeout  string   `toml:"timeout"`
	Setup    *string  `toml:"setup"`
	Env      []string `toml:"env"`
	Keep     string   `toml:"keep"`
}

func (o *dispatchOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Name, "name", "", "a name for people (default: the prompt's first line)")
	f.StringVar(&o.Repo, "repo", "", "a checkout of the repository (default: the one around the working directory)")
	f.StringVar(&o.Agent, "agent", "", "claude, command, sim, or a name from [agents]")
	f.StringVar(&o.Command, "command", "", "any program: '{prompt} {prompt_file} {worktree} {task}' are filled in (implies --agent command)")
	f.StringVar(&o.Model, "model", "", "the agent's model")
	f.StringVar(&o.Base, "base", "", "branch or commit to start from, or @t3 for the branch of t3 (default: the branch checked out)")
	f.StringArrayVar(&o.Checks, "check", nil, "NAME=CMD: a check beside those of muster.toml; the same name replaces one")
	f.BoolVar(&o.NoChecks, "no-checks", false, "take the work unchecked")
	f.StringVar(&o.Publish, "publish", "", "none or branch: what happens to work that passed")
	f.StringSliceVar(&o.After, "after", nil, "tasks that must be done first")
	intFlag(f, &o.Priority, "priority", "higher goes first (default 0)")
	intFlag(f, &o.Rounds, "rounds", "rounds of checks before a person is asked")
	intFlag(f, &o.Attempts, "attempts", "agent processes that may fail by their own fault")
	f.StringVar(&o.Timeout, "timeout", "", "wall time of the whole task, such as 3h")
	f.Func("setup", "command to run in the new worktree", func(s string) error { o.Setup = &s; return nil })
	f.StringArrayVar(&o.Env, "env", nil, "K=V for the agent and its checks; nothing secret, that is for env_from")
	f.StringVar(&o.Keep, "keep", "", "how long the finished session keeps its last screen, such as 24h")
}

// intFlag is a number whose absence is not zero.
func intFlag(f *pflag.FlagSet, p **int, name, usage string) {
	f.Func(name, usage, func(s string) error {
		var n int
		if _, err := fmt.Sscanf(s, "%d", &n); err != nil || fmt.Sprint(n) != s {
			return fmt.Errorf("%q is not a number", s)
		}
		*p = &n
		return nil
	})
}

func newDispatchCommand(env Env) *cobra.Command {
	var o dispatchOptions
	var file string
	var asJSON bool
	c := verb(&cobra.Command{
		Use: "dispatch [flags] PROMPT|-", Short: "Queue a task, print its id", Long: dispatchHelp, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			tasks, err := readTasks(env, o, file, args)
			if err != nil {
				return err
			}
			return dispatch(cmd.Context(), env, tasks, asJSON)
		},
	}, groupRun)
	o.addFlags(c.Flags())
	c.Flags().StringVar(&file, "file", "", "queue all tasks of this file")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON: the task as `ls` does")
	return c
}

// order is one task as a person asked for it.
type order struct {
	options dispatchOptions
	prompt  string
	where   string // for errors: the flag, or the table of the file
}

// readTasks gathers what is asked for, from the arguments or from a file.
func readTasks(env Env, o dispatchOptions, file string, args []string) ([]order, error) {
	switch {
	case file != "" && len(args) > 0:
		return nil, fault.New(fault.Usage, "dispatch takes a prompt or --file, not both").WithHint("Leave one of them out.")
	case file != "":
		return readTasksFile(env, o, file)
	case len(args) == 0:
		return nil, fault.New(fault.Usage, "dispatch needs a prompt").WithHint("Usage: muster dispatch [flags] PROMPT, or - to read it from standard input.")
	}
	prompt := args[0]
	if prompt == "-" {
		data, err := io.ReadAll(io.LimitReader(env.Stdin, control.MaxPrompt+1))
		if err != nil {
			return nil, fault.Wrap(fault.Failed, err, "read the prompt from standard input")
		}
		prompt = string(data)
	}
	return []order{{options: o, prompt: prompt}}, nil
}

// dispatch checks everything that can be checked now, queues the tasks, and sees to it that somebody looks after
// them.
func dispatch(ctx context.Context, env Env, orders []order, asJSON bool) error {
	f, err := openFleet(env)
	if err != nil {
		return err
	}
	d := dispatcher{env: env, fleet: f}
	var cmd control.Dispatch
	for _, o := range orders {
		t, err := d.task(ctx, o)
		if err != nil {
			if o.where != "" {
				return fault.Wrap(fault.CodeOf(err), err, "%s", o.where)
			}
			return err
		}
		cmd.Tasks = append(cmd.Tasks, t)
	}
	out, err := request(ctx, env, cmd)
	if err != nil && len(out.Tasks) == 0 {
		return err
	}
	if perr := printDispatched(ctx, env, out.Tasks, asJSON); perr != nil {
		return perr
	}
	return err // queued, but nobody looks after it: that is said, and the task is not lost
}

func printDispatched(ctx context.Context, env Env, ids []event.TaskID, asJSON bool) error {
	if !asJSON {
		for _, id := range ids {
			if _, err := fmt.Fprintln(env.Stdout, id); err != nil {
				return err
			}
		}
		return nil
	}
	return withControl(ctx, env, func(c *control.Control) error {
		var all []store.Summary
		for _, id := range ids {
			t, err := control.Get(ctx, c, control.One{Ref: string(id)})
			if err != nil {
				return err
			}
			all = append(all, store.Summarize(t))
		}
		if len(all) == 1 {
			return printJSON(env.Stdout, all[0])
		}
		return printJSON(env.Stdout, all)
	})
}

// parseDuration reads the duration of a flag.
func parseDuration(flag, s string, into *time.Duration) error {
	if s == "" {
		return nil
	}
	d, ok := parseSpan(s)
	if !ok || d <= 0 {
		return fault.New(fault.Usage, "--%s: %q is not a duration", flag, s).WithHint("Use one such as 90s, 20m, 3h or 2d.")
	}
	*into = d
	return nil
}

// splitPair splits NAME=VALUE of a flag.
func splitPair(flag, s string) (name, value string, err error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok || strings.TrimSpace(name) == "" {
		return "", "", fault.New(fault.Usage, "--%s: %q is not NAME=VALUE", flag, s).WithHint("Write --%s 'name=value'.", flag)
	}
	return strings.TrimSpace(name), value, nil
}
