package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/boot"
	"muster/internal/text"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/life"
	"muster/internal/status"
	"muster/internal/tmux"
	"muster/internal/words"
)

const logsHelp = `Print what there is to read of a task: the text of its agent's terminal with its history, as long as
the session is kept, else what the agent reported. --check prints all that a check said.

  muster logs t3 -f
  muster logs t3 --check test
  muster logs --supervisor -f          the supervisor's own log`

// scrollback is how many lines before the visible screen are printed: all that the fleet's tmux keeps.
const scrollback = 50_000

// followStep is how often something that only grows is looked at while a person follows it.
const followStep = 500 * time.Millisecond

type logsOptions struct {
	follow, supervisor, json bool
	check                    string
	round, gen               int
}

func newLogsCommand(env Env) *cobra.Command {
	var o logsOptions
	c := verb(&cobra.Command{
		Use: "logs ID", Short: "Print what an agent or a check said", Long: logsHelp,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.supervisor {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return logs(cmd.Context(), env, o, strings.Join(args, ""))
		},
	}, groupLook)
	c.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on with what is added, until Ctrl-C")
	c.Flags().BoolVar(&o.supervisor, "supervisor", false, "the supervisor's own log")
	c.Flags().StringVar(&o.check, "check", "", "all that check `NAME` said, in the newest round or the one that runs")
	c.Flags().IntVar(&o.round, "round", 0, "with --check: in round `N`")
	c.Flags().IntVar(&o.gen, "gen", 0, "what generation `N` of the agent reported")
	c.Flags().BoolVar(&o.json, "json", false, "print JSON: the source and its text")
	return c
}

// source is a log: a file, or lines that somebody gives whenever they are asked.
type source struct {
	Task   event.TaskID `json:"task,omitempty"`
	Source string       `json:"source"` // terminal, check, records, supervisor
	Text   string       `json:"text"`
	read   func(context.Context) (string, error)
}

func logs(ctx context.Context, env Env, o logsOptions, ref string) error {
	f, err := openFleet(env)
	if err != nil {
		return err
	}
	s, err := logSource(ctx, env, f, o, ref)
	if err != nil {
		return err
	}
	if o.json {
		if s.Text, err = s.read(ctx); err != nil {
			return err
		}
		s.Text = text.Terminal(s.Text, false)
		return printJSON(env.Stdout, s)
	}
	return follow(ctx, env, s, o.follow)
}

func logSource(ctx context.Context, env Env, f boot.Fleet, o logsOptions, ref string) (source, error) {
	if o.supervisor {
		return fileSource("", "supervisor", f.Home.Log()), nil
	}
	var d control.TaskDetail
	err := withControl(ctx, env, func(c *control.Control) (err error) {
		d, err = control.Get(ctx, c, control.Detail{Ref: ref})
		return err
	})
	if err != nil {
		return source{}, err
	}
	t := d.Task
	switch {
	case o.check != "":
		return checkSource(f, d, o)
	case o.gen != 0:
		return recordSource(f, t, o.gen)
	}
	s := source{Task: t.ID, Source: "terminal", read: func(ctx context.Context) (text string, err error) {
		found, err := taskPane(ctx, f, t.ID, fleet.RoleAgent, func(c *tmux.Client, p tmux.Pane) (err error) {
			text, err = c.Capture(ctx, p.ID, scrollback)
			return err
		})
		if err == nil && !found {
			err = errNoPane
		}
		return text, err
	}}
	if _, err := s.read(ctx); !errors.Is(err, errNoPane) {
		return s, err
	}
	if t.Gen == 0 {
		return s, noSession(t, fleet.RoleAgent)
	}
	_, _ = fmt.Fprintf(env.Stderr, "The session of %s is gone; this is what its agent reported.\n", t.ID)
	return recordSource(f, t, t.Gen)
}

// errNoPane is that there is no terminal to read (any more).
var errNoPane = errors.New("its session is gone")

func fileSource(id event.TaskID, kind, path string) source {
	return source{Task: id, Source: kind, read: func(context.Context) (string, error) {
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fault.Wrap(fault.NotFound, err, "there is no such log (any more)")
		}
		return string(data), err
	}}
}

// checkSource is what a check said: in the round that runs, or in one that was judged.
func checkSource(f boot.Fleet, d control.TaskDetail, o logsOptions) (source, error) {
	t := d.Task
	a, _ := t.Action(event.ActCheck)
	if check, running := a.Args.(event.CheckArgs); running && (o.round == 0 || o.round == check.Round) {
		path := filepath.Join(f.Home.JobDir(t.ID, fmt.Sprintf("round-%d-%s", check.Round, a.ID)), filepath.Base(o.check)+".log")
		if _, err := os.Stat(path); err == nil {
			return fileSource(t.ID, "check", path), nil
		}
	}
	rounds := d.Rounds[:0:0]
	for _, r := range d.Rounds {
		if o.round == 0 || r.Round == o.round {
			rounds = append(rounds, r)
		}
	}
	r, err := checkResult(t.ID, rounds, o.check)
	return fileSource(t.ID, "check", r.Log), err
}

// recordSource is what a generation reported, a line a record.
func recordSource(f boot.Fleet, t life.Task, gen int) (source, error) {
	if gen < 1 || gen > t.Gen {
		return source{}, fault.New(fault.NotFound, "%s has no generation %d", t.ID, gen).WithHint("It has %d.", t.Gen)
	}
	return source{Task: t.ID, Source: "records", read: func(context.Context) (string, error) {
		data, err := os.ReadFile(f.Home.StatusFile(t.ID, gen))
		if errors.Is(err, fs.ErrNotExist) {
			data, err = os.ReadFile(filepath.Join(f.Home.GenDir(t.ID, gen), "status.jsonl"))
		}
		if errors.Is(err, fs.ErrNotExist) {
			return "", fault.Wrap(fault.NotFound, err, "the records of generation %d are gone", gen).
				WithHint("`muster events --task %s` has those that counted.", t.ID)
		}
		return recordLines(data), err
	}}, nil
}

func recordLines(data []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(data)) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		r, err := status.Parse([]byte(line))
		if err != nil {
			fmt.Fprintf(&b, "(no record: %s)\n", clean(line, 200))
			continue
		}
		fmt.Fprintf(&b, "%s  %s\n", r.Time.Local().Format(time.DateTime), words.Record(r))
	}
	return b.String()
}

// follow prints a log, and then what is added to it. A full-screen agent redraws in place; what changed is then
// printed from the first line that is new.
func follow(ctx context.Context, env Env, s source, on bool) error {
	w := env.forPeople()
	printed := ""
	tick := time.NewTicker(followStep)
	defer tick.Stop()
	for {
		text, err := s.read(ctx)
		if errors.Is(err, errNoPane) || on && fault.Is(err, fault.NotFound) {
			return w.Close() // it went while it was followed
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

// commonLines is where two texts begin to differ, in bytes: the begin of a line, or the end of the older text where
// the newer one only goes on.
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
