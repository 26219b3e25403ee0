package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/text"
	"muster/internal/words"
)

// How long something must have been on the screen before a key can act on it. A terminal shows a frame some time after it was
// made, and a key that was pressed before may arrive after it.
const (
	shownForChoice = 100 * time.Millisecond
	shownForAllow  = 300 * time.Millisecond
)

// minStrip is the narrowest terminal on which a request is shown, and can be answered, in columns.
const minStrip = 20

// strip is the place at the bottom in which one request is answered. It is pinned to that request: whatever happens in the
// fleet, the strip shows another request only after the person asked for the next one.
type strip struct {
	id      event.TaskID
	request *event.RequestOpened
	failed  string

	question int      // the question of the request that is shown
	answers  []string // to the questions before it
	chosen   []int    // numbers of options, where several may be chosen

	lines   []string // the whole text, broken at width
	options []string // the labels of the options that the digits choose
	width   int
	top     int
	read    int       // so many lines, from the first on, have been on the screen
	whole   time.Time // when the last of them came onto the screen
	first   time.Time // when the first of them did

	sent    string // the command that was sent; "" before that
	gone    string // why the request is not open any more
	outcome string // what followed
}

// open reports whether keys may answer the request.
func (s *strip) open() bool {
	return s.request != nil && s.sent == "" && s.gone == "" && s.failed == ""
}

// answerable reports whether muster can answer the request without the agent's terminal.
func (s *strip) answerable() bool {
	return s.request != nil && s.request.Request != "" && s.request.Reason != event.WaitDialog
}

// take shows the request of a task that was read.
func (s *strip) take(m asked) {
	switch {
	case m.err != nil:
		s.failed = words.Problem(m.err)
	case m.task.Request == nil:
		s.gone = fmt.Sprintf("%s asks nothing any more: it is %s", m.id, m.task.State)
	default:
		s.request = m.task.Request
	}
}

// check notes that the request was closed, or replaced by another one, behind the strip.
func (s *strip) check(t *control.Summary) {
	switch {
	case !s.open():
	case t == nil:
		s.gone = fmt.Sprintf("%s is gone", s.id)
	case t.Request == nil || !words.Asks(t):
		s.gone = fmt.Sprintf("%s is %s: what it asked was answered elsewhere, or is over", s.id, t.State)
	case t.Request.ID != s.request.Request:
		s.gone = fmt.Sprintf("%s asks something else now", s.id)
	}
}

// lay breaks the text of the request at a width. A new width is a new text: what of it was read is not known any more.
func (s *strip) lay(look Look, width int) {
	if s.request == nil || s.width == width && s.lines != nil {
		return
	}
	s.width, s.lines, s.options, s.top, s.read, s.whole, s.first = width, []string{}, nil, 0, 0, time.Time{}, time.Time{}
	add := func(indent, s0 string) {
		for line := range strings.SplitSeq(s0, "\n") {
			line = look.cells(strings.ReplaceAll(text.Visible(line), "\t", "    "))
			for _, part := range wrap(line, width-len(indent)) {
				s.lines = append(s.lines, indent+part)
			}
		}
	}
	r := *s.request
	if r.Reason != event.WaitQuestion {
		all := words.Wants(r)
		if len(all) == 0 {
			all = []string{words.Request(r)}
		}
		for _, line := range all {
			add("", line)
		}
		return
	}
	questions := r.Questions()
	q := questions[min(s.question, len(questions)-1)]
	title := q.Text
	if q.Header != "" && q.Header != q.Text {
		title = q.Header + ": " + title
	}
	if len(questions) > 1 {
		title = fmt.Sprintf("question %d of %d: %s", s.question+1, len(questions), title)
	}
	if q.Multi {
		title += " (several may be chosen)"
	}
	add("", title)
	for i, o := range q.Options {
		s.options = append(s.options, o.Label)
		line := fmt.Sprintf("%d %s", i+1, o.Label)
		if o.Description != "" {
			line += "   " + o.Description
		}
		add("  ", line)
	}
}

// shown notes that lines from the first on were put onto the screen.
func (s *strip) shown(height int, now time.Time) {
	if !s.open() || len(s.lines) == 0 || height <= 0 {
		return
	}
	if s.first.IsZero() {
		s.first = now
	}
	if s.top > s.read { // something in between was never shown
		return
	}
	if s.read = max(s.read, min(len(s.lines), s.top+height)); s.read == len(s.lines) && s.whole.IsZero() {
		s.whole = now
	}
}

// scroll moves the text by lines.
func (s *strip) scroll(by, height int) {
	s.top = max(0, min(s.top+by, len(s.lines)-height))
}

// multi reports whether several options of the shown question may be chosen.
func (s *strip) multi() bool {
	q := s.request.Questions()
	return s.request.Reason == event.WaitQuestion && s.question < len(q) && q[s.question].Multi
}

// key handles a key while the strip is open. used is false for keys that the strip leaves to others.
func (m *Model) stripKey(k Key) (out []effect, used bool) {
	s := m.strip
	switch k.Name {
	case "ctrl+c", "ctrl+l", "ctrl+z", "?":
		return nil, false
	case "esc", "q":
		m.strip = nil
		return nil, true
	case "n", "N":
		return m.openStrip(m.list.next(s.id, k.Name == "N")), true
	case "up", "k":
		s.scroll(-1, m.stripHeight)
		return nil, true
	case "down", "j":
		s.scroll(1, m.stripHeight)
		return nil, true
	case "pgup":
		s.scroll(-m.stripHeight, m.stripHeight)
		return nil, true
	case "pgdown", "space":
		s.scroll(m.stripHeight, m.stripHeight)
		return nil, true
	case "v":
		return []effect{attach{id: s.id, readOnly: true}}, true
	case "enter":
		if s.open() && s.answerable() && s.multi() && len(s.chosen) > 0 {
			return m.choose(), true
		}
		return []effect{attach{id: s.id}}, true
	}
	if !s.open() {
		return nil, true // the keys wait for n or esc
	}
	if !s.answerable() {
		if strings.ContainsAny(k.Name, "123456789ydt") {
			m.say("%s asks in its own terminal: enter attaches", s.id)
		}
		return nil, true
	}
	if s.request.Reason == event.WaitPermission {
		return m.permissionKey(k), true
	}
	return m.questionKey(k), true
}

// permissionKey allows or denies what is shown.
func (m *Model) permissionKey(k Key) []effect {
	s := m.strip
	switch k.Name {
	case "y":
		if s.request.Ask == nil || s.request.Ask.Cut || s.request.Ask.Hash == "" {
			m.say("it was not stored whole, so nobody can have read it all: d denies, enter attaches")
			return nil
		}
		return m.send(control.Answer{Decision: event.Allow}, "allow")
	case "d":
		return m.send(control.Answer{Decision: event.Deny}, "deny")
	case "t":
		m.ask = &prompt{title: "deny " + string(s.id) + ", since:", done: func(words string) []effect {
			if m.strip != s || !s.open() || strings.TrimSpace(words) == "" {
				return nil
			}
			return m.send(control.Answer{Decision: event.Deny, Text: words}, "deny --reason "+text.Quote(words))
		}}
	}
	return nil
}

// questionKey chooses an option, or begins a text.
func (m *Model) questionKey(k Key) []effect {
	s := m.strip
	if n, err := strconv.Atoi(k.Name); err == nil && n > 0 {
		switch {
		case n > len(s.options):
			m.say("there is no option %d", n)
		case s.multi():
			s.toggle(n)
		default:
			s.chosen = []int{n}
			return m.choose()
		}
		return nil
	}
	if k.Name == "t" {
		m.ask = &prompt{title: "answer " + string(s.id) + ":", done: func(words string) []effect {
			if m.strip != s || !s.open() || strings.TrimSpace(words) == "" {
				return nil
			}
			return m.reply(words)
		}}
	}
	return nil
}

// toggle chooses an option, or no longer.
func (s *strip) toggle(n int) {
	for i, c := range s.chosen {
		if c == n {
			s.chosen = append(s.chosen[:i], s.chosen[i+1:]...)
			return
		}
	}
	s.chosen = append(s.chosen, n)
}

// choose answers the shown question by the chosen options.
func (m *Model) choose() []effect {
	var numbers []string
	for _, n := range m.strip.chosen {
		numbers = append(numbers, strconv.Itoa(n))
	}
	return m.reply(strings.Join(numbers, ","))
}

// reply answers the shown question, and sends the answers after the last one.
func (m *Model) reply(words string) []effect {
	s := m.strip
	if why := s.unread(event.Reply, m.now); why != "" {
		s.chosen = nil
		m.say("%s", why)
		return nil
	}
	questions := s.request.Questions()
	answers := append(slices.Clone(s.answers), words)
	if s.chosen = nil; len(answers) < len(questions) {
		s.answers, s.question, s.lines = answers, s.question+1, nil
		return nil
	}
	line := text.Quote(answers[0])
	if len(questions) > 1 {
		line = ""
		for i, a := range answers {
			line += fmt.Sprintf(" --question %d=%s", i+1, text.Quote(a))
		}
		line = strings.TrimSpace(line)
	}
	return m.send(control.Answer{Answers: answers}, line)
}

// unread returns why a decision cannot be made yet: what it is about was not on the screen, or not for long enough. It returns
// "" if it can be made.
func (s *strip) unread(d event.Decision, now time.Time) string {
	since, least := s.whole, shownForChoice
	switch d {
	case event.Deny: // nothing happens by it that would have to be read
		since = s.first
	case event.Allow:
		least = shownForAllow
	case event.Reply:
	}
	switch {
	case since.IsZero():
		return "read all of it first: space goes on"
	case now.Sub(since) < least:
		return "that key came before it could be read: press it again"
	}
	return ""
}

// send sends an answer to exactly what was shown. It is the only place that does. From then on no key answers any more.
func (m *Model) send(a control.Answer, line string) []effect {
	s := m.strip
	if why := s.unread(cmp.Or(a.Decision, event.Reply), m.now); why != "" {
		m.say("%s", why)
		return nil
	}
	a.Task, a.Request = s.id, s.request.Request
	command := "muster answer " + string(s.id) + " " + line + " --request " + text.Quote(s.request.Request)
	if s.request.Ask != nil && s.request.Ask.Hash != "" {
		a.Hash = s.request.Ask.Hash
		command += " --hash " + a.Hash[:min(12, len(a.Hash))]
	}
	s.sent, m.command = command, command
	return []effect{order{id: s.id, cmd: a}}
}

// openStrip opens the strip for a task that asks.
func (m *Model) openStrip(t *control.Summary) []effect {
	if t == nil {
		m.strip = nil
		return m.nextForPerson()
	}
	m.strip, m.ask, m.confirm = &strip{id: t.ID}, nil, nil
	return append(m.selectTask(t.ID), readAsk{id: t.ID})
}

// drawStrip returns the lines of the strip, at most height.
func (m *Model) drawStrip(height int, now time.Time) []string {
	s, l := m.strip, m.look
	if height < 4 || m.width < minStrip { // a rule, a line of text, the title, the keys
		return nil
	}
	s.lay(l, m.width-2)
	m.stripHeight = max(1, min(len(s.lines), height-3))
	s.scroll(0, m.stripHeight)
	asking := m.list.asking()
	place := ""
	for i, t := range asking {
		if t.ID == s.id {
			place = fmt.Sprintf("%d of %d that ask", i+1, len(asking))
		}
	}
	out := []string{l.rule(m.width), m.between(" "+l.paint(bold, m.stripTitle(now)), place+" ")}
	if s.open() {
		shown := s.lines[s.top:min(len(s.lines), s.top+m.stripHeight)]
		for _, line := range shown {
			out = append(out, " "+line)
		}
		s.shown(len(shown), now)
	}
	for _, line := range []string{s.failed, s.gone, s.sentLine(), s.outcome} {
		if line != "" {
			for _, part := range wrap(l.field(line, 1000), m.width-2) {
				out = append(out, " "+part)
			}
		}
	}
	if len(out) >= height {
		out = out[:height-1]
	}
	return append(out, l.paint(dim, l.fit(" "+s.keys(now), m.width)))
}

func (s *strip) sentLine() string {
	if s.sent == "" {
		return ""
	}
	return "$ " + s.sent
}

// stripTitle returns the first line of the strip.
func (m *Model) stripTitle(now time.Time) string {
	s := m.strip
	t := m.list.all[s.id]
	title := string(s.id)
	if t != nil {
		title += " " + m.look.field(t.Name, 40)
	}
	switch {
	case s.failed != "":
		return title
	case s.gone != "" || s.sent != "":
		return title
	case s.request == nil:
		return title + ": reading what it asks"
	}
	title += " asks"
	if t != nil && t.Request != nil && t.Request.Until != nil {
		title += fmt.Sprintf(", %s left", words.Duration(t.Request.Until.Sub(now)))
	}
	return title
}

// keys returns what the keys mean now.
func (s *strip) keys(now time.Time) string {
	rest := "n next   esc"
	switch {
	case !s.open():
		return rest
	case !s.answerable():
		return "enter attach: it asks in its own terminal   " + rest
	case s.whole.IsZero() && len(s.lines) > 0:
		rest = fmt.Sprintf("space more (%d lines)   ", len(s.lines)-s.read) + rest
	}
	if s.request.Reason == event.WaitPermission {
		keys := "d deny   t deny with a reason   "
		if s.request.Ask != nil && !s.request.Ask.Cut && s.unread(event.Allow, now) == "" {
			keys = "y allow   " + keys
		}
		return keys + rest
	}
	keys := "t other words   "
	switch n := min(9, len(s.options)); {
	case n == 1:
		keys = "1 choose   " + keys
	case n > 1:
		keys = fmt.Sprintf("1-%d choose   ", n) + keys
	}
	if s.multi() && len(s.chosen) > 0 {
		keys = fmt.Sprintf("enter send %v   ", s.chosen) + keys
	}
	return keys + rest
}
