package tui

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/text"
	"muster/internal/words"
)

// The most of a diff in bytes, and of a log in lines, that a page has.
const (
	mostDiff = 4 << 20
	mostLog  = 5_000
)

// readTab returns a tab of a task.
func readTab(ctx context.Context, c *control.Control, want readPage) page {
	p := page{id: want.id, tab: want.tab, round: want.round}
	b := &pageWriter{look: want.look, now: want.now}
	switch want.tab {
	case diffTab:
		p.err = b.diff(ctx, c, want.id, want.round)
	case checksTab:
		p.err = b.checks(ctx, c, want.id)
	case whyTab:
		p.err, p.end = b.why(ctx, c, want.id), true
	case wordsTab:
		p.err = b.words(ctx, c, want.id)
	case logTab:
		p.err, p.end = b.log(ctx, c, want.id, want.round), true
	case nowTab:
	}
	p.lines, p.marks, p.hunks, p.rounds = b.lines, b.marks, b.hunks, b.rounds
	return p
}

// pageWriter collects the lines of a page.
type pageWriter struct {
	look  Look
	now   time.Time
	lines []string
	marks []int
	hunks []int

	rounds []int // that can be chosen
}

// add adds a text of others, in as many lines as it has.
func (b *pageWriter) add(s string) { b.lines = append(b.lines, b.look.rows(s)...) }

// field adds a text with a label before its first line.
func (b *pageWriter) field(label, s string) {
	for line := range strings.SplitSeq(strings.TrimRight(s, "\n"), "\n") {
		b.lines = append(b.lines, b.look.paint(dim, fmt.Sprintf("  %-9s ", label))+b.look.field(line, 2000))
		label = ""
	}
}

// head adds a heading to which ] and [ jump.
func (b *pageWriter) head(s string) {
	if len(b.lines) > 0 {
		b.lines = append(b.lines, "")
	}
	b.marks = append(b.marks, len(b.lines))
	b.lines = append(b.lines, b.look.paint(bold, b.look.field(s, 500)))
}

// diff adds what the task has changed, or what a round judged, with a line for each file first.
func (b *pageWriter) diff(ctx context.Context, c *control.Control, id event.TaskID, round int) error {
	if _, err := b.of(ctx, c, id, round); err != nil {
		return err
	}
	stat, all := &text.Limited{Most: mostDiff}, &text.Limited{Most: mostDiff}
	if _, err := control.Get(ctx, c, control.Diff{Ref: string(id), Round: round, Stat: true, To: stat}); err != nil {
		return err
	}
	if stat.String() == "" {
		b.add("nothing was changed")
		return nil
	}
	b.add(strings.TrimRight(stat.String(), "\n"))
	q := control.Diff{Ref: string(id), Round: round, To: all}
	_, err := control.Get(ctx, c, q)
	if err != nil && !all.Full() {
		return err
	}
	for line := range strings.Lines(all.String()) {
		line = strings.TrimRight(line, "\n")
		st := style("")
		switch {
		case strings.HasPrefix(line, "diff "):
			b.lines = append(b.lines, "")
			b.marks = append(b.marks, len(b.lines))
			st = bold
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"), strings.HasPrefix(line, "index "):
			st = dim
		case strings.HasPrefix(line, "@@"):
			b.hunks = append(b.hunks, len(b.lines))
			st = cyan
		case strings.HasPrefix(line, "+"):
			st = green
		case strings.HasPrefix(line, "-"):
			st = red
		}
		b.lines = append(b.lines, b.look.paint(st, b.look.field(strings.ReplaceAll(line, "\t", "    "), 2000)))
	}
	if all.Full() {
		b.add("\nThis is not all of it: " + q.Command())
	}
	return nil
}

// of adds what was found of a round that can be chosen, and that there are others. It returns all rounds.
func (b *pageWriter) of(ctx context.Context, c *control.Control, id event.TaskID, round int) ([]control.Round, error) {
	d, err := control.Get(ctx, c, control.Checks{Ref: string(id)})
	if err != nil {
		return nil, err
	}
	if b.rounds = control.Judged(d.Rounds); len(b.rounds) == 0 {
		return d.Rounds, nil
	}
	line := fmt.Sprintf("The newest state. < shows what round %d judged.", b.rounds[len(b.rounds)-1])
	for _, r := range d.Rounds {
		if r.Round == round {
			line = fmt.Sprintf("Round %d: %s. < > choose another one.", r.Round, words.Round(r.RoundFinished))
		}
	}
	b.lines = append(b.lines, b.look.paint(dim, b.look.field(line, 500)), "")
	return d.Rounds, nil
}

// checks adds the rounds, the newest first, with the useful part of what failed.
func (b *pageWriter) checks(ctx context.Context, c *control.Control, id event.TaskID) error {
	d, err := control.Get(ctx, c, control.Checks{Ref: string(id)})
	if err != nil {
		return err
	}
	switch {
	case len(d.Task.Spec.Checks) == 0:
		b.add("This task has no checks: its work is taken as it is.")
	case len(d.Rounds) == 0:
		b.add("No round has been judged yet.")
	}
	for i := range d.Rounds {
		r := d.Rounds[len(d.Rounds)-1-i]
		b.head(fmt.Sprintf("Round %d, %s ago: %s", r.Round, words.Ago(r.Time, b.now), words.Round(r.RoundFinished)))
		if in := words.JudgedIn(d.Task.Spec.Fence, r.RoundFinished); in != "" {
			b.field("", in)
		}
		for _, result := range r.Results {
			st := green
			if !result.Green() {
				st = red
			}
			b.lines = append(b.lines, b.look.paint(st, b.look.field(fmt.Sprintf("  %s: %s, %s   %s", result.Name, words.Result(result), result.Duration.Round(10*time.Millisecond), result.Run), 500)))
			if i == 0 && result.Excerpt != "" {
				for _, line := range b.look.rows(strings.TrimRight(result.Excerpt, "\n")) {
					b.lines = append(b.lines, "    "+line)
				}
			}
		}
	}
	return nil
}

// why adds the decisions that led to the task's state.
func (b *pageWriter) why(ctx context.Context, c *control.Control, id event.TaskID) error {
	h, err := control.Get(ctx, c, control.Why{Ref: string(id)})
	if err != nil {
		return err
	}
	for _, d := range h.Decisions {
		title := d.Time.Local().Format(time.DateTime)
		if d.Move != nil {
			title += fmt.Sprintf("  %s -> %s", d.Move.From, d.Move.To)
		}
		b.head(title)
		for _, e := range d.Facts {
			b.field("saw", words.Event(e))
		}
		if m := d.Move; m != nil {
			b.field("rule", m.Rule+": "+cmp.Or(life.RuleText(m.Rule), "a rule of another version"))
			if m.Detail != "" {
				b.field("because", m.Detail)
			}
		}
		for _, a := range d.Acts {
			b.field("did", words.Action(a.Action)+", "+actEnd(a))
		}
	}
	return nil
}

// actEnd says how an act ended.
func actEnd(a control.Act) string {
	switch {
	case a.Ended.IsZero():
		return "which is under way"
	case a.Error != "":
		return "which failed: " + words.FirstLine(a.Error)
	}
	return "done in " + a.Ended.Sub(a.Begun).Round(time.Millisecond).String()
}

// words adds the prompt, what can be done next, and the messages.
func (b *pageWriter) words(ctx context.Context, c *control.Control, id event.TaskID) error {
	d, err := control.Get(ctx, c, control.Detail{Ref: string(id)})
	if err != nil {
		return err
	}
	t := d.Task
	if steps := words.NextSteps(t); len(steps) > 0 {
		b.head("Next")
		for _, step := range steps {
			b.field("", step.String())
		}
	}
	b.head("Task")
	for _, f := range [][2]string{
		{"repo", t.Spec.Repo},
		{"base", t.Spec.Base},
		{"branch", t.Branch},
		{"worktree", t.Worktree},
		{"agent", t.Spec.Agent},
		{"fence", words.FenceSpec(t.Spec.Fence)},
		{"usage", words.Usage(t.TotalUsage())},
		{"note", t.Note},
	} {
		if f[1] != "" {
			b.field(f[0], f[1])
		}
	}
	for _, f := range d.Configures {
		b.field("beware", string(f.Concern)+": "+f.Path)
	}
	b.head("Prompt")
	b.add(strings.TrimRight(d.Prompt, "\n"))
	for _, m := range d.Messages {
		b.head(fmt.Sprintf("Message %s, %s, %s ago: %s", m.ID, m.State, words.Ago(m.At, b.now), words.Why(m.Why)))
		b.add(strings.TrimRight(m.Text, "\n"))
	}
	return nil
}

// log adds the output of a round's check. Without a round it is that of the newest round, if it failed, or else the text of the agent's
// terminal with its history.
func (b *pageWriter) log(ctx context.Context, c *control.Control, id event.TaskID, round int) error {
	all, err := b.of(ctx, c, id, round)
	if err != nil {
		return err
	}
	want := control.Log{Ref: string(id)}
	want.Check, want.Round = loggedCheck(all, round)
	if round != 0 && want.Check == "" {
		b.add("No check of this round has said anything.")
		return nil
	}
	l, err := control.Get(ctx, c, want)
	if err != nil {
		return err
	}
	said, err := l.Read(ctx)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimRight(said, "\n"), "\n")
	title := "The agent's terminal"
	if want.Check != "" {
		title = fmt.Sprintf("Check %s in round %d", want.Check, want.Round)
	}
	b.head(fmt.Sprintf("%s, %s", title, words.Count(len(lines), "line")))
	if over := len(lines) - mostLog; over > 0 {
		lines = lines[over:]
		b.add(fmt.Sprintf("(the first %d lines: muster logs %s)", over, id))
	}
	b.add(strings.Join(lines, "\n"))
	return nil
}

// loggedCheck returns the check of a round whose output is shown, and its round: the first one that failed, or else the last one. The
// newest round stands for 0, and has only a check that failed.
func loggedCheck(all []control.Round, round int) (check string, of int) {
	for _, r := range slices.Backward(all) {
		if round != 0 && r.Round != round {
			continue
		}
		for _, result := range r.Results {
			switch {
			case result.Log == "":
			case !result.Green():
				return result.Name, r.Round
			case round != 0:
				check, of = result.Name, r.Round
			}
		}
		break
	}
	return check, of
}
