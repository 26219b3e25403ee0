package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/words"
)

// Frame returns the lines of the screen, as many as it is high and each as wide as it is. What it shows of a request counts as
// shown, so that a key may act on it a moment later.
func (m *Model) Frame(now time.Time) []string {
	m.now = now
	bottom := m.bottom(now)
	room := m.height - len(bottom)
	var top []string
	switch m.view {
	case fleetView:
		top = m.drawFleet(room, now)
	case taskView:
		top = m.drawTask(room, now)
	case nightView:
		top = m.drawNight(room)
	case helpView:
		lines := m.helpLines()
		m.help = max(0, min(m.help, len(lines)-room))
		top = lines[m.help:]
	}
	out := make([]string, 0, m.height)
	for i := range max(room, 0) {
		line := ""
		if i < len(top) {
			line = top[i]
		}
		out = append(out, line)
	}
	out = append(out, bottom...)
	if len(out) > m.height {
		out = out[len(out)-m.height:]
	}
	for i, line := range out {
		if out[i] = m.look.fit(line, m.width); strings.Contains(line, "\x1b") {
			out[i] += "\x1b[0m"
		}
	}
	return out
}

// bottom returns the lines below the view: the answer strip, a prompt, and the keys.
func (m *Model) bottom(now time.Time) []string {
	l := m.look
	var out []string
	if m.strip != nil && m.view != helpView {
		most := max(m.height/2, min(m.height-2, 12))
		out = append(out, m.drawStrip(most, now)...)
	}
	switch {
	case m.ask != nil:
		return append(out, m.ask.draw(l, m.width))
	case m.confirm != nil:
		return append(out, l.paint(yellow, l.fit(" "+m.confirm.title, m.width)))
	case m.said != "" && now.Sub(m.saidAt) < sayFor:
		return append(out, l.fit(" "+m.said, m.width))
	case m.strip != nil && m.view != helpView && len(out) > 0:
		return out
	}
	return append(out, m.between(l.paint(dim, l.fit(" "+m.keyLine(), m.width-len(m.hint())-1)), m.hint()))
}

// hint returns the command that does or shows the same as the screen.
func (m *Model) hint() string {
	line := m.command
	if line == "" && m.view == taskView {
		line = m.task.command()
	}
	if line == "" && m.view == nightView {
		line = "muster report"
	}
	if line == "" || m.width < 60 {
		return ""
	}
	return "$ " + m.look.fit(m.look.field(line, 200), min(ansi.StringWidth(line), m.width/2)) + " "
}

// keyLine returns the keys that matter most in the view.
func (m *Model) keyLine() string {
	switch m.view {
	case taskView:
		return "1-6 tabs  n answer  s words  enter attach  esc back  ? keys"
	case nightView:
		return "j k task  enter why  n answer  esc back  ? keys"
	case helpView:
		return "esc back"
	case fleetView:
	}
	return "n next that asks  enter open  / filter  T night  ? keys  q quit"
}

// between returns a line with one text at each end. The left one is cut first.
func (m *Model) between(left, right string) string {
	w := ansi.StringWidth(right)
	if w >= m.width {
		return m.look.fit(left, m.width)
	}
	return m.look.fit(left, m.width-w) + right
}

// head returns the first line of every view of the fleet, and below it what is wrong.
func (m *Model) head() []string {
	l := m.look
	if !m.loaded {
		line := " muster  reading the log"
		if m.lost != "" {
			line = " muster  " + l.field(m.lost, 500)
		}
		return []string{line}
	}
	s := m.fleet
	parts := []string{fmt.Sprintf("%d/%d slots", s.SlotsUsed, s.Slots)}
	counts := map[words.Group]int{words.QueuedGroup: m.waiting, words.DoneGroup: m.ended}
	for g, n := range m.list.counts {
		counts[g] += n
	}
	for _, g := range []words.Group{words.NeedsYouGroup, words.RunningGroup, words.QueuedGroup, words.DoneGroup} {
		if n := counts[g]; n > 0 {
			text := g.Count(n)
			if g == words.NeedsYouGroup {
				text = l.paint(yellow, text)
			}
			if g == words.DoneGroup && m.list.fresh > 0 {
				text += fmt.Sprintf(" (%d new)", m.list.fresh)
			}
			parts = append(parts, text)
		}
	}
	if cost := m.list.cost(); cost > 0 {
		parts = append(parts, fmt.Sprintf("$%.2f", cost))
	}
	out := []string{m.between(" "+l.paint(bold, "muster")+"  "+strings.Join(parts, "   "), m.supervisor()+" ")}
	trouble := m.trouble
	if m.lost != "" {
		trouble = append([]string{"the log cannot be read, this is old: " + m.lost}, trouble...)
	}
	for _, t := range trouble[:min(len(trouble), max(1, m.height/8))] {
		out = append(out, l.paint(red, l.fit(" "+l.sign("▲", "!")+" "+l.field(t, 400), m.width)))
	}
	return out
}

// supervisor says in few words how the supervisor is.
func (m *Model) supervisor() string {
	s := m.fleet
	switch {
	case s.Supervisor.Running && !s.Healthy:
		return m.look.paint(red, "supervisor STUCK")
	case s.Supervisor.Running && m.width < 100:
		return ""
	case s.Supervisor.Running:
		return "supervisor ok"
	case s.Down:
		return "the fleet is down"
	case s.Live > 0:
		return m.look.paint(red, "NO supervisor")
	}
	return "no supervisor"
}

// columns returns the widths of the list and of the preview beside it; the latter is 0 on a narrow terminal.
func (m *Model) columns() (list, preview int) {
	if m.width < 100 || m.height < 12 {
		return m.width, 0
	}
	preview = min(m.width*45/100, 110)
	return m.width - preview - 1, preview
}

func (m *Model) pageHeight() int { return max(1, m.height-4) }

// drawFleet returns the lines of the list with the preview.
func (m *Model) drawFleet(height int, now time.Time) []string {
	l := m.look
	out := m.head()
	if height < 12 && len(out) > 1 && m.strip != nil {
		out = out[:1]
	}
	out = append(out, l.rule(m.width))
	if !m.loaded {
		return out
	}
	left, right := m.columns()
	room := height - len(out)
	rows := m.list.window(room)
	var side []string
	if right > 0 {
		side = m.drawPreview(right, room, now)
	}
	for i := range max(room, 0) {
		line := ""
		if i < len(rows) {
			line = m.drawRow(rows[i], left, now)
		}
		if right > 0 {
			line = l.fit(line, left) + l.paint(dim, l.sign("│", "|"))
			if i < len(side) {
				line += side[i]
			}
		}
		out = append(out, line)
	}
	if len(m.list.rows) == 0 && room > 0 {
		what := ` no tasks: muster dispatch "…" queues one`
		if m.list.filter != "" {
			what = " nothing matches " + l.field(m.list.filter, 40) + ": esc shows all"
		}
		out[len(out)-room] = l.fit(l.cells(what), left) + strings.TrimPrefix(out[len(out)-room], l.fit("", left))
	}
	return out
}

// drawRow returns one line of the list.
func (m *Model) drawRow(r row, width int, now time.Time) string {
	l := m.look
	if r.task == nil {
		return m.drawHeading(r.group, width)
	}
	t := r.task
	cursor := " "
	if t.ID == m.list.cursor {
		cursor = l.paint(bold, l.sign("▌", ">"))
	}
	mark := l.paint(toneStyle(words.ToneOf(t.State)), l.mark(t.State))
	if m.list.isNew(t) {
		mark = l.paint(green, l.sign("●", "*"))
	}
	name, about := nameWidth(width), l.field(words.About(t), 300)
	if about == "" {
		about = l.field(t.Summary, 300)
	}
	columns := []string{cursor + mark + " " + l.fit(string(t.ID), 6) + l.fit(l.field(t.Name, 100), name)}
	tail := ""
	if width >= 60 {
		tail = l.fit(m.left(t, now), 6)
	}
	if width >= 100 {
		tail += " " + l.fit(l.field(t.Agent, 20), 8)
		tail += l.fit(fmt.Sprintf("r%d a%d", t.Rounds, t.Attempt), 7)
	}
	if width >= 120 && t.Usage.CostUSD > 0 {
		tail += l.fit(fmt.Sprintf("$%.2f", t.Usage.CostUSD), 8)
	}
	room := width - ansi.StringWidth(columns[0]) - ansi.StringWidth(tail) - 2
	return columns[0] + " " + l.fit(about, room) + " " + tail
}

func nameWidth(width int) int {
	switch {
	case width < 60:
		return 12
	case width < 100:
		return 18
	}
	return 24
}

// left returns until when a person can answer, or else how long the task is in its state.
func (m *Model) left(t *control.Summary, now time.Time) string {
	switch {
	case t.State == event.Waiting && t.Request != nil && t.Request.Until != nil:
		return words.Duration(t.Request.Until.Sub(now)) + m.look.sign("←", "<")
	case t.State == event.Limited && t.Until != nil:
		return words.Duration(t.Until.Sub(now)) + m.look.sign("←", "<")
	case t.ChangedAt == nil:
		return ""
	}
	return words.Ago(*t.ChangedAt, now)
}

// drawHeading returns the heading of a group.
func (m *Model) drawHeading(g words.Group, width int) string {
	title := " " + strings.ToUpper(g.Title())
	n := m.list.counts[g]
	switch {
	case g == words.QueuedGroup && m.waiting > 0:
		title += fmt.Sprintf("  %d, and %d more that are not listed", n, m.waiting)
	case g == words.DoneGroup && m.ended > 0:
		title += fmt.Sprintf("  %d, and %d more of today", n, m.ended)
	case g == words.CancelledGroup && m.list.filter == "":
		title += fmt.Sprintf("  %d, shown by a filter", n)
	default:
		title += fmt.Sprintf("  %d", n)
	}
	return m.look.paint(dim, m.look.fit(title, width))
}

// drawPreview returns the lines of the selected agent's screen.
func (m *Model) drawPreview(width, height int, now time.Time) []string {
	l, p := m.look, &m.preview
	t := m.list.all[p.id]
	if t == nil || height < 3 {
		return nil
	}
	head := fmt.Sprintf(" %s %s  %s %s", t.ID, l.field(t.Name, 40), t.State, words.Ago(*t.ChangedAt, now))
	if t.Gen > 0 {
		head += fmt.Sprintf("  gen %d  att %d", t.Gen, t.Attempt)
	}
	out := []string{l.fit(l.paint(bold, l.fit(head, width)), width)}
	room := height - 1
	lines := p.lines
	if p.why != "" {
		lines = append([]string{l.paint(dim, l.fit("("+l.field(p.why, 200)+")", width-1))}, lines...)
	}
	if len(lines) > room { // the newest lines of an agent are at the bottom
		lines = lines[len(lines)-room:]
	}
	for _, line := range lines {
		out = append(out, " "+ansi.Truncate(line, width-1, l.sign("…", "~"))+m.reset(line))
	}
	return out
}

// reset returns what ends the styles of a line that has some.
func (m *Model) reset(line string) string {
	if strings.Contains(line, "\x1b") {
		return "\x1b[0m"
	}
	return ""
}

// drawTask returns the lines of the view of a task.
func (m *Model) drawTask(height int, now time.Time) []string {
	l, p := m.look, &m.task
	t := m.list.all[p.id]
	if t == nil {
		return []string{" " + string(p.id) + " is gone: esc goes back"}
	}
	head := fmt.Sprintf(" %s %s  %s %s", t.ID, l.field(t.Name, 60), t.State, words.Ago(*t.ChangedAt, now))
	if about := words.About(t); about != "" {
		head += ": " + l.field(about, 300)
	}
	var titles []string
	for i := nowTab; i <= tabs; i++ {
		title := fmt.Sprintf(" %d %s ", i, i)
		if i == p.tab {
			title = "[" + strings.TrimSpace(title) + "]"
			title = l.paint(inverse, title)
		}
		titles = append(titles, title)
	}
	out := []string{l.paint(toneStyle(words.ToneOf(t.State)), l.fit(head, m.width)), " " + strings.Join(titles, " "), l.rule(m.width)}
	room := height - len(out)
	if p.tab == nowTab {
		return append(out, m.drawPreview(m.width, room, now)...)
	}
	switch {
	case p.why != "":
		for _, part := range wrap(l.field(p.why, 600), m.width-2) {
			out = append(out, " "+part)
		}
	case !p.opened:
		out = append(out, " reading")
	}
	for _, line := range p.window(height - len(out)) {
		out = append(out, " "+ansi.Truncate(line, m.width-1, l.sign("…", "~"))+m.reset(line))
	}
	return out
}

// marks returns the signs of the states of a group, with their names.
func (m *Model) marks(g words.Group) []string {
	var out []string
	for _, s := range event.States() {
		if words.GroupOf(s) == g {
			out = append(out, m.look.mark(s)+" "+string(s))
		}
	}
	return out
}
