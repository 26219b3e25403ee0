package web

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/words"
)

const (
	// coalesce is how long what changes is collected before it is sent.
	coalesce = 50 * time.Millisecond
	// beat is the pause after which something is sent in any case, so that both ends notice the loss of the other.
	beat = 15 * time.Second
	// sendTime is how long a client may take for what it is sent.
	sendTime = 10 * time.Second
	// lookEvery is how often it is noted that a person looks. A browser closes the stream of a page that is not visible.
	lookEvery = 10 * time.Second
	// screenEvery is the pause between two looks at a screen.
	screenEvery = 500 * time.Millisecond
)

// update is what a page is sent about the list.
type update struct {
	Seq     int64                          `json:"seq"`
	Whole   bool                           `json:"whole,omitempty"` // rows are all of them
	Rows    []updateRow                    `json:"rows,omitempty"`
	Gone    []event.TaskID                 `json:"gone,omitempty"`
	Groups  map[words.Group][]event.TaskID `json:"groups,omitempty"` // the order of the rows
	N       map[words.Group]int            `json:"n,omitempty"`      // of tasks, also those that are not listed
	Counts  string                         `json:"counts,omitempty"` // HTML
	Trouble string                         `json:"trouble"`          // HTML
	Title   string                         `json:"title,omitempty"`
	Say     string                         `json:"say,omitempty"` // to a person who does not see it
}

type updateRow struct {
	ID   event.TaskID `json:"id"`
	HTML string       `json:"html"`
}

// head is what the page of a task is sent.
type head struct {
	Was  string `json:"was"`
	HTML string `json:"html"`
}

// stream sends a page what changes while it is open. It begins after the event that the browser saw last.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, v *session) {
	leave, ok := s.sessions.stream(v)
	if !ok {
		w.Header().Set("Retry-After", "30")
		s.refuse(w, r, http.StatusServiceUnavailable, "too many pages are open", "This browser has live updates in four tabs already. Close one, and load this page again.")
		return
	}
	defer leave()
	p := &page{s: s, w: w, c: http.NewResponseController(w), list: r.URL.Query().Has("tasks"), task: event.TaskID(r.URL.Query().Get("task")), screen: r.URL.Query().Has("screen")}
	after := r.Header.Get("Last-Event-ID")
	if after == "" {
		after = r.URL.Query().Get("from")
	}
	p.seq, _ = strconv.ParseInt(after, 10, 64)   // 0 reads everything
	if p.c.SetReadDeadline(time.Time{}) != nil { // the time for the request does not end the stream
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	p.serve(r.Context())
}

// page is one stream.
type page struct {
	s      *Server
	w      http.ResponseWriter
	c      *http.ResponseController
	list   bool
	task   event.TaskID
	screen bool

	seq   int64
	order string // the order of the rows as it was sent
	was   string
	drawn [sha256.Size]byte
	waits map[event.TaskID]string // what each task asked when it was sent
}

func (p *page) serve(ctx context.Context) {
	beats, looks := time.NewTicker(beat), time.NewTicker(lookEvery)
	defer beats.Stop()
	defer looks.Stop()
	var screens <-chan time.Time
	if p.screen {
		t := time.NewTicker(screenEvery)
		defer t.Stop()
		screens = t.C
	}
	opened := time.Now()
	_ = p.s.o.Control.Looking() // otherwise a message is sent, which is what happens without a page
	if p.raw(": muster\n\n") != nil {
		return
	}
	for {
		due := p.s.hub.next()
		if p.changes(ctx) != nil {
			return
		}
		for wait := true; wait; {
			var err error
			select {
			case <-ctx.Done():
				return
			case <-p.s.closing:
				return
			case <-due:
				wait = false
			case <-beats.C:
				err = p.raw(": beat\n\n")
			case <-looks.C:
				if time.Since(opened) < control.Attention {
					_ = p.s.o.Control.Looking()
				}
			case <-screens:
				err = p.look(ctx)
			}
			if err != nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(coalesce):
		}
	}
}

// raw sends a text, which the client must take within its time.
func (p *page) raw(text string) error {
	if err := p.c.SetWriteDeadline(time.Now().Add(sendTime)); err != nil {
		return err
	}
	if _, err := p.w.Write([]byte(text)); err != nil {
		return err
	}
	return p.c.Flush()
}

// send sends an event.
func (p *page) send(name string, v any) error {
	data, err := json.Marshal(v) // without line ends
	if err != nil {
		return err
	}
	return p.raw(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", p.seq, name, data))
}

// changes sends what has changed since the last time.
func (p *page) changes(ctx context.Context) error {
	l := p.s.hub.since(p.seq)
	if l.seq == 0 && len(l.tasks) == 0 && l.wrong == "" {
		return nil // the fleet was not read yet
	}
	p.seq = l.seq
	if p.task != "" {
		return p.head()
	}
	if !p.list {
		return nil
	}
	u := update{Seq: l.seq, Whole: l.whole, Gone: l.gone, Title: title(l) + " · muster"}
	for i := range l.tasks {
		t := &l.tasks[i]
		d := &doc{}
		p.s.row(ctx, d, t, l.fresh[t.ID])
		u.Rows = append(u.Rows, updateRow{ID: t.ID, HTML: d.String()})
		u.Say = p.news(t, u.Say)
	}
	if order := fmt.Sprint(l.groups, l.fleet.Waiting, l.fleet.Ended); order != p.order {
		p.order, u.Groups, u.N = order, l.groups, l.numbers()
	}
	counts, trouble := &doc{}, &doc{}
	counts.counts(l)
	trouble.trouble(l)
	u.Counts, u.Trouble = counts.String(), trouble.String()
	return p.send("tasks", u)
}

// news returns what is said about a task that asks something since the last time.
func (p *page) news(t *control.Summary, said string) string {
	first := p.waits == nil
	if first {
		p.waits = map[event.TaskID]string{}
	}
	if !words.Asks(t) {
		delete(p.waits, t.ID)
		return said
	}
	if p.waits[t.ID] == t.Request.ID {
		return said
	}
	p.waits[t.ID] = t.Request.ID
	return strings.TrimPrefix(said+", "+string(t.ID)+" asks", ", ")
}

// head sends how the task is, if that has changed.
func (p *page) head() error {
	t, known := p.s.hub.task(p.task)
	if !known {
		return nil
	}
	d := &doc{}
	p.s.taskHead(d, t)
	if d.String() == p.was {
		return nil
	}
	p.was = d.String()
	return p.send("head", head{Was: was(t.State, t.Gen), HTML: d.String()})
}

// look sends the screen of the agent, if it has changed.
func (p *page) look(ctx context.Context) error {
	t, known := p.s.hub.task(p.task)
	if !known {
		return nil
	}
	rows, err := p.s.viewer.Screen(ctx, p.task, t.Gen)
	if err != nil {
		return nil //nolint:nilerr // the session is gone, and the page shows the last screen
	}
	sum := sha256.Sum256([]byte(rows))
	if sum == p.drawn {
		return nil
	}
	p.drawn = sum
	d := &doc{}
	d.terminal(rows)
	return p.send("screen", d.String())
}
