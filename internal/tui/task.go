package tui

import (
	"slices"
	"strings"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/words"
)

// tab is a page of a task; the number is its key.
type tab int

const (
	nowTab tab = iota + 1
	diffTab
	checksTab
	whyTab
	wordsTab
	logTab
	tabs = logTab
)

// String returns the title of a tab.
func (t tab) String() string {
	return [...]string{"", "Now", "Diff", "Checks", "Why", "Words", "Log"}[t]
}

// taskPage is the view of one task.
type taskPage struct {
	id     event.TaskID
	tab    tab
	round  int   // whose diff or log is shown; 0 is the newest state
	rounds []int // that can be chosen, oldest first
	in     bool  // a page is being read
	lines  []string
	marks  []int
	hunks  []int  // lines at which hunks of a diff begin
	why    string // why there is nothing
	top    int
	height int // of the page on the screen
	find   string
	opened bool // the page was shown, so that its place must stay

	asked time.Time // when the page was asked for
	stale bool      // the task has changed since then
}

// command returns the muster command that shows the same.
func (p *taskPage) command() string {
	if p.tab == diffTab {
		return control.Diff{Ref: string(p.id), Round: p.round}.Command()
	}
	return "muster " + [...]string{"", "show", "", "checks", "why", "show", "logs"}[p.tab] + " " + string(p.id)
}

// openTask opens the selected task.
func (m *Model) openTask(t tab) []effect {
	if id := m.current(); id != "" {
		return m.openTaskOf(id, t)
	}
	return nil
}

func (m *Model) openTaskOf(id event.TaskID, t tab) []effect {
	if m.list.all[id] == nil {
		return nil
	}
	m.view, m.task = taskView, taskPage{id: id, tab: t}
	m.command = ""
	return append(m.settle(), m.wantPage()...)
}

// openTab opens another page of the task.
func (m *Model) openTab(t tab) []effect {
	m.task = taskPage{id: m.task.id, tab: t, round: m.task.round, rounds: m.task.rounds}
	m.command = ""
	return append(m.wantLook(), m.wantPage()...)
}

// openRound shows the diff or the log of the round before the shown one, or of the one after it. The newest state stands behind all rounds.
func (m *Model) openRound(by int) []effect {
	p := &m.task
	if p.tab != diffTab && p.tab != logTab {
		m.say("the diff and the log are those of a round")
		return nil
	}
	at := slices.Index(p.rounds, p.round)
	if at < 0 {
		at = len(p.rounds)
	}
	at += by
	switch {
	case at < 0:
		m.say("no round was judged before")
		return nil
	case at > len(p.rounds):
		m.say("this is the newest state")
		return nil
	}
	p.round = 0
	if at < len(p.rounds) {
		p.round = p.rounds[at]
	}
	return m.openTab(p.tab)
}

// pageEvery is the least time between two reads of a page while its task changes.
const pageEvery = 2 * time.Second

// refresh asks for the page if its task has changed, and the last time is a while ago.
func (m *Model) refresh() []effect {
	if m.view != taskView || !m.task.stale || m.now.Sub(m.task.asked) < pageEvery {
		return nil
	}
	return m.wantPage()
}

// take takes up a page. The place in it stays.
func (p *taskPage) take(msg page) {
	if msg.id != p.id {
		return // of a task that was left; its page is not awaited any more
	}
	if msg.tab != p.tab || msg.round != p.round {
		return
	}
	p.in, p.why = false, ""
	if msg.err != nil {
		p.why = words.Problem(msg.err)
		return
	}
	p.rounds = msg.rounds
	p.lines, p.marks, p.hunks = msg.lines, msg.marks, msg.hunks
	if !p.opened && msg.end {
		p.top = len(p.lines) // the frame knows how much fits
	}
	p.opened = true
}

func (p *taskPage) scroll(by int) { p.top = max(0, min(p.top+by, len(p.lines)-p.height)) }

// jump goes to the next of some lines, or to the one before.
func (p *taskPage) jump(marks []int, by int) {
	if by > 0 {
		if i := slices.IndexFunc(marks, func(n int) bool { return n > p.top }); i >= 0 {
			p.top = marks[i]
		}
		return
	}
	for _, n := range slices.Backward(marks) {
		if n < p.top {
			p.top = n
			return
		}
	}
}

// search goes to the next line that has the searched text. It reports whether there is one.
func (p *taskPage) search(from int) bool {
	want := strings.ToLower(p.find)
	if want == "" {
		return true
	}
	for i := range p.lines {
		if n := (p.top + from + i) % len(p.lines); strings.Contains(strings.ToLower(p.lines[n]), want) {
			p.top = n
			return true
		}
	}
	return false
}

// window returns the lines that are shown.
func (p *taskPage) window(height int) []string {
	p.height = max(height, 0)
	p.scroll(0)
	return p.lines[p.top:min(len(p.lines), p.top+p.height)]
}
