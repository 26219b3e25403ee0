package tui

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/life"
)

var sgr = regexp.MustCompile("\x1b\\[[0-9;:]*m")

// witness watches frames and answers. Each request bears a mark at its beginning and another one at its end.
type witness struct {
	*bench
	number int
	tasks  map[event.TaskID]*event.RequestOpened
	began  map[string]time.Time // by request: since when its beginning was on the screen first
	ended  map[string]time.Time
	late   []any // results that have not arrived yet
}

func newWitness(t testing.TB) *witness {
	return &witness{
		bench: newBench(t, Look{}, 80, 24), tasks: map[event.TaskID]*event.RequestOpened{}, began: map[string]time.Time{}, ended: map[string]time.Time{},
	}
}

// marks returns the characters at the beginning and at the end of a request. No other text has them, and no line end can part them.
func marks(n int) (begin, end string) { return string(rune(0x4e00 + 2*n)), string(rune(0x4e01 + 2*n)) }

// ask lets a task ask something new, or nothing.
func (w *witness) ask(task, kind, length int) {
	w.number++
	id := event.NewTaskID(task)
	begin, end := marks(w.number)
	text := begin + strings.Repeat(" word", length) + " " + end
	switch kind {
	case 0:
		w.tasks[id] = nil
		return
	case 1:
		ask := event.NewAsk("Bash", []byte(fmt.Sprintf(`{"command":%q}`, text)))
		w.tasks[id] = &event.RequestOpened{Request: fmt.Sprint(w.number), Reason: event.WaitPermission, Tool: begin, Ask: &ask}
	case 2:
		ask := event.NewAsk("Ask", []byte(text)).WithQuestions([]event.Question{{Text: begin, Options: []event.Option{{Label: "yes"}, {Label: end}}, Multi: length%2 == 1}})
		w.tasks[id] = &event.RequestOpened{Request: fmt.Sprint(w.number), Reason: event.WaitQuestion, Ask: &ask}
	}
}

// change returns the list as the log has it.
func (w *witness) change() Changed {
	c := control.Change{All: true}
	for id, r := range w.tasks {
		s := control.Summary{ID: id, Name: "n", State: event.Working, ChangedAt: ago(0), Gen: 1, Session: "s"}
		if r != nil {
			s.State, s.Request = event.Waiting, &control.Request{ID: r.Request, Reason: r.Reason}
		}
		c.Tasks = append(c.Tasks, s)
	}
	return Changed{c}
}

// step gives the model a message, keeps the results that it waits for, and checks each answer.
func (w *witness) step(msg any) {
	w.t.Helper()
	before := w.now
	w.wants = nil
	w.send(msg)
	for _, e := range w.wants {
		switch e := e.(type) {
		case readAsk:
			task := life.Task{ID: e.id, State: event.Working}
			if r := w.tasks[e.id]; r != nil {
				task.State, task.Request = event.Waiting, r
			}
			w.late = append(w.late, asked{id: e.id, task: task})
		case readScreen:
			w.late = append(w.late, screen{id: e.id, text: "screen"})
		case order:
			if a, ok := e.cmd.(control.Answer); ok {
				w.check(a, before)
			}
		}
	}
	text := ansi.Strip(strings.Join(w.frame, "\n"))
	for n := 1; n <= w.number; n++ {
		id := fmt.Sprint(n)
		begin, end := marks(n)
		if strings.Contains(text, begin) && w.began[id].IsZero() {
			w.began[id] = w.now
		}
		if strings.Contains(text, end) && w.ended[id].IsZero() {
			w.ended[id] = w.now
		}
	}
	if len(w.frame) != w.m.height {
		w.t.Fatalf("%d lines on a terminal of %d", len(w.frame), w.m.height)
	}
}

// check fails if a key has answered something that was not on the screen long enough.
func (w *witness) check(a control.Answer, at time.Time) {
	w.t.Helper()
	began, ended := w.began[a.Request], w.ended[a.Request]
	least := shownForChoice
	switch {
	case a.Request == "":
		w.t.Fatalf("an answer to any request: %+v", a)
	case began.IsZero():
		w.t.Fatalf("%+v answers a request that was not on the screen", a)
	case a.Decision == event.Deny: // that needs only the beginning
		ended = began
	case ended.IsZero():
		w.t.Fatalf("%+v answers a request that was not wholly on the screen", a)
	}
	if a.Decision == event.Allow {
		least = shownForAllow
	}
	if shown := at.Add(time.Millisecond).Sub(ended); shown < least {
		w.t.Fatalf("%+v answers what was on the screen for %s", a, shown)
	}
	if len(a.Hash) != 64 {
		w.t.Fatalf("%+v does not say what was shown", a)
	}
	if a.Decision != event.Deny && a.Decision != event.Allow && len(a.Answers) == 0 {
		w.t.Fatalf("%+v says nothing", a)
	}
}

// play obeys a byte of a script. Any script is a possible hour at a terminal.
func (w *witness) play(op, arg byte) {
	w.t.Helper()
	keys := []string{
		"n", "N", "1", "2", "9", "y", "d", "t", "enter", "esc", "space", "j", "k", "pgdown", "pgup", "x", "D", "i", "R", "s", "m", "/", "T", "?", "tab", "3", "w", "g", "G",
		"backspace", "q", "v", "Y", "]", "[", "up", "down", "ctrl+l", "a", "ä", "shift+tab", "ctrl+w", "home", "end", "}", "{", "b", "c",
	}
	switch op % 12 {
	case 0, 1, 2, 3, 4:
		w.step(keyNamed(keys[int(arg)%len(keys)]))
	case 5:
		w.ask(1+int(arg)%4, int(arg/4)%3, int(arg))
	case 6:
		w.step(w.change())
	case 7: // a result arrives, in any order
		if n := len(w.late); n > 0 {
			i := int(arg) % n
			msg := w.late[i]
			w.late = append(w.late[:i], w.late[i+1:]...)
			w.step(msg)
		}
	case 8:
		w.step(Size{1 + int(arg)*2, 1 + int(arg)%61})
	case 9:
		w.now = w.now.Add(time.Duration(arg) * 4 * time.Millisecond)
		w.step(second{})
	case 10:
		w.step(Paste{strings.Repeat("y1d", int(arg)%4)})
	case 11:
		w.step([]any{Focus{arg%2 == 0}, look{}, settled{w.m.preview.at}, Lost{fmt.Errorf("gone")}, redrawn{}}[int(arg)%5])
	}
}

// FuzzKeys plays keys, resizes, changes of the fleet and late results in any order. No key may ever answer a request that was
// not wholly on the screen before, and every frame has the size of the terminal.
func FuzzKeys(f *testing.F) {
	f.Add([]byte{5, 4, 6, 0, 0, 0, 7, 0, 9, 200, 0, 5})                              // n, then y
	f.Add([]byte{5, 9, 6, 0, 0, 0, 7, 0, 9, 200, 0, 2})                              // n, then 1
	f.Add([]byte{5, 4, 6, 0, 0, 0, 0, 5, 7, 0, 0, 5, 5, 4, 6, 0, 0, 5, 0, 5})        // y before the request came, and after it has changed
	f.Add([]byte{5, 252, 6, 0, 0, 0, 7, 0, 9, 250, 0, 5, 0, 10, 0, 10, 9, 90, 0, 5}) // a long one
	f.Add([]byte{5, 4, 6, 0, 0, 0, 7, 0, 8, 9, 0, 5, 8, 40, 9, 200, 0, 5})           // resized
	f.Fuzz(func(t *testing.T, script []byte) {
		w := newWitness(t)
		for i := 0; i+1 < min(len(script), 400); i += 2 {
			w.play(script[i], script[i+1])
		}
	})
}

// TestAKeyNeverAnswersWhatWasNotOnTheScreen plays many such hours, and checks that answers do happen in them.
func TestAKeyNeverAnswersWhatWasNotOnTheScreen(t *testing.T) {
	t.Parallel()
	answers := 0
	seed := uint64(1)
	for range 30 {
		w := newWitness(t)
		for range 150 {
			seed = seed*6364136223846793005 + 1442695040888963407
			op, arg := byte(seed>>33), byte(seed>>45)
			if seed>>60 == 0 { // what leads to an answer, among everything else
				for _, b := range [][2]byte{{5, 4 + arg%8}, {6, 0}, {0, 9}, {0, 9}, {0, 0}, {7, 0}, {7, 0}, {9, 200}, {0, 2 + arg%6}} {
					w.play(b[0], b[1])
					answers += w.answers()
				}
			}
			w.play(op, arg)
			answers += w.answers()
		}
	}
	if answers < 10 {
		t.Errorf("only %d answers", answers)
	}
}

// answers returns how many answers the newest step has sent.
func (w *witness) answers() (n int) {
	for _, e := range w.wants {
		if o, ok := e.(order); ok {
			if _, ok := o.cmd.(control.Answer); ok {
				n++
			}
		}
	}
	w.wants = nil
	return n
}
