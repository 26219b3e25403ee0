package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/event"
)

// ntfy is a server on loopback that does with messages and topics what muster needs of ntfy.
type ntfy struct {
	*httptest.Server
	mu     sync.Mutex
	topics map[string][]posted
	more   chan struct{} // closed and replaced when something was posted
}

type posted struct {
	ID      string   `json:"id"`
	Time    int64    `json:"time"`
	Event   string   `json:"event"`
	Title   string   `json:"title,omitempty"`
	Message string   `json:"message"`
	Actions []action `json:"actions,omitempty"`
}

type action struct{ Action, Label, URL, Method, Body string }

func newNtfy(t *testing.T) *ntfy {
	t.Helper()
	n := &ntfy{topics: map[string][]posted{}, more: make(chan struct{})}
	n.Server = httptest.NewServer(n)
	t.Cleanup(func() {
		n.CloseClientConnections() // a stream has no end of its own
		n.Close()
	})
	return n
}

func (n *ntfy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	topic, stream := strings.CutSuffix(strings.Trim(r.URL.Path, "/"), "/json")
	if r.Method == http.MethodGet && stream {
		n.stream(w, r, topic)
		return
	}
	body, _ := io.ReadAll(r.Body)
	p := posted{Message: string(body)}
	if topic == "" {
		var m struct {
			posted
			Topic string
		}
		if err := json.Unmarshal(body, &m); err != nil {
			http.Error(w, "bad", http.StatusBadRequest)
			return
		}
		topic, p = m.Topic, m.posted
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p.ID, p.Time, p.Event = fmt.Sprintf("id%d", len(n.topics[topic])), time.Now().Unix(), "message"
	n.topics[topic] = append(n.topics[topic], p)
	close(n.more)
	n.more = make(chan struct{})
}

// stream writes what is posted to a topic after since, a time or an id.
func (n *ntfy) stream(w http.ResponseWriter, r *http.Request, topic string) {
	since := r.URL.Query().Get("since")
	from, timed := strconv.ParseInt(since, 10, 64)
	next, sent := 0, timed == nil || since == ""
	for {
		n.mu.Lock()
		all, more := n.topics[topic], n.more
		for ; next < len(all); next++ {
			if sent && (timed != nil || all[next].Time >= from) {
				_ = json.NewEncoder(w).Encode(all[next])
			}
			sent = sent || all[next].ID == since
		}
		n.mu.Unlock()
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-more:
		}
	}
}

// to returns what was posted to a topic.
func (n *ntfy) to(topic string) []posted {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]posted(nil), n.topics[topic]...)
}

// about waits for a message about a task that has buttons.
func (n *ntfy) about(f *Fleet, topic string, id event.TaskID) (found posted) {
	f.t.Helper()
	f.eventually("a message with buttons about "+string(id), func() bool {
		for _, p := range n.to(topic) {
			if strings.HasPrefix(p.Title, "muster: "+string(id)+" ") && len(p.Actions) > 0 {
				found = p
				return true
			}
		}
		return false
	})
	return found
}

// press does what a phone does when a button is pressed.
func (a action) press(t *testing.T) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), a.Method, a.URL, strings.NewReader(a.Body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	_ = resp.Body.Close()
}

// TestReply_AButtonAnswersWhatATaskAsks presses buttons as a phone does: for a question, for a permission, twice, and while no
// supervisor runs. A code that nobody was sent answers nothing.
func TestReply_AButtonAnswersWhatATaskAsks(t *testing.T) {
	t.Parallel()
	f, n := newFleet(t), newNtfy(t)
	f.env = append(f.env, "MY_TOPIC=phone-topic")
	f.userConfig("[fleet]\nmax_agents = 12\nmin_free_disk = 1\nmin_free_memory = 1\n[notify.phone]\nkind = \"ntfy\"\nurl = \"" + n.URL +
		"\"\ntopic_from = \"MY_TOPIC\"\nanswer = \"all\"\n")
	const command = "make clean && echo one; rm -rf build"
	asks := f.dispatch("ask question \"Which name?\" account_id|user_id\nsay named\ndone", "--publish", "none")
	wants := f.dispatch("ask permission Bash "+command+"\nsay allowed\ndone", "--publish", "none")
	later := f.dispatch("ask question \"Which colour?\" red|green\nsay coloured\ndone", "--publish", "none")

	question, permission := n.about(f, "phone-topic", asks), n.about(f, "phone-topic", wants)
	if len(question.Actions) != 2 || question.Actions[1].Label != "2 user_id" {
		t.Fatalf("the buttons of the question are %+v", question.Actions)
	}
	if len(permission.Actions) != 2 || !strings.Contains(permission.Message, command) {
		t.Fatalf("the message does not show the whole request: %+v", permission)
	}
	forged := question.Actions[1]
	forged.Body = strings.Repeat("0", len(forged.Body))
	forged.press(t)
	permission.Actions[0].press(t)
	question.Actions[1].press(t)
	question.Actions[0].press(t) // too late
	f.reaches(asks, event.Done)
	f.reaches(wants, event.Done)
	f.answeredBy(asks, event.AnswerRequested{Decision: event.Reply, Text: "user_id", Via: "phone", Front: event.FrontNtfy})
	f.answeredBy(wants, event.AnswerRequested{Decision: event.Allow, Via: "phone", Front: event.FrontNtfy})
	f.eventually("the phone is told what came of it", func() bool {
		told := ""
		for _, p := range n.to("phone-topic") {
			told += p.Message + "\n"
		}
		return strings.Contains(told, "is answered: 2 user_id") && strings.Contains(told, "is answered: Allow") && strings.Contains(told, "That request is over.")
	})

	last := n.about(f, "phone-topic", later)
	f.must("down")
	last.Actions[0].press(t)
	f.must("up")
	f.reaches(later, event.Done)
	f.answeredBy(later, event.AnswerRequested{Decision: event.Reply, Text: "red", Via: "phone", Front: event.FrontNtfy})
	for _, secret := range []string{question.Actions[1].Body, "phone-topic"} {
		if log := f.must("events"); strings.Contains(log, secret) {
			t.Errorf("the log has the secret %s", secret)
		}
	}
}

// answeredBy checks that a task was answered once, and how.
func (f *Fleet) answeredBy(id event.TaskID, want event.AnswerRequested) {
	f.t.Helper()
	var got []event.AnswerRequested
	for _, e := range f.events(id) {
		if p, ok := e.Data.(event.AnswerRequested); ok {
			p.Request, p.Hash = "", ""
			got = append(got, p)
		}
	}
	if len(got) != 1 || got[0] != want {
		f.t.Errorf("%s was answered by %+v, want %+v", id, got, want)
	}
}
