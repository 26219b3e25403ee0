package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"muster/internal/boot"
	"muster/internal/environ"
	"muster/internal/text"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/git"
	"muster/internal/home"
	"muster/internal/host"
	"muster/internal/intake"
	"muster/internal/words"
)

const demoHelp = `The whole story in a minute, on this machine, without an account: a temporary repository, real
tmux sessions, and the built-in scripted agent. You see a check fail, go back to its agent and pass;
an agent that crashes and is resumed; a question that parks a task; and the supervisor killed with
SIGKILL in the middle, which no agent notices. It leaves nothing running and nothing behind.

  muster demo
  muster demo --keep     leave it all in place, to look around`

// demoLimit is how long the demonstration may take; it mostly takes half a minute.
const demoLimit = 3 * time.Minute

func newDemoCommand(env Env) *cobra.Command {
	var keep bool
	c := verb(&cobra.Command{
		Use: "demo", Short: "See the whole story in a minute, no account needed", Long: demoHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), env, keep)
		},
	}, groupSetup)
	c.Flags().BoolVar(&keep, "keep", false, "leave everything in place afterwards")
	return c
}

// demoFiles is the repository of the demonstration: a script, and a test that reads it as a shell does.
var demoFiles = map[string]string{
	"greet.sh": "echo \"hello, ${1:-world}\"\n",
	"test.sh": `set -e
for f in *.sh; do sh -n "$f"; done
got=$(sh greet.sh)
test "$got" = "hello, world" || { echo "greet.sh:1: want 'hello, world', got '$got'"; exit 1; }
`,
	"muster.toml": `[task]
agent = "sim"
wait_limit = "6s"

[checks]
test = "sh test.sh"
`,
}

// demoTasks are what the scripted agents are told. A real agent would get the first lines only.
var demoTasks = []struct {
	name, script string
	after        int // the number of the task before it, from 1
}{
	{name: "greet politely", script: `work 2s reading greet.sh
write greet.sh <<echo "hello, ${1:-world}\n
work 1s writing
done
---
work 2s reading what the shell says
write greet.sh <<echo "hello, ${1:-world}"\n# politely\n
done`},
	{name: "write the manual", script: `work 3s outlining
write manual.md <<# greet\n
once crash
work 3s writing
append manual.md Run sh greet.sh NAME.\n
done`},
	{name: "choose a licence", script: `work 2s reading
ask question "Which licence?" Apache-2.0|MIT
write LICENSE <<as answered\n
done`},
	{name: "start a changelog", script: `work 4s reading the history
write CHANGELOG.md <<# Changes\n
work 5s writing
done`},
	{name: "index the manual", after: 2, script: `work 1s reading the manual
write index.md <<manual.md\n
done`},
}

// longest is the task whose agent works longest without a break: the one to look at, and to kill the supervisor under.
const longest event.TaskID = "t4"

func demo(ctx context.Context, env Env, keep bool) (err error) {
	// A closed terminal, or a reader who has seen enough (| head), must not leave a fleet behind.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	dir, err := os.MkdirTemp("", "muster-demo-")
	if err != nil {
		return fault.Wrap(fault.Failed, err, "make a temporary directory").WithHint("Set TMPDIR to a directory with room.")
	}
	env.Environ = environ.Overlay(env.Environ, environ.Home+"="+filepath.Join(dir, "state"))
	env.Dir = filepath.Join(dir, "repo")
	d := demonstration{env: env, dir: dir, begun: env.Now(), keep: keep}
	defer func() {
		if errors.Is(ctx.Err(), context.Canceled) { // whatever it was doing, this is why it failed
			err = fault.New(fault.Interrupted, "interrupted")
		}
		if keep {
			d.say("Kept in %s. To look around:", dir)
			d.say("  export MUSTER_HOME=%s; muster ls; muster why t1; muster attach t3", filepath.Join(dir, "state"))
			d.say("To end it: MUSTER_HOME=%s muster down --kill; rm -r %s", filepath.Join(dir, "state"), dir)
			return
		}
		if err = errors.Join(err, d.cleanUp(context.WithoutCancel(ctx))); err == nil {
			d.say("\nEverything has been ended and removed; `muster demo --keep` leaves it in place.")
		}
	}()
	limited, cancel := context.WithTimeout(ctx, demoLimit)
	defer cancel()
	if err := git.Create(limited, env.Dir, demoFiles, git.Env(env.Environ)); err != nil {
		return err
	}
	return d.run(limited)
}

// demonstration tells the story while it happens.
type demonstration struct {
	env    Env
	dir    string
	begun  time.Time
	keep   bool // leave everything in place
	killed bool // the supervisor was
	names  map[event.TaskID]string
}

func (d *demonstration) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.env.Stdout, format+"\n", args...)
}

// tell prints a line of the story.
func (d *demonstration) tell(format string, args ...any) {
	_ = d.env.line(fmt.Sprintf("%5.1fs  %s", d.env.Now().Sub(d.begun).Seconds(), fmt.Sprintf(format, args...)))
}

func (d *demonstration) run(ctx context.Context) error {
	d.names = map[event.TaskID]string{}
	d.say("A repository in %s,\nand %d tasks for scripted agents.\n", d.env.Dir, len(demoTasks))
	var orders []intake.Order
	for _, t := range demoTasks {
		o := intake.Order{Prompt: t.name + "\n\n```sim\n" + t.script + "\n```\n"}
		o.Name = t.name
		if t.after > 0 {
			o.After = []string{string(event.NewTaskID(t.after))}
		}
		orders = append(orders, o)
	}
	f, err := openFleet(d.env)
	if err != nil {
		return err
	}
	// Ignore cancellation until the tmux server is up; a half-started server could not be found and cleaned up.
	start, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*boot.StartLimit)
	defer cancel()
	session := ""
	for i, o := range orders { // one at a time, as a person would
		if ctx.Err() != nil {
			return ctx.Err()
		}
		nt, err := intake.New(f, d.env.Dir).Task(ctx, o)
		if err != nil {
			return err
		}
		if _, _, err := do(start, d.env, control.Dispatch{Tasks: []intake.Task{nt}}); err != nil {
			return err
		}
		if id := event.NewTaskID(i + 1); id == longest {
			session = home.Slugged(id, nt.Spec.Slug)
		}
	}
	d.say("Look on from another terminal, while it works (and leave with the keys that its status line names):\n  %s\n",
		text.Command(f.Server().AttachArgv(session, true)))
	return withControl(d.env, func(c *control.Control) error {
		if err := d.follow(ctx, c); err != nil {
			return err
		}
		return d.sum(ctx, c, f)
	})
}

// follow narrates the events until every task has ended or is parked.
func (d *demonstration) follow(ctx context.Context, c *control.Control) error {
	resting := map[event.TaskID]bool{}
	for e, err := range c.Watch(ctx, 0, "") {
		if err != nil {
			return err
		}
		d.narrate(e)
		if m, ok := e.Data.(event.TaskMoved); ok {
			resting[e.Task] = m.To.Final() || m.To == event.Parked
			if m.To == event.Working && e.Task == longest {
				if err := d.killSupervisor(ctx, c); err != nil {
					return err
				}
			}
		}
		done := 0
		for _, r := range resting {
			if r {
				done++
			}
		}
		if done == len(demoTasks) {
			return nil
		}
	}
	return fault.New(fault.Timeout, "the demonstration did not end within %s", demoLimit)
}

// killSupervisor kills the supervisor once, as a person or the kernel might.
func (d *demonstration) killSupervisor(ctx context.Context, c *control.Control) error {
	if d.killed {
		return nil
	}
	h, err := control.Get(ctx, c, control.Health{})
	if err != nil {
		return err
	}
	p, err := host.Identify(h.Fleet.Supervisor.PID)
	if err != nil {
		return nil //nolint:nilerr // it has just ended; it is killed during another task
	}
	d.killed = true
	d.tell("kill -9 %d: the supervisor is gone in the middle of it all", p.PID)
	return p.Signal(syscall.SIGKILL)
}

// narrate prints an event if it belongs to the story.
func (d *demonstration) narrate(e event.Event) {
	var excerpt string
	switch p := e.Data.(type) {
	case event.DispatchRequested:
		d.names[e.Task] = p.Spec.Name
	case event.SupervisorStarted, event.AgentLaunched, event.RequestOpened:
	case event.AgentExited:
		if p.Cause != event.CauseOwn {
			return
		}
	case event.GenerationStarted:
		if p.Why == event.WhyFirst {
			return
		}
	case event.RoundFinished:
		if red := slices.IndexFunc(p.Results, func(r event.CheckResult) bool { return !r.Green() }); red >= 0 {
			excerpt = p.Results[red].Excerpt
		}
	case event.TaskMoved:
		if p.To != event.Parked && !p.To.Final() {
			return
		}
	default:
		return
	}
	d.tell("%-2s %-18s %s", e.Task, d.names[e.Task], words.Event(e))
	for line := range strings.Lines(strings.TrimSpace(excerpt)) {
		d.say("%9s| %s", "", clean(strings.TrimRight(line, "\n"), 90))
	}
}

// sum shows what a person sees in the morning.
func (d *demonstration) sum(ctx context.Context, c *control.Control, f boot.Fleet) error {
	tasks, err := control.Get(ctx, c, control.Tasks{All: true})
	if err != nil {
		return err
	}
	d.say("")
	if err := printTasks(d.env, tasks); err != nil {
		return err
	}
	repo, err := git.Open(ctx, d.env.Dir, git.Env(d.env.Environ), git.Private(home.Dir(filepath.Join(d.dir, "state")).GitDir()))
	if err != nil {
		return err
	}
	d.say("\nThe branches, each with the work that passed:")
	for _, t := range tasks {
		commits, err := repo.Log(ctx, "main", t.Branch)
		if err != nil {
			return err
		}
		for _, k := range commits {
			d.say("  %-28s %.8s %s", t.Branch, k.Hash, clean(k.Subject, 60))
		}
	}
	d.say("\n%s in %s. The supervisor was killed once, and no agent noticed.", counted(tasks), words.Duration(d.env.Now().Sub(d.begun)))
	d.say("Parked tasks wait for a person: `muster answer t3 Apache-2.0` would bring\nthat conversation back.")
	if d.keep {
		d.say("Any agent is one attach away, and a finished one shows its last screen:\n  %s", text.Command(f.Server().AttachArgv(tasks[0].Session, true)))
	}
	return nil
}

func counted(tasks []control.Summary) string {
	n := map[event.State]int{}
	for _, t := range tasks {
		n[t.State]++
	}
	out := fmt.Sprintf("%d tasks: %d done", len(tasks), n[event.Done])
	for _, s := range []event.State{event.Parked, event.Failed, event.Cancelled} {
		if n[s] > 0 {
			out += fmt.Sprintf(", %d %s", n[s], s)
		}
	}
	return out
}

// cleanUp ends and removes everything.
func (d *demonstration) cleanUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, _, err := do(ctx, d.env, control.Down{Mode: event.DownKill})
	return errors.Join(err, os.RemoveAll(d.dir))
}
