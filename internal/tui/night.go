package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/report"
	"muster/internal/words"
)

// nightPage is the view of the night.
type nightPage struct {
	line   control.Timeline
	loaded bool
	in     bool
	why    string
	at     int // the selected lane
	top    int
	asked  time.Time // when it was asked for
}

// openNight opens the view of the night and reads it.
func (m *Model) openNight() []effect {
	m.view = nightView
	return m.night.want(m.since, m.now)
}

// nightEvery is how often the night is read while it is shown.
const nightEvery = 30 * time.Second

func (p *nightPage) want(since, now time.Time) []effect {
	if p.in {
		return nil
	}
	p.in, p.asked = true, now
	return []effect{readNight{since: since}}
}

func (p *nightPage) take(msg night) {
	p.in, p.why = false, ""
	if msg.err != nil {
		p.why = words.Problem(msg.err)
		return
	}
	was := p.selected()
	p.line, p.loaded = msg.line, true
	if i := slices.IndexFunc(p.line.Lanes, func(l report.Lane) bool { return l.Task == was }); i >= 0 {
		p.at = i
	}
	p.scroll(0)
}

func (p *nightPage) scroll(by int) { p.at = max(0, min(p.at+by, len(p.line.Lanes)-1)) }

// selected returns the task of the selected lane; "" if there is none.
func (p *nightPage) selected() event.TaskID {
	if p.at < 0 || p.at >= len(p.line.Lanes) {
		return ""
	}
	return p.line.Lanes[p.at].Task
}

// drawNight returns the lines of the view, height in number.
func (m *Model) drawNight(height int) []string {
	l, p := m.look, &m.night
	var out []string
	switch {
	case p.why != "":
		out = append(out, " "+l.field(p.why, 500))
	case !p.loaded:
		out = append(out, " reading the log")
	}
	if !p.loaded {
		return out
	}
	r := p.line.Report
	const clock = "2 Jan 15:04"
	head := fmt.Sprintf(" Night of %s to %s", p.line.Since.Format(clock), p.line.Until.Format(clock))
	var totals []string
	for _, g := range []words.Group{words.DoneGroup, words.NeedsYouGroup, words.RunningGroup, words.QueuedGroup} {
		if n := r.Totals.Groups[g]; n > 0 {
			totals = append(totals, g.Count(n))
		}
	}
	if r.Totals.Usage.CostUSD > 0 {
		totals = append(totals, fmt.Sprintf("$%.2f", r.Totals.Usage.CostUSD))
	}
	totals = append(totals, fmt.Sprintf("spared you %d", r.Totals.Spared))
	out = append(out, m.between(l.paint(bold, head), strings.Join(totals, "   ")+" "))
	name, tail := 18, 26
	if m.width < 90 {
		name, tail = 12, 0
	}
	width := max(8, m.width-name-tail-3)
	out = append(out, strings.Repeat(" ", name+2)+l.paint(dim, hours(p.line.Since, p.line.Until, width)))
	acts := min(len(r.Acts), max(0, (height-len(out))/3))
	room := max(1, height-len(out)-acts-2)
	p.top = max(min(p.top, p.at), p.at-room+1, 0)
	for i := p.top; i < min(len(p.line.Lanes), p.top+room); i++ {
		lane := p.line.Lanes[i]
		cursor := " "
		if i == p.at {
			cursor = l.sign("▌", ">")
		}
		line := cursor + l.fit(string(lane.Task)+" "+l.field(lane.Name, 40), name) + " " + m.drawLane(lane, width)
		if tail > 0 {
			line += " " + l.fit(laneTail(lane), tail)
		}
		out = append(out, line)
	}
	if len(p.line.Gaps) > 0 {
		out = append(out, l.fit(" fleet", name+1)+" "+m.drawGaps(width))
	}
	if acts > 0 {
		out = append(out, l.rule(m.width))
	}
	for _, a := range r.Acts[len(r.Acts)-acts:] {
		out = append(out, l.fit(fmt.Sprintf(" %s  %-5s %s", a.Time.In(p.line.Until.Location()).Format("15:04"), a.Task, l.field(a.Text, 300)), m.width))
	}
	return out
}

// hours returns the scale above the lanes.
func hours(since, until time.Time, width int) string {
	line := []byte(strings.Repeat(" ", width+6))
	span := until.Sub(since)
	step := time.Hour
	for span > 0 && float64(width)*step.Hours()/span.Hours() < 4 {
		step *= 2
	}
	for t := since.Truncate(time.Hour).Add(time.Hour); t.Before(until); t = t.Add(step) {
		at := int(float64(width) * float64(t.Sub(since)) / float64(span))
		copy(line[at:], t.Format("15"))
	}
	return string(line[:width])
}

// drawLane draws one column for each part of the time. In each the state that matters most is shown, so that a short one does
// not vanish.
func (m *Model) drawLane(lane report.Lane, width int) string {
	since, until := m.night.line.Since, m.night.line.Until
	span := until.Sub(since)
	if span <= 0 {
		return strings.Repeat(" ", width)
	}
	states := make([]event.State, width)
	for _, s := range lane.Spans {
		from := int(float64(width) * float64(s.From.Sub(since)) / float64(span))
		to := int(float64(width) * float64(s.Until.Sub(since)) / float64(span))
		for i := max(0, from); i <= to && i < width; i++ {
			if states[i] == "" || weight(s.State) > weight(states[i]) || i > from && s.Until.Sub(s.From) > span/time.Duration(width) {
				states[i] = s.State
			}
		}
	}
	var b strings.Builder
	for _, s := range states {
		if s == "" {
			b.WriteByte(' ')
			continue
		}
		b.WriteString(m.look.paint(toneStyle(words.ToneOf(s)), m.look.mark(s)))
	}
	return b.String()
}

// weight returns how much a state matters in a column that several states share.
func weight(s event.State) int {
	switch words.ToneOf(s) {
	case words.ToneBad:
		return 5
	case words.ToneGood:
		return 4
	case words.ToneWarn:
		return 3
	case words.ToneBusy:
		return 2
	case words.ToneDim:
	}
	return 1
}

// drawGaps marks the times in which nobody watched.
func (m *Model) drawGaps(width int) string {
	line := strings.Split(strings.Repeat(" ", width), "")
	span := m.night.line.Until.Sub(m.night.line.Since)
	for _, g := range m.night.line.Gaps {
		from := int(float64(width) * float64(g.From.Sub(m.night.line.Since)) / float64(span))
		to := int(float64(width) * float64(g.Until.Sub(m.night.line.Since)) / float64(span))
		for i := max(0, from); i <= to && i < width; i++ {
			line[i] = m.look.sign("▒", "#")
		}
	}
	return m.look.paint(dim, strings.Join(line, ""))
}

// laneTail returns the sums of a lane.
func laneTail(lane report.Lane) string {
	var parts []string
	if lane.Red > 0 {
		parts = append(parts, fmt.Sprintf("%d red", lane.Red))
	}
	if lane.Gens > 1 {
		parts = append(parts, fmt.Sprintf("%d agents", lane.Gens))
	}
	if lane.Cost > 0 {
		parts = append(parts, fmt.Sprintf("$%.2f", lane.Cost))
	}
	return strings.Join(append(parts, string(lane.State)), " ")
}
