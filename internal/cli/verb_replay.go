package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/fault"
	"muster/internal/tui"
	"muster/internal/words"
)

const replayHelp = `Play back what the terminal of an agent showed, in the time that it took. Longer pauses are cut to --idle.
Each start of an agent (a generation) has a recording of its own; the newest is played. Space pauses, right skips
ahead, + and - change the speed, q leaves.

--out writes the recording as asciicast, version 2, for asciinema and other players; --json prints the same. Both have
only what draws on a terminal: no links, titles, clipboard, or questions that a terminal answers. What
is recorded, and how much of it, says [recording] in muster.toml.

  muster replay t3
  muster replay t3 --gen 2 --idle 1s --speed 4
  muster replay t3 --list
  muster replay t3 --out t3.cast && asciinema play t3.cast`

type replayOptions struct {
	gen        int
	idle       time.Duration
	speed      float64
	out        string
	list, json bool
}

func newReplayCommand(env Env) *cobra.Command {
	var o replayOptions
	c := verb(&cobra.Command{
		Use: "replay ID", Short: "Play back what an agent's terminal showed", Long: replayHelp, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return replay(cmd.Context(), env, o, args[0]) },
	}, groupLook)
	c.Flags().IntVar(&o.gen, "gen", 0, "of generation `N` (default: the newest)")
	c.Flags().DurationVar(&o.idle, "idle", 2*time.Second, "cut longer pauses to `DURATION`; 0 leaves them as they were")
	c.Flags().Float64Var(&o.speed, "speed", 1, "play so many `TIMES` as fast")
	c.Flags().StringVar(&o.out, "out", "", "write the recording to `FILE`, or to standard output (-), instead of playing it")
	c.Flags().BoolVar(&o.list, "list", false, "list the recordings that there are")
	c.Flags().BoolVar(&o.json, "json", false, "print JSON: the recording as asciicast, a JSON value a line; with --list, an array")
	c.MarkFlagsMutuallyExclusive("list", "out")
	c.MarkFlagsMutuallyExclusive("list", "gen")
	return c
}

// mostSpeed bounds --speed. Beyond it nothing can be seen.
const mostSpeed = 1000

func replay(ctx context.Context, env Env, o replayOptions, ref string) error {
	switch {
	case !(o.speed > 0 && o.speed <= mostSpeed): // also NaN
		return fault.New(fault.Usage, "--speed %v is not above 0 and at most %d", o.speed, mostSpeed).WithHint("1 is the speed at which it happened.")
	case o.idle < 0:
		return fault.New(fault.Usage, "--idle %s is negative", o.idle).WithHint("0 leaves pauses as they were.")
	case o.gen < 0:
		return fault.New(fault.Usage, "--gen %d is no generation", o.gen).WithHint("They begin with 1: muster replay %s --list", ref)
	case o.list:
		return listRecordings(ctx, env, o, ref)
	}
	r, err := get(ctx, env, control.Replay{Ref: ref, Gen: o.gen})
	switch {
	case err != nil:
		return err
	case o.out != "" && o.out != "-":
		return exportTo(env, r, o)
	case o.json || o.out == "-":
		return export(env.Stdout, r, o.idle)
	}
	in, out, ok := fullScreen(env)
	if !ok {
		return fault.New(fault.Conflict, "muster replay needs a terminal to play on").
			WithHint("Write it to a file: muster replay %s --out %s.cast", r.Task, r.Task)
	}
	return tui.Play(ctx, r, tui.PlayOptions{
		Idle: o.idle, Speed: o.speed, Look: lookOf(env, false),
		Input: in, Output: out, Environ: env.Environ, Now: env.Now,
	})
}

// exportTo writes a recording to a file, which a person alone may read: a terminal may have shown secrets.
func exportTo(env Env, r control.Replayed, o replayOptions) (err error) {
	f, err := os.OpenFile(o.out, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fault.Wrap(fault.Failed, err, "--out").WithHint("Name a file that you may write.")
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := export(f, r, o.idle); err != nil {
		return fault.Wrap(fault.Failed, err, "write the recording to %s", o.out).WithHint("What is there of it is not complete.")
	}
	if o.json {
		return printJSON(env.Stdout, r.Recording)
	}
	return env.say(fmt.Sprintf("Wrote generation %d of %s to %s. Play it with `asciinema play %s`.", r.Gen, r.Task, o.out, o.out))
}

func export(to io.Writer, r control.Replayed, idle time.Duration) error {
	w := bufio.NewWriter(to)
	return errors.Join(r.Export(w, idle), w.Flush())
}

func listRecordings(ctx context.Context, env Env, o replayOptions, ref string) error {
	all, err := get(ctx, env, control.Recordings{Ref: ref})
	switch {
	case err != nil:
		return err
	case o.json:
		return printJSON(env.Stdout, all)
	case len(all) == 0:
		_, err := get(ctx, env, control.Replay{Ref: ref}) // says why
		return err
	}
	for _, r := range all {
		l := fmt.Sprintf("gen %-3d %s  %9s  %s  %dx%d", r.Gen, r.Began.Local().Format("2006-01-02 15:04:05"), words.Duration(r.Length()), words.Bytes(r.Bytes), r.Columns, r.Rows)
		if r.Running {
			l += "  goes on"
		}
		if !r.Whole {
			l += "  without a part in the middle"
		}
		if err := env.say(l); err != nil {
			return err
		}
	}
	return nil
}
