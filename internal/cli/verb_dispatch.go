package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/internal/control"
	"muster/internal/fault"
	"muster/internal/intake"
)

const dispatchHelp = `Queue a task and print its id. The prompt is one argument, or - for standard input.

  muster dispatch "make the tests pass" --check 'test=go test ./...'
  muster dispatch --after t3 --base @t3 - < prompt.md
  muster dispatch --command './agent.sh {prompt_file}' "tidy the docs"
  muster dispatch --file tasks.toml
  muster dispatch --race 3 "make it twice as fast"
  muster dispatch --race claude,codex "find the leak"

Options without a flag come from muster.toml of the checkout, and are frozen now: later edits do
not change a queued task. A file has any number of tables, with the flags' names as keys (no_checks
for --no-checks; race is a number or a list of agents); after and base may name tasks above them.
Either all of them are queued, or none:

  [[task]]
  name = "parser"
  prompt = "Make the parser accept trailing commas."

  [[task]]
  after = ["parser"]
  base = "@parser"
  prompt_file = "documentation.md"

A Markdown file (.md) is one task: its text is the prompt, and its front matter has the same keys, as YAML between
lines of --- or as TOML between lines of +++:

  ---
  name: parser
  scope: ["src/**"]
  ---
  Make the parser accept trailing commas.`

// addOrderFlags adds the flags of an order but its name.
func addOrderFlags(f *pflag.FlagSet, o *intake.Options) {
	f.StringVar(&o.Repo, "repo", "", "`DIR` is a checkout of the repository (default: the one around the working directory)")
	f.StringVar(&o.Agent, "agent", "", "`NAME` is claude, command, sim, or one from [agents]")
	f.StringVar(&o.Command, "command", "", "`CMD` is any program; {prompt} {prompt_file} {worktree} {task} in it are filled in (implies --agent command)")
	f.StringVar(&o.Model, "model", "", "the agent's `MODEL`")
	f.StringVar(&o.Base, "base", "", "`REV` to start from: branch, commit, or @t3 for the work of t3 as it is then (default: the branch checked out)")
	f.StringArrayVar(&o.Checks, "check", nil, "`NAME=CMD` is a check beside those of muster.toml; the same name replaces one")
	f.BoolVar(&o.NoChecks, "no-checks", false, "take the work unchecked")
	f.StringVar(&o.Publish, "publish", "", "`HOW` work that passed is published: none, branch, push, pr or merge")
	f.StringSliceVar(&o.After, "after", nil, "`ID` of a task that must be done first; again, or with commas, for more")
	intFlag(f, &o.Priority, "priority", "higher `N` goes first (default 0)")
	intFlag(f, &o.Rounds, "rounds", "after `N` rounds of checks a person is asked")
	intFlag(f, &o.Attempts, "attempts", "`N` agent processes may fail by their own fault")
	f.StringVar(&o.Timeout, "timeout", "", "the whole task may take `TIME`, such as 3h")
	f.Func("setup", "run `CMD` in the new worktree first", func(s string) error { o.Setup = &s; return nil })
	f.StringArrayVar(&o.Env, "env", nil, "`NAME=VALUE` for the agent and its checks; nothing secret, that is for env_from")
	f.StringVar(&o.Fence, "fence", "", "on or off: `HOW` agent, checks and setup are fenced in, over [fence] mode")
	f.StringArrayVar(&o.Scope, "scope", nil, "`PATTERN` of the files that the task may change, such as 'src/**'; again for more")
	f.StringArrayVar(&o.Budget, "budget", nil, "`LIMIT=VALUE` that the task may use: cost_usd, tokens, turns, wall, soft; again, or with commas, for more")
	f.StringVar(&o.Keep, "keep", "", "the finished session keeps its last screen for `TIME`, such as 24h")
}

// blankFlag returns an error for a flag that was given without a value, for example by an unset shell variable.
// Ignoring it would not do what the user meant.
func blankFlag(f *pflag.FlagSet) error {
	var err error
	f.Visit(func(f *pflag.Flag) {
		text := strings.Trim(f.Value.String(), "[] \t\n") // a list has brackets
		if text == "" && f.Name != "name" && f.Value.Type() != "func" {
			err = fault.New(fault.Usage, "--%s is empty", f.Name).WithHint("Give it a value, or leave it out.")
		}
	})
	return err
}

// intFlag is an optional number.
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
	var o intake.Options
	var files []string
	var race string
	c := verb(&cobra.Command{
		Use: "dispatch [flags] PROMPT|-", Short: "Queue a task, print its id", Long: dispatchHelp, Args: onePrompt,
	}, groupRun)
	addOrderFlags(c.Flags(), &o)
	c.Flags().StringVar(&o.Name, "name", "", "a `NAME` for people (default: the prompt's first line)")
	c.Flags().StringArrayVar(&files, "file", nil, "queue all tasks of `FILE`, TOML or Markdown; - is standard input; again for more")
	c.Flags().StringVar(&race, "race", "", "`N` tasks with this order, or one for each agent of a list such as claude,codex; the best one is published")
	result[[]queued]{
		json: "as ls does: the task, or a list if there are many",
		get: func(ctx context.Context, args []string) ([]queued, error) {
			if err := blankFlag(c.Flags()); err != nil {
				return nil, err
			}
			orders, err := readOrders(env, o, files, args)
			if err != nil {
				return nil, err
			}
			if race == "" {
				return dispatch(ctx, env, orders)
			}
			if len(files) > 0 {
				return nil, fault.New(fault.Usage, "--race is for one prompt, and --file may have several").WithHint("Write race = 3, or race = [\"claude\", \"codex\"], in the file.")
			}
			if orders, err = intake.Race(orders[0], race); err != nil {
				return nil, err
			}
			return dispatch(ctx, env, orders)
		},
		view: func(ctx context.Context, all []queued) (any, error) {
			if err := summarize(ctx, env, all); err != nil || len(all) != 1 {
				return all, err
			}
			return all[0], nil
		},
		show: func(all []queued) error {
			var b strings.Builder
			for _, t := range all {
				b.WriteString(string(t.ID) + "\n")
			}
			_, err := io.WriteString(env.Stdout, b.String())
			return err
		},
	}.addTo(env, c)
	return c
}

// queued is a queued task in the output of `dispatch --json`.
type queued = control.Queued

// onePrompt returns an error for a prompt that the shell has split into words.
func onePrompt(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fault.New(fault.Usage, "dispatch takes one prompt, and got %d words", len(args)).
			WithHint("Put the prompt in quotes: muster dispatch \"…\"")
	}
	return nil
}

// promptLimit bounds what is read of standard input, in bytes. control refuses a prompt of this size.
const promptLimit = 4 << 20

// readOrders returns the orders of the arguments or of files.
func readOrders(env Env, o intake.Options, files, args []string) ([]intake.Order, error) {
	switch {
	case len(files) > 0 && len(args) > 0:
		return nil, fault.New(fault.Usage, "dispatch takes a prompt or --file, not both").WithHint("Leave one of them out.")
	case len(files) > 0:
		var all []intake.Order
		for _, file := range files {
			orders, err := readTasksFile(env, o, file)
			if err != nil {
				return nil, err
			}
			all = intake.Join(all, orders)
		}
		return all, nil
	case len(args) == 0:
		return nil, fault.New(fault.Usage, "dispatch needs a prompt").WithHint("Usage: muster dispatch [flags] PROMPT, or - to read it from standard input.")
	}
	prompt := args[0]
	if prompt == "-" {
		data, err := io.ReadAll(io.LimitReader(env.Stdin, promptLimit))
		if err != nil {
			return nil, fault.Wrap(fault.Failed, err, "read the prompt from standard input")
		}
		prompt = string(data)
	}
	return []intake.Order{{Options: o, Prompt: prompt}}, nil
}

// readTasksFile reads a tasks file; - is standard input.
func readTasksFile(env Env, o intake.Options, path string) ([]intake.Order, error) {
	var data []byte
	var err error
	name := "standard input"
	if path == "-" {
		path = filepath.Join(env.Dir, "-")
		data, err = io.ReadAll(env.Stdin)
	} else {
		path = env.path(path)
		name = filepath.Base(path)
		data, err = os.ReadFile(path)
	}
	if err != nil {
		code := fault.Usage
		if errors.Is(err, os.ErrNotExist) {
			code = fault.NotFound
		}
		return nil, fault.Wrap(code, err, "--file").WithHint("Give --file the path of a TOML file with [[task]] tables, or of a Markdown file.")
	}
	return intake.Read(data, name, filepath.Dir(path), o)
}

// dispatch checks everything that can be checked now, queues the tasks, and makes sure that a supervisor runs.
func dispatch(ctx context.Context, env Env, orders []intake.Order) ([]queued, error) {
	f, err := openFleet(env)
	if err != nil {
		return nil, err
	}
	in := intake.New(f, env.Dir)
	cmd := control.Dispatch{Tasks: make([]intake.Task, 0, len(orders))}
	for i, o := range orders {
		env.progress.say("checking the task")
		if len(orders) > 1 {
			env.progress.say(fmt.Sprintf("checking task %d of %d", i+1, len(orders)))
		}
		t, err := in.Task(ctx, o)
		if err != nil {
			return nil, o.At(err)
		}
		cmd.Tasks = append(cmd.Tasks, t)
	}
	out, _, err := do(ctx, env, cmd)
	if err != nil && len(out.Tasks) == 0 {
		where := intake.Order{File: orders[0].File} // the error itself names the task
		if len(orders) == 1 {
			where = orders[0]
		}
		return nil, where.At(err)
	}
	if err != nil {
		err = partial{err} // the tasks are queued, but no supervisor could be started
	}
	all := make([]queued, len(out.Tasks))
	told := map[string]bool{}
	for i, id := range out.Tasks {
		all[i].ID, all[i].Notices = id, cmd.Tasks[i].Notices
		for _, n := range all[i].Notices {
			if !told[n] {
				env.warn("notice: " + clean(n, 400))
			}
			told[n] = true
		}
	}
	return all, err
}

// summarize adds the entries of tasks as in ls.
func summarize(ctx context.Context, env Env, all []queued) error {
	return withControl(env, func(c *control.Control) error {
		for i := range all {
			t, err := control.Get(ctx, c, control.One{Ref: string(all[i].ID)})
			if err != nil {
				return err
			}
			all[i].Summary = control.Summarize(t)
		}
		return nil
	})
}
