package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/text"
	"muster/internal/words"
)

// Detail is how much of what agents wrote is in a message.
type Detail string

// The details.
const (
	DetailName     Detail = config.DetailName     // the id and the name of the task
	DetailQuestion Detail = config.DetailQuestion // also the first line of a question, or of a reason
	DetailFull     Detail = config.DetailFull     // also the rest of what the log has
)

// Facts are what messages tell about: the tasks of their notices, and of a digest the fleet.
type Facts struct {
	Tasks map[event.TaskID]life.Task
	World World
	Gate  string // why nothing new starts; "" if tasks may start
	// Of a digest: the tasks that need a person, in the order in which a person looks at them, how many ended since, and the
	// cost of those.
	Needs                   []life.Task
	Done, Failed, Cancelled int
	CostUSD                 float64
}

// Text is a message in words. Its JSON is what webhooks of shape json and commands get. All of its text is one that is
// safe to print; only Text has line ends.
type Text struct {
	V       int              `json:"v"`
	ID      string           `json:"id"` // a repeat has the same
	Seq     int64            `json:"seq"`
	Kind    event.NoticeKind `json:"kind"` // of the first notice
	Title   string           `json:"title"`
	Text    string           `json:"text"`
	Task    event.TaskID     `json:"task,omitempty"`     // of the first notice about a task, like the two that follow
	Ask     string           `json:"question,omitempty"` // what is asked, or why the task stands
	Command string           `json:"command,omitempty"`  // what takes the task on
	Notices []Line           `json:"notices"`
	// Buttons answer what the task asks. Their codes are secrets, and only a channel that offers answers gets them.
	Buttons []Button `json:"-"`
}

// Button is a choice with the code that its press sends to a topic.
type Button struct{ Label, Code, Topic string }

// Line is one notice in words.
type Line struct {
	What     event.NoticeKind `json:"kind"`
	Seq      int64            `json:"seq"`
	Task     event.TaskID     `json:"task,omitempty"`
	Name     string           `json:"name,omitempty"`
	State    event.State      `json:"state,omitempty"`
	Reason   event.Reason     `json:"reason,omitempty"`
	Text     string           `json:"text,omitempty"` // the question, or the reason in words
	Options  []string         `json:"options,omitempty"`
	Commands []string         `json:"commands,omitempty"`
}

// Limits of a message.
const (
	mostName    = 60   // bytes of a task's name
	mostFirst   = 200  // bytes of a first line
	mostWhole   = 1500 // bytes of a whole text
	mostOption  = 100
	mostOptions = 9
	mostLines   = 10 // notices that are told one by one
)

// Stands reports whether what a notice tells about a task is still so.
func Stands(n Notice, t life.Task) bool {
	switch n.What {
	case event.NoticeAsks, event.NoticeReminder:
		return t.State == event.Waiting && t.Request != nil && !t.Removed
	case event.NoticeParked:
		return t.State == event.Parked && !t.Removed
	case event.NoticeFailed:
		return t.State == event.Failed && !t.Removed
	case event.NoticeStill, event.NoticeGate, event.NoticeMerge, event.NoticeOver, event.NoticeDigest, event.NoticeTest:
	}
	return true
}

// Compose puts a message into words. The tasks of its notices are in the facts.
func Compose(m Message, f Facts, d Detail) Text {
	out := Text{V: 1, ID: m.ID, Notices: []Line{}}
	for i, n := range m.Notices {
		l := f.line(n, d)
		out.Notices = append(out.Notices, l)
		if i == 0 {
			out.Seq, out.Kind = n.Of, n.What
		}
		if out.Task == "" && n.Task != "" {
			out.Task, out.Ask = n.Task, l.Text
			if len(l.Commands) > 0 {
				out.Command = l.Commands[0]
			}
		}
	}
	out.Title = f.title(out.Notices)
	out.Text = f.body(out.Notices, d)
	return out
}

// Test returns the message with which a person tries a channel.
func Test(channel, id string) Text {
	return Text{
		V: 1, ID: id, Kind: event.NoticeTest, Title: "muster: a test of " + channel,
		Text: "This is how you are told when a task needs you.\nmuster status", Command: "muster status", Notices: []Line{},
	}
}

// line puts a notice into words.
func (f Facts) line(n Notice, d Detail) Line {
	l := Line{What: n.What, Seq: n.Of, Task: n.Task}
	switch n.What {
	case event.NoticeStill:
		l.Text = fmt.Sprintf("%s, and none has run for a while", wait(f.World.count(event.Queued, event.Blocked, event.Limited)))
		if f.Gate != "" {
			l.Text += ": " + text.Line(f.Gate, mostFirst)
		}
		l.Commands = []string{"muster status"}
	case event.NoticeGate:
		l.Text, l.Commands = "nothing new starts: "+text.Line(cmp.Or(f.Gate, "see muster status"), mostFirst), []string{"muster status"}
	case event.NoticeMerge:
		l.Text, l.Commands = n.Text, []string{"muster status"}
	case event.NoticeOver:
		l.Text, l.Commands = "nothing is left that can run: "+f.totals(), []string{"muster report"}
	case event.NoticeDigest:
		l.Text, l.Commands = f.totals(), []string{"muster report"}
	case event.NoticeAsks, event.NoticeReminder, event.NoticeParked, event.NoticeFailed, event.NoticeTest:
		f.about(&l, f.Tasks[n.Task], d)
	}
	return l
}

// wait counts tasks that wait.
func wait(n int) string {
	if n == 1 {
		return "1 task waits"
	}
	return words.Count(n, "task") + " wait"
}

// about fills in what a line says about a task.
func (f Facts) about(l *Line, t life.Task, d Detail) {
	l.Task, l.Name, l.State, l.Reason = t.ID, text.Line(t.Spec.Name, mostName), t.State, t.Reason
	for _, step := range words.NextSteps(t) {
		l.Commands = append(l.Commands, step.Command())
	}
	if len(l.Commands) == 0 {
		l.Commands = []string{"muster show " + string(t.ID)}
	}
	if d == DetailName {
		return
	}
	said := t.Detail
	if r := t.Request; r != nil {
		said = r.Text
		if r.Tool != "" {
			said = r.Tool + ": " + said
		}
		for _, o := range r.Options[:min(len(r.Options), mostOptions)] {
			l.Options = append(l.Options, text.Line(o, mostOption))
		}
	}
	if d == DetailFull {
		l.Text = text.Cut(strings.TrimSpace(text.Clean(said)), mostWhole)
		return
	}
	l.Text = text.Line(words.FirstLine(said), mostFirst)
}

// Nothing reports whether a digest has nothing to tell.
func (f Facts) Nothing() bool { return f.Done+f.Failed+f.Cancelled+len(f.Needs) == 0 }

// totals says how many tasks ended since the last digest, how many need a person, and what it cost.
func (f Facts) totals() string {
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(f.Done, "done")
	if n := len(f.Needs); n > 0 {
		parts = append(parts, words.NeedsYouGroup.Count(n))
	}
	add(f.Failed, "failed")
	add(f.Cancelled, "cancelled")
	if f.CostUSD >= 0.005 {
		parts = append(parts, fmt.Sprintf("$%.2f", f.CostUSD))
	}
	if len(parts) == 0 {
		return "nothing has ended"
	}
	return strings.Join(parts, ", ")
}

// verb says what a task does.
func verb(what event.NoticeKind) string {
	switch what {
	case event.NoticeReminder:
		return "still asks, and is parked soon"
	case event.NoticeParked:
		return "is parked"
	case event.NoticeFailed:
		return "has failed"
	case event.NoticeAsks, event.NoticeStill, event.NoticeGate, event.NoticeMerge, event.NoticeOver, event.NoticeDigest, event.NoticeTest:
	}
	return "asks"
}

// title is the title of a message.
func (f Facts) title(lines []Line) string {
	if slices.ContainsFunc(lines, func(l Line) bool { return l.What == event.NoticeDigest }) {
		return "muster: " + f.totals()
	}
	if len(lines) == 1 {
		return "muster: " + subject(lines[0])
	}
	counts, order := map[event.NoticeKind]int{}, []event.NoticeKind{}
	for _, l := range lines {
		if counts[l.What] == 0 {
			order = append(order, l.What)
		}
		counts[l.What]++
	}
	var parts []string
	for _, what := range order {
		parts = append(parts, many(counts[what], what))
	}
	return "muster: " + strings.Join(parts, ", ")
}

// many counts notices of a kind.
func many(n int, what event.NoticeKind) string {
	switch what {
	case event.NoticeStill:
		return "the fleet stands still"
	case event.NoticeGate:
		return "nothing new starts"
	case event.NoticeMerge:
		if n > 1 {
			return fmt.Sprintf("%d merge queues wait", n)
		}
		return "a merge queue waits"
	case event.NoticeOver:
		return "nothing is left that can run"
	case event.NoticeAsks, event.NoticeReminder, event.NoticeParked, event.NoticeFailed, event.NoticeDigest, event.NoticeTest:
	}
	if n == 1 {
		return "1 task " + verb(what)
	}
	plural := map[event.NoticeKind]string{
		event.NoticeReminder: "still ask, and are parked soon", event.NoticeParked: "are parked", event.NoticeFailed: "have failed",
	}[what]
	return fmt.Sprintf("%d tasks %s", n, cmp.Or(plural, "ask"))
}

// subject says what a line is about, without the words of an agent.
func subject(l Line) string {
	if l.Task == "" {
		return many(1, l.What)
	}
	name := string(l.Task)
	if l.Name != "" && l.Name != name {
		name += " " + l.Name
	}
	return name + " " + verb(l.What)
}

// body is the text of a message below its title.
func (f Facts) body(lines []Line, d Detail) string {
	var b strings.Builder
	put := func(l Line, alone bool) {
		switch {
		case !alone && l.Text != "":
			fmt.Fprintf(&b, "%s: %s\n", subject(l), l.Text)
		case !alone:
			fmt.Fprintf(&b, "%s\n", subject(l))
		case l.Text != "":
			fmt.Fprintf(&b, "%s\n", l.Text)
		}
		for i, o := range l.Options {
			fmt.Fprintf(&b, "%d %s\n", i+1, o)
		}
		for _, c := range l.Commands[:min(len(l.Commands), 2)] {
			fmt.Fprintf(&b, "  %s\n", c)
		}
	}
	told, digest := map[event.TaskID]bool{}, false
	for i, l := range lines {
		told[l.Task] = true
		if l.What == event.NoticeDigest {
			digest = true
			continue // its text is the title
		}
		if i == mostLines {
			fmt.Fprintf(&b, "and %d more: muster ls\n", len(lines)-i)
			break
		}
		put(l, len(lines) == 1)
	}
	if !digest {
		return strings.TrimRight(b.String(), "\n")
	}
	left := slices.DeleteFunc(slices.Clone(f.Needs), func(t life.Task) bool { return told[t.ID] })
	for i, t := range left {
		if i == mostLines {
			fmt.Fprintf(&b, "and %d more: muster ls\n", len(left)-i)
			break
		}
		l := Line{What: needs(t.State)}
		f.about(&l, t, d)
		put(l, false)
	}
	b.WriteString("muster report")
	return b.String()
}

// needs returns the kind of notice for a task that needs a person.
func needs(s event.State) event.NoticeKind {
	switch s { //nolint:exhaustive // all others ask
	case event.Parked:
		return event.NoticeParked
	case event.Failed:
		return event.NoticeFailed
	}
	return event.NoticeAsks
}
