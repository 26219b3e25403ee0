package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/text"
	"muster/internal/words"
)

const showHelp = `Show everything about a task: its state and the reason, what to do next, its agent, its work, its
checks and its messages. Changed files that decide what runs later (checks and scripts that they name, rules and
instructions of agents, hooks, automation, editors) are named under "beware", as of the newest round of checks.

  muster show t3
  muster show t3 --json | jq .next`

func newShowCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "show ID", Short: "Show everything about a task", Long: showHelp, Args: cobra.ExactArgs(1),
	}, groupLook)
	result[detail]{
		json: "the fields that ls has, and more",
		get: func(ctx context.Context, args []string) (d detail, err error) {
			err = withControl(env, func(c *control.Control) error {
				if d.TaskDetail, err = control.Get(ctx, c, control.Detail{Ref: args[0]}); err != nil {
					return err
				}
				d.disk, err = control.Get(ctx, c, control.Disk{Task: d.Task.ID, Limit: diskLimit})
				return err
			})
			return d, err
		},
		view: func(_ context.Context, d detail) (any, error) {
			s := d.Shown()
			s.Disk = d.disk
			return s, nil
		},
		show: func(d detail) error { return printDetail(env, d) },
	}.addTo(env, c)
	return c
}

// detail is everything about a task, and the room that it takes.
type detail struct {
	control.TaskDetail
	disk control.DiskUse
}

// diskLimit bounds the time in which the room that a task takes is counted: a person waits for it.
const diskLimit = time.Second

// diskText describes the room that a task takes; "" for none.
func diskText(d control.DiskUse) string {
	if d.Total() == 0 {
		return ""
	}
	text := fmt.Sprintf("%s in its worktree, %s in other files", words.Bytes(d.Worktree), words.Bytes(d.Files))
	if d.Partial {
		text += ", and more that was not counted"
	}
	return text
}

// page collects the output for one task.
type page struct {
	env Env
	now time.Time
	b   strings.Builder
}

// fieldIndent is the column at which the text of a field begins.
const fieldIndent = 13

// field adds a line with a label. It adds nothing for an empty text. Further lines of the text have no label.
func (p *page) field(label, text string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = clean(strings.TrimRight(line, "\n"), 1000)
		if w := p.env.width() - fieldIndent; w > 20 {
			line = ansi.Wordwrap(line, w, "") // paths and commands are not broken, so that they can be copied
		}
		for part := range strings.SplitSeq(line, "\n") {
			fmt.Fprintf(&p.b, "  %-10s %s\n", label, part)
			label = ""
		}
	}
}

func (p *page) head(text string) { p.b.WriteString("\n" + text + "\n") }

func (p *page) flush() error {
	_, err := io.WriteString(p.env.Stdout, p.b.String())
	p.b.Reset()
	return err
}

func printDetail(env Env, all detail) error {
	p := &page{env: env, now: env.Now()}
	d := all.TaskDetail
	p.state(d)
	p.work(d)
	p.field("disk", diskText(all.disk))
	if err := p.flush(); err != nil {
		return err
	}
	for _, part := range []func(control.TaskDetail) error{p.generations, p.rounds, p.messages} {
		if err := part(d); err != nil {
			return err
		}
	}
	return nil
}

// state adds the state of the task, the reason, and what to do next.
func (p *page) state(d control.TaskDetail) {
	t := d.Task
	fmt.Fprintf(&p.b, "%s  %s  %s for %s\n", t.ID, clean(t.Spec.Name, 60), paint(p.env, t.State), words.Ago(t.ChangedAt, p.now))
	if t.Removed {
		p.field("removed", "only its branch and its events are left")
	}
	if t.Stopping && !t.State.Final() {
		p.field("stopping", "it ends as soon as its work is kept")
	}
	p.field("why", strings.TrimSpace(strings.TrimPrefix(string(t.Reason)+": "+t.Detail, ": ")))
	if r := t.Request; r != nil {
		p.field("asks", requestLine(*r))
		p.request(*r)
	}
	p.field("next", strings.Join(control.NextLines(t), "\n"))
	p.field("note", t.Note)
	if r := t.Inspection; r != nil && r.Reviewer != "" {
		p.field("doing", fmt.Sprintf("waits for %s by %s (muster attach %s)", r.Check, r.Reviewer, r.Reviewer))
	}
	if of := t.Spec.Review; of != nil {
		p.field("reviews", fmt.Sprintf("%s, round %d, tree %s", of.Task, of.Round, shortHash(of.Tree)))
	}
	p.field("race", words.Race(t))
	for _, a := range t.Open {
		p.field("doing", words.Action(a))
	}
	for _, dl := range t.Deadlines {
		p.field("deadline", fmt.Sprintf("%s %s", dl.Name, words.Until(dl.At, p.now)))
	}
}

// work adds the prompt, the agent, and the place of the work.
func (p *page) work(d control.TaskDetail) {
	t := d.Task
	p.field("prompt", cmp.Or(t.Spec.Summary, words.FirstLine(d.Prompt)))
	agent := t.Spec.Agent
	if t.Spec.Model != "" {
		agent += " (" + t.Spec.Model + ")"
	}
	if t.Gen > 0 {
		agent += fmt.Sprintf(", attempt %d of %d, generation %d", t.Attempt, t.Spec.Attempts, t.Gen)
	}
	p.field("agent", agent)
	if t.Session != "" && !t.Removed {
		p.field("session", t.Session+"   (muster attach "+string(t.ID)+")")
	}
	p.field("fence", words.FenceSpec(t.Spec.Fence))
	if f := t.Agent.Fenced; f != nil {
		p.field("", words.Fence(*f))
	}
	p.field("repo", t.Spec.Repo)
	base := t.Spec.Base
	if t.Base != "" {
		base += " (" + shortHash(t.Base) + ")" + baseText(t.BaseFrom)
	}
	p.field("base", base)
	p.field("branch", t.Branch)
	p.field("worktree", t.Worktree)
	p.field("publish", publishText(d))
	p.field("merge", clean(d.Merge, 400))
	p.field("beware", configuresText(d.Configures))
	for _, ref := range t.Kept {
		p.field("kept", ref)
	}
	if len(t.Spec.After) > 0 {
		p.field("after", strings.Join(asStrings(t.Spec.After), " "))
	}
	p.field("checks", checksText(d))
	u := t.TotalUsage()
	if u != (event.Usage{}) {
		p.field("usage", words.Usage(u))
	}
	if limits := words.Budget(t.Spec.Budget); limits != "" {
		used := d.Summary.Budget.Used
		p.field("budget", fmt.Sprintf("%s; used $%.2f, %d tokens, %d turns of it", limits, used.CostUSD, used.Tokens, used.Turns))
	}
}

// baseText describes which state of another task a base was.
func baseText(from string) string {
	switch from {
	case "":
		return ""
	case "branch":
		return ", its branch"
	case "worktree":
		return ", its worktree as it was"
	}
	return ", its work as it was kept under " + from
}

func publishText(d control.TaskDetail) string {
	text := string(d.Task.Spec.Publish)
	if style := d.Task.Spec.Style; style != "" {
		text += " (" + string(style) + ")"
	}
	if w := d.Task.Published; w != nil && w.Commit != "" {
		text += fmt.Sprintf(": %s at %s", cmp.Or(w.URL, w.Branch), shortHash(w.Commit))
		if w.Remote != "" {
			text += " on " + w.Remote
		}
		if w.Merged != "" {
			text += fmt.Sprintf(", merged into %s at %s", d.Task.Spec.Base, shortHash(w.Merged))
		}
	}
	return text
}

// configuresText names the changed files that decide what runs later; "" if there are none.
func configuresText(files []control.Configuring) string {
	const most = 10
	if len(files) == 0 {
		return ""
	}
	lines := []string{"it changes what runs later: read this before you use it"}
	for _, f := range files[:min(len(files), most)] {
		lines = append(lines, string(f.Concern)+": "+text.Line(f.Path, 200))
	}
	if n := len(files) - most; n > 0 {
		lines = append(lines, fmt.Sprintf("and %d more: muster show --json", n))
	}
	return strings.Join(lines, "\n")
}

func checksText(d control.TaskDetail) string {
	if len(d.Task.Spec.Checks)+len(d.Task.Spec.Reviews) == 0 {
		return "no checks: its work is taken as it is"
	}
	var names []string
	for _, c := range d.Task.Spec.Checks {
		names = append(names, c.Name)
	}
	for _, r := range d.Task.Spec.Reviews {
		names = append(names, r.Name+" (agent "+r.Spec.Agent+")")
	}
	return fmt.Sprintf("%s; %d of %d rounds used", strings.Join(names, ", "), d.Task.Rounds.Spent, d.Task.Spec.Rounds)
}

func asStrings[T ~string](all []T) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = string(s)
	}
	return out
}

// shortHash returns the beginning of a commit or tree for people.
func shortHash(h string) string { return h[:min(len(h), 9)] }

func (p *page) generations(d control.TaskDetail) error {
	if len(d.Attempts) == 0 {
		return nil
	}
	p.head("Generations")
	if err := p.flush(); err != nil {
		return err
	}
	var rows [][]string
	for _, a := range d.Attempts {
		began, ended, how := a.StartedAt, "runs", ""
		if !a.ExitedAt.IsZero() {
			ended = words.Duration(a.ExitedAt.Sub(began))
			exit := 0
			if a.Exit != nil {
				exit = *a.Exit
			}
			how = words.Exit(a.Cause, exit, a.Signal, a.Exit != nil || a.Signal != 0)
		}
		resumed := ""
		if a.Resume {
			resumed = ", resumed"
		}
		rows = append(rows, []string{
			fmt.Sprintf("  %d", a.Gen), fmt.Sprint(a.Attempt), words.Ago(began, p.now) + " ago", ended, clean(words.Why(a.Why)+resumed, 60), clean(how, 100),
		})
	}
	return p.env.table([]string{"  GEN", "ATTEMPT", "BEGAN", "RAN", "WHY", "END"}, rows)
}

func (p *page) rounds(d control.TaskDetail) error {
	if len(d.Rounds) == 0 {
		return nil
	}
	p.head("Rounds")
	for _, r := range d.Rounds {
		fmt.Fprintf(&p.b, "  %d  %s ago  %s\n", r.Round, words.Ago(r.Time, p.now), clean(words.Round(r.RoundFinished), 300))
		if in := words.JudgedIn(d.Task.Spec.Fence, r.RoundFinished); in != "" {
			fmt.Fprintf(&p.b, "     %s\n", clean(in, 200))
		}
	}
	return p.flush()
}

func (p *page) messages(d control.TaskDetail) error {
	if len(d.Messages) == 0 {
		return nil
	}
	p.head("Messages")
	if err := p.flush(); err != nil {
		return err
	}
	var rows [][]string
	for _, m := range d.Messages {
		rows = append(rows, []string{"  " + string(m.ID), string(m.State), words.Ago(m.At, p.now) + " ago", clean(words.Why(m.Why), 40), clean(words.FirstLine(m.Text), 200)})
	}
	return p.env.table([]string{"  ID", "STATE", "QUEUED", "WHY", "TEXT"}, rows)
}
