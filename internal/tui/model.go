package tui

import (
	"errors"
	"fmt"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/words"
)

// view is what fills the screen.
type view int

const (
	fleetView view = iota
	taskView
	nightView
	helpView
)

// Intervals of the screen.
const (
	settleFor  = 150 * time.Millisecond // the cursor must rest so long before its task is read
	lookEvery  = 500 * time.Millisecond // between two looks at an agent's screen
	stillEvery = 2 * time.Second        // the same while that screen does not change
	stillAfter = 8                      // looks without a change
	tickEvery  = time.Second
	tickIdle   = 15 * time.Second // without the focus
	sayFor     = 8 * time.Second  // how long an outcome is shown
	noteEvery  = 10 * time.Second // between two notes that a person looks at the fleet
)

// Model is the state of the screen. Update and Frame are its only entries; they must not be called at the same time.
type Model struct {
	look  Look
	since time.Time // of the night

	width, height int
	focused       bool
	now           time.Time
	touched       time.Time // the newest sign of a person: a key, or the focus
	noted         time.Time // the newest note that one looks
	view, back    view

	list           list
	loaded         bool
	fleet          control.FleetStatus
	trouble        []string
	waiting, ended int
	lost           string // why the fleet cannot be read

	strip       *strip
	stripHeight int
	ask         *prompt
	confirm     *confirmation
	said        string // the newest outcome
	saidAt      time.Time
	command     string // the muster command of the newest action

	task    taskPage
	night   nightPage
	help    int // first line of the help
	preview preview
}

// preview is the screen of an agent.
type preview struct {
	id      event.TaskID
	lines   []string
	raw     string
	why     string // why there is none
	at      int    // counts selections: a result of an older one is dropped
	in      bool   // a look is under way; none is queued
	waiting bool   // a look or the end of a selection is scheduled
	still   int    // looks without a change
}

// New returns the state before the first message.
func New(look Look, since time.Time) *Model {
	return &Model{look: look, since: since, focused: true, width: 80, height: 24}
}

// start returns what has to be done first.
func (m *Model) start() []effect { return []effect{wait{tickEvery, second{}}} }

// update takes up a message.
func (m *Model) update(msg any, now time.Time) []effect {
	m.now = now
	switch msg := msg.(type) {
	case Size:
		m.width, m.height = max(1, msg.Width), max(1, msg.Height)
		return m.wantLook()
	case Focus:
		m.focused, m.touched = msg.On, now
		return m.wantLook()
	case Key:
		m.touched = now
		return m.key(msg, now)
	case Paste:
		if m.ask != nil {
			m.ask.insert(msg.Text)
		}
		return nil
	case Changed:
		return m.changed(msg.Change)
	case Lost:
		m.lost = words.Problem(msg.Err)
		return nil
	case second:
		return m.tick(now)
	case settled:
		if m.preview.waiting = false; msg.at == m.preview.at {
			return append(m.wantLook(), m.wantPage()...)
		}
		return m.settle()
	case look:
		m.preview.waiting = false
		return m.wantLook()
	}
	return m.result(msg)
}

// result takes up the result of an effect.
func (m *Model) result(msg any) []effect {
	switch msg := msg.(type) {
	case asked:
		if m.strip != nil && m.strip.id == msg.id && m.strip.request == nil {
			m.strip.take(msg)
			return []effect{wait{shownForAllow + 50*time.Millisecond, redrawn{}}}
		}
	case screen:
		return m.looked(msg)
	case page:
		m.task.take(msg)
	case night:
		m.night.take(msg)
	case ordered:
		m.ordered(msg)
		return m.wantPage()
	case dispatched:
		if msg.err != nil {
			m.say("%s", words.Problem(msg.err))
		} else {
			m.say("%s is queued", msg.id)
		}
	case edited:
		return append(m.edited(msg), m.wantLook()...)
	case failed:
		m.say("%s", words.Problem(msg.err))
	case returned:
		if msg.err != nil {
			m.say("%s", words.Problem(msg.err))
		}
		m.preview.raw = ""
		return append(m.wantLook(), m.wantPage()...)
	}
	return nil
}

// redrawn asks for nothing but another frame.
type redrawn struct{}

func (m *Model) say(format string, args ...any) {
	m.said, m.saidAt = m.look.field(fmt.Sprintf(format, args...), 600), m.now
}

// changed takes up a change of the fleet.
func (m *Model) changed(c control.Change) []effect {
	first := !m.loaded
	m.list.change(c)
	m.loaded, m.lost = true, ""
	m.fleet, m.trouble, m.waiting, m.ended = c.Fleet, c.Trouble, c.Waiting, c.Ended
	if m.strip != nil {
		m.strip.check(m.list.all[m.strip.id])
	}
	if first || m.preview.id != m.list.cursor {
		return m.settle()
	}
	for _, t := range c.Tasks {
		m.task.stale = m.task.stale || t.ID == m.task.id
	}
	return append(m.wantLook(), m.refresh()...)
}

// tick lets the clock go on.
func (m *Model) tick(now time.Time) []effect {
	if m.confirm != nil && now.After(m.confirm.until) {
		m.confirm = nil
	}
	after := tickEvery
	if !m.focused {
		after = tickIdle
	}
	out := []effect{wait{after, second{}}}
	if m.touched.IsZero() {
		m.touched = now // who starts it looks at it
	}
	if m.focused && now.Sub(m.touched) < control.Attention && now.Sub(m.noted) >= noteEvery {
		m.noted = now
		out = append(out, noteLook{})
	}
	if m.view == nightView && now.Sub(m.night.asked) > nightEvery {
		out = append(out, m.night.want(m.since, now)...)
	}
	return append(out, m.refresh()...)
}

// ordered says what became of a command. What it says comes from the log.
func (m *Model) ordered(msg ordered) {
	line := ""
	switch {
	case msg.err != nil:
		line = words.Problem(msg.err)
	case msg.down:
		line = fmt.Sprintf("the fleet is down: what %s was asked for is kept until `muster up`", msg.id)
	case msg.task.Removed:
		line = fmt.Sprintf("%s is removed", msg.id)
	case msg.task.State == event.Working || msg.task.State == event.Queued:
		line = fmt.Sprintf("%s is %s again", msg.id, msg.task.State)
	default:
		line = fmt.Sprintf("%s is %s", msg.id, msg.task.State)
	}
	if s := m.strip; s != nil && s.id == msg.id && s.sent != "" && s.outcome == "" {
		s.outcome = line
		return
	}
	m.say("%s", line)
}

// selectTask moves the cursor to a task.
func (m *Model) selectTask(id event.TaskID) []effect {
	m.list.show(id)
	return m.settle()
}

// settle waits until the cursor rests.
func (m *Model) settle() []effect {
	id := m.current()
	if m.preview.id != id {
		m.preview.id, m.preview.lines, m.preview.raw, m.preview.why, m.preview.still = id, nil, "", "", 0
		m.preview.at++
	}
	if m.preview.waiting {
		return nil // its message finds that the selection has changed, and waits again
	}
	m.preview.waiting = true
	return []effect{wait{settleFor, settled{m.preview.at}}}
}

// current returns the task that keys act on; "" if there is none.
func (m *Model) current() event.TaskID {
	if m.view == taskView {
		return m.task.id
	}
	return m.list.cursor
}

// subject returns the task that keys act on; nil if there is none.
func (m *Model) subject() *control.Summary { return m.list.all[m.current()] }

// previewed reports whether the screen of an agent is shown now.
func (m *Model) previewed() bool {
	switch m.view {
	case fleetView:
		left, _ := m.columns()
		return left < m.width
	case taskView:
		return m.task.tab == nowTab
	case nightView, helpView:
	}
	return false
}

// wantLook asks for the screen of the selected agent if somebody sees it.
func (m *Model) wantLook() []effect {
	p := &m.preview
	t := m.list.all[p.id]
	if !m.focused || !m.previewed() || p.in || p.waiting || t == nil {
		return nil
	}
	if t.Gen == 0 || t.Session == "" {
		p.lines, p.why = nil, "it has no session yet"
		return nil
	}
	p.in = true
	return []effect{readScreen{id: p.id, gen: t.Gen}}
}

// looked takes up the screen of an agent.
func (m *Model) looked(s screen) []effect {
	p := &m.preview
	p.in = false
	if s.id != p.id {
		return m.wantLook()
	}
	switch {
	case errors.Is(s.err, control.ErrNoScreen):
		p.lines, p.raw, p.why = nil, "", "its session is gone"
	case s.err != nil:
		p.why = words.Problem(s.err)
	case s.text != p.raw || p.lines == nil:
		p.raw, p.lines, p.why, p.still = s.text, m.look.rows(s.text), "", 0
	default:
		p.still++
	}
	every := lookEvery
	if p.still >= stillAfter || p.why != "" {
		every = stillEvery
	}
	p.waiting = true
	return []effect{wait{every, look{p.at}}}
}

// wantPage asks for the shown tab of the shown task.
func (m *Model) wantPage() []effect {
	if m.view == nightView {
		return m.night.want(m.since, m.now)
	}
	if m.view != taskView || m.task.tab == nowTab || m.task.in {
		return nil
	}
	m.task.in, m.task.stale, m.task.asked = true, false, m.now
	return []effect{readPage{id: m.task.id, tab: m.task.tab, round: m.task.round, look: m.look, now: m.now}}
}

// nextForPerson moves to the next task that needs a person when none asks.
func (m *Model) nextForPerson() []effect {
	for _, r := range m.list.rows {
		if r.task != nil && r.group == words.NeedsYouGroup && r.task.ID != m.list.cursor {
			m.say("no task asks; %s needs you otherwise", r.task.ID)
			return m.selectTask(r.task.ID)
		}
	}
	m.say("no task asks anything")
	return nil
}

// Title returns the title of the window.
func (m *Model) Title() string {
	n := m.list.counts[words.NeedsYouGroup]
	if n == 0 {
		return "muster"
	}
	return "muster: " + words.NeedsYouGroup.Count(n)
}
