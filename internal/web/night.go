package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/report"
	"muster/internal/text"
	"muster/internal/words"
)

// laneWidth is the width of a lane, in units of its drawing.
const laneWidth = 1000

// nightPage shows what each task did, beside each other.
func (s *Server) nightPage(w http.ResponseWriter, r *http.Request) {
	since, err := s.since(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	n, err := control.Get(r.Context(), s.o.Control, control.Night{Since: since})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	n.Since = begin(n)
	l := s.now(r.Context())
	s.write(w, r, http.StatusOK, frame{title: "Night", page: "night", seq: l.seq, list: l}, func(d *doc) {
		d.el("h1", "Night of "+n.Since.Local().Format("2 Jan 15:04")+" to "+n.Until.Local().Format("15:04"))
		s.spans(d, "/night")
		d.in("p", attrs{"class", "facts"}, func() {
			for _, fact := range totals(n.Report) {
				d.el("span", fact, "class", "fact")
			}
		})
		if len(n.Lanes) == 0 {
			d.el("p", "No task ran in that time.", "class", "empty")
			return
		}
		d.in("div", attrs{"class", "key"}, func() {
			for _, k := range [][2]string{{"busy", "runs"}, {"warn", "waits for you, or for a limit"}, {"dim", "queued"}, {"good", "done"}, {"bad", "failed"}} {
				d.in("span", nil, func() {
					d.el("span", "", "class", "swatch "+k[0])
					d.text(" " + k[1])
				})
			}
			if len(n.Gaps) > 0 {
				d.in("span", nil, func() {
					d.el("span", "", "class", "swatch gap")
					d.text(" nobody watched")
				})
			}
		})
		d.in("table", attrs{"class", "night"}, func() {
			d.el("caption", "What each task did", "class", "hidden")
			d.in("thead", nil, func() {
				d.in("tr", nil, func() {
					d.el("th", "Task", "scope", "col")
					d.in("th", attrs{"scope", "col", "class", "lane"}, func() { d.axis(n) })
					d.el("th", "State", "scope", "col")
					d.el("th", "Cost", "scope", "col")
				})
			})
			d.in("tbody", nil, func() {
				for _, lane := range n.Lanes {
					s.lane(d, lane, n)
				}
			})
		})
		for _, g := range n.Gaps {
			d.el("p", fmt.Sprintf("%s to %s: %s", g.From.Local().Format("15:04"), g.Until.Local().Format("15:04"), g.Why), "class", "dim")
		}
		acts(d, n.Report)
	})
}

// begin returns when the first task of a night did something. What was before it would only squeeze the rest.
func begin(n control.Timeline) time.Time {
	first := n.Until
	for _, lane := range n.Lanes {
		if len(lane.Spans) > 0 && lane.Spans[0].From.Before(first) {
			first = lane.Spans[0].From
		}
	}
	if len(n.Lanes) == 0 || first.Before(n.Since) {
		return n.Since
	}
	return first
}

// ticks are the parts into which the axis of a night is divided.
const ticks = 4

// axis adds the times of the axis, which are above the lanes.
func (d *doc) axis(n control.Timeline) {
	step := n.Until.Sub(n.Since) / ticks
	form := "15:04"
	if step < 2*time.Minute {
		form = "15:04:05"
	}
	d.in("span", attrs{"class", "axis"}, func() {
		for i := range ticks {
			d.el("span", n.Since.Add(time.Duration(i)*step).Local().Format(form))
		}
	})
}

// spans adds links to other times.
func (s *Server) spans(d *doc, path string) {
	d.in("nav", attrs{"class", "tabs", "aria-label", "Time"}, func() {
		for _, h := range []string{"3h", "12h", "24h", "72h"} {
			d.el("a", h, "href", s.prefix+path+"?since="+h)
		}
	})
}

// lane adds the row of one task.
func (s *Server) lane(d *doc, lane report.Lane, n control.Timeline) {
	d.in("tr", nil, func() {
		d.in("th", attrs{"scope", "row"}, func() {
			d.in("a", attrs{"href", s.taskPath(lane.Task, "")}, func() {
				d.el("span", string(lane.Task), "class", "id")
				d.text(" " + text.Field(lane.Name, 40))
			})
		})
		d.in("td", attrs{"class", "lane"}, func() { d.drawLane(lane, n) })
		d.in("td", nil, func() {
			d.state(lane.State)
			if lane.Red > 0 {
				d.text(", " + words.Count(lane.Red, "red round"))
			}
		})
		d.in("td", attrs{"class", "c-cost"}, func() {
			if lane.Cost > 0 {
				d.text(fmt.Sprintf("$%.2f", lane.Cost))
			}
		})
	})
}

// drawLane draws the spans of a task. What is described in words for those who do not see it are the times in each state.
func (d *doc) drawLane(lane report.Lane, n control.Timeline) {
	whole := n.Until.Sub(n.Since)
	x := func(t time.Time) float64 {
		if whole <= 0 {
			return 0
		}
		return min(max(float64(t.Sub(n.Since))/float64(whole)*laneWidth, 0), laneWidth)
	}
	in := map[event.State]time.Duration{}
	var states []event.State
	for _, span := range lane.Spans {
		if in[span.State] == 0 {
			states = append(states, span.State)
		}
		in[span.State] += span.Until.Sub(span.From)
	}
	var said []string
	for _, st := range states {
		said = append(said, string(st)+" "+words.Duration(in[st]))
	}
	d.in("svg", attrs{"viewBox", fmt.Sprintf("0 0 %d 16", laneWidth), "preserveAspectRatio", "none", "role", "img", "aria-label", strings.Join(said, ", ")}, func() {
		rect := func(from, until time.Time, class, title string) {
			const least = 3 // a short state is seen, too
			at := x(from)
			d.in("rect", attrs{"x", fmt.Sprintf("%.1f", min(at, laneWidth-least)), "y", "0", "width", fmt.Sprintf("%.1f", max(x(until)-at, least)), "height", "16", "class", class}, func() {
				d.el("title", title)
			})
		}
		for _, span := range lane.Spans {
			rect(span.From, span.Until, "s-"+tone(span.State), string(span.State)+" from "+span.From.Local().Format("15:04")+" for "+words.Duration(span.Until.Sub(span.From)))
		}
		for _, g := range n.Gaps {
			rect(g.From, g.Until, "s-gap", g.Why)
		}
	})
}

// totals are the numbers of a report.
func totals(r report.Report) (out []string) {
	for _, g := range []words.Group{words.DoneGroup, words.NeedsYouGroup, words.RunningGroup, words.QueuedGroup, words.CancelledGroup} {
		if n := r.Totals.Groups[g]; n > 0 {
			out = append(out, g.Count(n))
		}
	}
	if c := r.Totals.Usage.CostUSD; c > 0 {
		out = append(out, fmt.Sprintf("$%.2f", c))
	}
	return append(out, fmt.Sprintf("spared you %d", r.Totals.Spared))
}

// mostActs bounds the list of what muster did by itself.
const mostActs = 100

// acts adds what muster did by itself.
func acts(d *doc, r report.Report) {
	if len(r.Acts) == 0 {
		return
	}
	d.in("section", attrs{"class", "card"}, func() {
		d.el("h2", "What muster did by itself")
		all := r.Acts
		if over := len(all) - mostActs; over > 0 {
			d.el("p", fmt.Sprintf("%d earlier: muster report", over), "class", "dim")
			all = all[over:]
		}
		d.in("ul", nil, func() {
			for _, a := range all {
				d.in("li", nil, func() {
					d.el("time", a.Time.Local().Format("15:04"), "datetime", a.Time.UTC().Format(time.RFC3339))
					d.text(" " + string(a.Task) + " " + text.Field(a.Text, 300))
				})
			}
		})
	})
}

// reportPage shows what happened while nobody was there.
func (s *Server) reportPage(w http.ResponseWriter, r *http.Request) {
	since, err := s.since(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	of, err := control.Get(r.Context(), s.o.Control, control.Report{Since: since})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	l := s.now(r.Context())
	s.write(w, r, http.StatusOK, frame{title: "Report", page: "report", seq: l.seq, list: l}, func(d *doc) {
		d.el("h1", "Since "+of.Since.Local().Format("2 Jan 15:04"))
		s.spans(d, "/report")
		d.in("p", attrs{"class", "facts"}, func() {
			for _, fact := range totals(of) {
				d.el("span", fact, "class", "fact")
			}
		})
		for _, g := range words.Groups() {
			s.reported(d, g, of)
		}
		acts(d, of)
		if len(of.Slots.Idle) > 0 {
			d.in("section", attrs{"class", "card"}, func() {
				d.el("h2", "Free slots")
				d.in("ul", nil, func() {
					for _, i := range of.Slots.Idle {
						d.el("li", fmt.Sprintf("%.1f hours: %s", i.Hours, text.Field(i.Why, 300)))
					}
				})
			})
		}
	})
}

// reported adds the tasks of one group.
func (s *Server) reported(d *doc, g words.Group, r report.Report) {
	var tasks []report.Task
	for _, t := range r.Tasks {
		if t.Group == g {
			tasks = append(tasks, t)
		}
	}
	if len(tasks) == 0 {
		return
	}
	d.in("section", attrs{"class", "card"}, func() {
		d.el("h2", g.Title())
		d.in("ul", attrs{"class", "reported"}, func() {
			for _, t := range tasks {
				d.in("li", nil, func() {
					d.in("p", nil, func() {
						d.state(t.State)
						d.text(" ")
						d.in("a", attrs{"href", s.taskPath(t.ID, "")}, func() {
							d.el("span", string(t.ID), "class", "id")
							d.text(" " + text.Field(t.Name, 60))
						})
						facts := []string{text.Field(t.Detail, 300), text.Field(t.Checks, 200)}
						if t.Size != nil {
							facts = append(facts, fmt.Sprintf("+%d −%d in %s", t.Size.Added, t.Size.Removed, words.Count(t.Size.Files, "file")))
						}
						if t.Branch != "" {
							facts = append(facts, t.Branch)
						}
						for _, f := range facts {
							if f != "" {
								d.el("span", f, "class", "fact")
							}
						}
					})
					if len(t.Configures) > 0 {
						d.el("p", "It changes what runs later: "+text.Some(t.Configures, 5), "class", "warn-text")
					}
					if g != words.DoneGroup && g != words.CancelledGroup {
						for _, next := range t.Next {
							d.in("p", nil, func() { d.el("code", next) })
						}
					}
				})
			}
		})
	})
}
