package web

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"muster/internal/control"
	"muster/internal/event"
)

// live is a server that can be connected to, because a stream needs a connection.
func (r *rig) live() *httptest.Server {
	h := httptest.NewUnstartedServer(r.Handler())
	h.Start()
	r.o.Hosts = append(r.o.Hosts, strings.TrimPrefix(h.URL, "http://"))
	r.mux = r.guard(r.routes())
	h.Config.Handler = r.mux
	r.t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return h
}

// listener reads one stream.
type listener struct {
	t      *testing.T
	status int
	lines  *bufio.Reader
	close  func()
}

func (r *rig) listen(h *httptest.Server, c *http.Cookie, query, last string) *listener {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL+r.prefix+"/events?"+query, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	q.AddCookie(c)
	if last != "" {
		q.Header.Set("Last-Event-ID", last)
	}
	w, err := h.Client().Do(q) //nolint:bodyclose // its close does
	if err != nil {
		r.t.Fatal(err)
	}
	l := &listener{t: r.t, status: w.StatusCode, lines: bufio.NewReader(w.Body), close: func() { cancel(); _ = w.Body.Close() }}
	r.t.Cleanup(l.close)
	return l
}

// next returns the next event of a stream.
func (l *listener) next() (id, name, data string) {
	l.t.Helper()
	for {
		line, err := l.lines.ReadString('\n')
		if err != nil {
			l.t.Fatalf("the stream ends: %v", err)
		}
		key, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		switch key {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			return id, name, value
		}
	}
}

func (l *listener) update() (string, update) {
	l.t.Helper()
	id, name, data := l.next()
	var u update
	if err := json.Unmarshal([]byte(data), &u); err != nil || name != "tasks" {
		l.t.Fatalf("%s: %v", name, err)
	}
	return id, u
}

func ids(rows []updateRow) (out []event.TaskID) {
	for _, r := range rows {
		out = append(out, r.ID)
	}
	return out
}

func TestAStreamGoesOnAfterTheEventThatWasSeen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.enter()
	h := r.live()
	r.fill(5, summary("t1", event.Working), summary("t2", event.Working))
	first := r.listen(h, c, "tasks&from=0", "")
	id, u := first.update()
	if id != "5" || !u.Whole || len(u.Rows) != 2 || len(u.Groups["running"]) != 2 {
		t.Fatalf("first: %s %+v", id, u)
	}
	r.fill(7, summary("t2", event.Done))
	id, u = first.update()
	if id != "7" || u.Whole || len(u.Rows) != 1 || u.Rows[0].ID != "t2" || !strings.Contains(u.Rows[0].HTML, "done") || len(u.Groups["done"]) != 1 {
		t.Errorf("then: %s %+v", id, u)
	}
	first.close()
	// Meanwhile t1 is removed and t3 comes. The browser takes up the stream after what it has seen, and gets each once.
	r.fill(8, summary("t1", event.Done, func(t *control.Summary) { t.Removed = true }))
	r.fill(9, summary("t3", event.Waiting, func(t *control.Summary) { t.Request = &control.Request{ID: "r", Reason: event.WaitDialog} }))
	again := r.listen(h, c, "tasks&from=0", "7")
	id, u = again.update()
	if id != "9" || u.Whole || len(u.Rows) != 1 || u.Rows[0].ID != "t3" || len(u.Gone) != 1 || u.Gone[0] != "t1" || u.Say != "t3 asks" || u.Title != "1 needs you · muster" {
		t.Errorf("again: %s %+v", id, u)
	}
	// One that has seen what this server does not know gets everything.
	for _, last := range []string{"900", "x", "-1"} {
		other := r.listen(h, c, "tasks", last)
		if id, u = other.update(); !u.Whole || len(u.Rows) != 2 {
			t.Errorf("after %s: %s %v", last, id, ids(u.Rows))
		}
		other.close()
	}
	// The page of a task is sent its task only.
	one := r.listen(h, c, "task=t2&from=9", "")
	if _, name, data := one.next(); name != "head" || !strings.Contains(data, "t2") || strings.Contains(data, "t3") {
		t.Errorf("%s %s", name, data)
	}
}

func TestAFifthStreamIsRefusedAndOneThatEndsMakesRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.enter()
	h := r.live()
	r.fill(5, summary("t1", event.Working))
	var all []*listener
	for range mostStreamsEach {
		l := r.listen(h, c, "tasks&from=0", "")
		l.update()
		all = append(all, l)
	}
	if l := r.listen(h, c, "tasks&from=0", ""); l.status != http.StatusServiceUnavailable {
		t.Errorf("the fifth stream: %d", l.status)
	}
	if l := r.listen(h, r.enter(), "tasks&from=0", ""); l.status != http.StatusOK { // another browser
		t.Errorf("a stream of another session: %d", l.status)
	}
	if w := r.page("GET", "/", "", c); w.Code != http.StatusOK {
		t.Errorf("a page beside four streams: %d", w.Code)
	}
	all[0].close()
	for end := time.Now().Add(time.Minute); ; { // the server notices that the connection is closed
		r.sessions.mu.Lock()
		n := r.sessions.streams
		r.sessions.mu.Unlock()
		if n == mostStreamsEach {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d streams are open a minute after one was closed", n)
		}
		<-time.After(10 * time.Millisecond)
	}
	if l := r.listen(h, c, "tasks&from=0", ""); l.status != http.StatusOK {
		t.Errorf("after one has ended: %d", l.status)
	}
}

func TestTheServerHasABoundOfStreams(t *testing.T) {
	t.Parallel()
	var s sessions
	taken := 0
	for range mostStreams {
		v := &session{}
		for range 2 {
			if _, ok := s.stream(v); ok {
				taken++
			}
		}
	}
	if taken != mostStreams {
		t.Errorf("%d streams are open", taken)
	}
	s = sessions{}
	now := newRig(t).now
	first := s.begin(now)
	for range mostSessions + 10 {
		s.begin(now.Add(1))
	}
	if len(s.all) > mostSessions || s.of(first, now) != nil {
		t.Errorf("%d sessions are kept", len(s.all))
	}
}

func TestThePlaceOfARemovedTaskIsForgottenInTime(t *testing.T) {
	t.Parallel()
	h := newHub()
	h.take(control.Change{Seq: 1, All: true, Tasks: []control.Summary{summary("t1", event.Working)}}, nil)
	for i := range mostGone + 2 {
		id := "t" + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
		h.take(control.Change{Seq: int64(2 + 2*i), Tasks: []control.Summary{summary(id, event.Done)}}, nil)
		h.take(control.Change{Seq: int64(3 + 2*i), Tasks: []control.Summary{summary(id, event.Done, func(t *control.Summary) { t.Removed = true })}}, nil)
	}
	if len(h.gone) > mostGone {
		t.Errorf("%d removed tasks are remembered", len(h.gone))
	}
	if l := h.since(5); !l.whole || len(l.tasks) != 1 {
		t.Errorf("a page that is older: %+v", l)
	}
	if l := h.since(h.seq); l.whole || len(l.tasks) != 0 || len(l.gone) != 0 {
		t.Errorf("a page that is up to date: %+v", l)
	}
	// A whole list has what is not new, too: a row that did not change is not sent again.
	seq := h.seq
	h.take(control.Change{Seq: seq + 1, All: true, Tasks: []control.Summary{summary("t1", event.Working), summary("t2", event.Queued)}}, nil)
	if l := h.since(seq); len(l.tasks) != 1 || l.tasks[0].ID != "t2" {
		t.Errorf("after a whole list: %+v", l.tasks)
	}
}
