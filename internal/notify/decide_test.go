package notify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/life"
)

// night is a log that a test writes, and what it leads to.
type night struct {
	t     *testing.T
	now   time.Time
	log   []event.Event
	state *State
	w     World
	set   Settings
}

func newNight(t *testing.T) *night {
	t.Helper()
	now := time.Date(2026, 11, 27, 1, 0, 0, 0, time.UTC)
	return &night{
		t: t, now: now, state: NewState(0, now), set: Settings{Channels: []string{"phone"}},
		w: World{Counts: map[event.State]int{event.Working: 1}},
	}
}

// add appends an event.
func (n *night) add(task event.TaskID, p event.Payload) int64 {
	e := event.Event{Seq: int64(len(n.log) + 1), Time: n.now, Subject: event.OfTask(task), Data: p}
	n.log = append(n.log, e)
	n.state.Apply(e)
	return e.Seq
}

// queue appends an event of a merge queue.
func (n *night) queue(id event.QueueID, p event.Payload) int64 {
	e := event.Event{Seq: int64(len(n.log) + 1), Time: n.now, Subject: event.OfQueue(id), Data: p}
	n.log = append(n.log, e)
	n.state.Apply(e)
	return e.Seq
}

func (n *night) after(d time.Duration) *night {
	n.now = n.now.Add(d)
	return n
}

// due returns what is due now, as text: the id of each message and its notices.
func (n *night) due() string {
	var out []string
	for _, m := range Decide(n.state, n.w, n.set, n.now).Messages {
		line := m.Channel + " " + m.ID
		for _, x := range m.Notices {
			line += fmt.Sprintf(" %s:%s", x.What, x.Task)
		}
		out = append(out, line)
	}
	return strings.Join(out, "; ")
}

// send records that the messages which are due were taken.
func (n *night) send() {
	for _, m := range Decide(n.state, n.w, n.set, n.now).Messages {
		for _, x := range m.Notices {
			n.add(x.Task, event.NoticeSent{Channel: m.Channel, What: x.What, Of: x.Of, Message: m.ID})
		}
	}
}

func (n *night) want(want string) {
	n.t.Helper()
	if got := n.due(); got != want {
		n.t.Errorf("at %s %q is due, want %q", n.now.Format(time.TimeOnly), got, want)
	}
}

func (n *night) asks(task event.TaskID, wait time.Duration) int64 {
	n.add(task, event.TaskMoved{From: event.Working, To: event.Waiting})
	seq := n.add(task, event.RequestOpened{Request: "r", Reason: event.WaitQuestion, Text: "which?"})
	n.add(task, event.DeadlineSet{Name: event.DeadlineWaiting, At: n.now.Add(wait)})
	return seq
}

func TestDecide_TellsOnceWhatLasts(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	seq := n.asks("t1", 15*time.Minute)
	n.after(19 * time.Second).want("")
	n.after(time.Second).want(fmt.Sprintf("phone n%d asks:t1", seq))
	n.send()
	n.after(time.Minute).want("")
	n.after(11 * time.Minute).want(fmt.Sprintf("phone n%dr reminder:t1", seq))
	n.send()
	n.after(time.Minute).want("")
	parked := n.add("t1", event.TaskMoved{From: event.Waiting, To: event.Parked})
	n.after(20 * time.Second).want(fmt.Sprintf("phone n%d parked:t1", parked))
	n.send()
	n.want("")
	n.add("t1", event.TaskMoved{From: event.Parked, To: event.Queued})
	failed := n.add("t1", event.TaskMoved{From: event.Working, To: event.Failed})
	n.after(20 * time.Second).want(fmt.Sprintf("phone n%d failed:t1", failed))
}

func TestDecide_DoesNotTellWhatWasSettledMeanwhile(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.asks("t1", 15*time.Minute)
	n.add("t1", event.RequestClosed{Request: "r", How: "answered"})
	n.add("t2", event.TaskMoved{To: event.Parked})
	n.add("t2", event.TaskMoved{From: event.Parked, To: event.Queued})
	n.add("t3", event.TaskMoved{To: event.Failed})
	n.add("t3", event.TaskRemoved{})
	n.after(time.Hour).want("")
}

func TestDecide_JoinsWhatIsDueAtOnce(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	failed := n.add("t4", event.TaskMoved{To: event.Failed})
	for _, id := range []event.TaskID{"t1", "t2", "t3"} {
		n.asks(id, time.Hour)
	}
	n.after(time.Minute).want(fmt.Sprintf("phone n%d asks:t1 asks:t2 asks:t3 failed:t4", failed))
}

func TestDecide_KeepsQuietHoursAndTellsAtTheirEnd(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.set.Quiet, n.set.Digest = []config.Span{{From: 23 * 60, To: 7 * 60}}, []int{7 * 60}
	n.add("t1", event.TaskMoved{To: event.Parked})
	n.after(3 * time.Hour).want("")
	if next, want := Decide(n.state, n.w, n.set, n.now).Next, time.Date(2026, 11, 27, 7, 0, 0, 0, time.UTC); !next.Equal(want) {
		t.Errorf("the next look is at %v, want %v", next, want)
	}
	n.after(3 * time.Hour) // 7:00
	n.want("phone n0d parked:t1 digest:")
	n.send()
	n.want("")
	n.after(23 * time.Hour).want("")
	n.after(time.Hour)
	if got := n.due(); !strings.HasSuffix(got, "digest:") {
		t.Errorf("on the next day %q is due, want a digest", got)
	}
}

func TestDecide_TellsThatTheFleetStandsStillEvenInQuietHours(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.set.Quiet = []config.Span{{From: 23 * 60, To: 7 * 60}}
	n.add("t1", event.SlotGranted{})
	n.w = World{Counts: map[event.State]int{event.Queued: 3}, Stands: n.now}
	n.after(9 * time.Minute).want("")
	n.after(time.Minute).want("phone n1s still:")
	n.send()
	n.after(time.Hour).want("")
	n.add("t2", event.DispatchRequested{}) // another task that waits is no news
	n.want("")
	n.add("t1", event.SlotGranted{})
	n.w.Stands = n.now
	n.after(10 * time.Minute)
	if got := n.due(); !strings.HasSuffix(got, "still:") {
		t.Errorf("after a task has run, %q is due", got)
	}
	n = newNight(t)
	n.set.Quiet = []config.Span{{From: 23 * 60, To: 7 * 60}}
	n.add("", event.GateClosed{Reason: "no memory"})
	n.after(time.Minute).want("") // nothing waits for it
	n.w.Counts[event.Queued] = 1
	n.want("phone n1g gate:")
	n.send()
	n.add("", event.GateClosed{Reason: "no disk"})
	n.after(time.Minute).want("")
	n.add("", event.GateOpened{})
	n.want("")
}

func TestDecide_TellsThatNothingIsLeft(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.w = World{Counts: map[event.State]int{event.Done: 4}}
	n.want("") // nothing has begun since
	n.add("t5", event.DispatchRequested{})
	n.add("t5", event.SlotGranted{})
	n.w = World{Counts: map[event.State]int{event.Working: 1, event.Done: 4}}
	n.after(time.Minute).want("")
	n.add("t5", event.TaskMoved{To: event.Done})
	n.w = World{Counts: map[event.State]int{event.Done: 5, event.Parked: 2}}
	n.want("")
	n.after(20 * time.Second).want("phone n2o over:")
	n.send()
	n.after(time.Hour).want("")
}

func TestDecide_IsSilentWhileSomebodyLooks(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.add("t1", event.TaskMoved{To: event.Parked})
	n.after(time.Minute)
	n.w.Looked = n.now.Add(-29 * time.Second)
	n.want("")
	if next := Decide(n.state, n.w, n.set, n.now).Next; next.Sub(n.now) != time.Second {
		t.Errorf("the next look is in %v, want 1s", next.Sub(n.now))
	}
	n.after(time.Second).want("phone n1 parked:t1")
}

func TestDecide_SendsAtMostTenMessagesAnHour(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	messages := 0
	for i := range 120 { // one task a minute is parked, for two hours
		n.add(event.NewTaskID(i+1), event.TaskMoved{To: event.Parked})
		n.after(time.Minute)
		if n.due() != "" {
			messages++
			n.send()
		}
	}
	if messages != 20 {
		t.Errorf("%d messages in two hours", messages)
	}
	n.after(time.Hour)
	n.send()
	told := map[event.TaskID]int{}
	for _, e := range n.log {
		if _, ok := e.Data.(event.NoticeSent); ok {
			told[e.Task]++
		}
	}
	for i := range 120 {
		if id := event.NewTaskID(i + 1); told[id] != 1 {
			t.Errorf("%s was told %d times", id, told[id])
		}
	}
}

func TestDecide_WaitsAfterAFailure(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.set.Channels = []string{"phone", "team"}
	n.add("t1", event.TaskMoved{To: event.Parked})
	n.after(time.Minute).want("phone n1 parked:t1; team n1 parked:t1")
	n.add("", event.NoticeMissed{Channel: "phone", Message: "n1", Tries: 1, Next: n.now.Add(time.Minute)})
	n.add("t1", event.NoticeSent{Channel: "team", What: event.NoticeParked, Of: 1, Message: "n1"})
	n.want("")
	n.after(time.Minute).want("phone n1 parked:t1")
}

func TestDecide_TellsThatAMergeQueueWaits(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.set.Quiet = nil
	n.queue("main", event.MergeHeld{For: event.MergeWaitCheckout, Why: "README.md is not committed"})
	n.after(5 * time.Minute).want("") // a person may be at work there
	n.queue("main", event.MergeHeld{For: event.MergeWaitCheckout, Why: "README.md is not committed"})
	n.after(5 * time.Minute).want("phone n1q merge:")
	n.send()
	n.queue("main", event.MergeHeld{For: event.MergeWaitCheckout, Why: "another file is not committed"})
	n.after(time.Hour).want("") // it waits for the same thing
	n.queue("main", event.MergeResumed{})
	red := n.queue("main", event.MergeHeld{For: event.MergeWaitBase, Why: "test failed on main itself", Commit: "abc"})
	n.after(time.Minute).want(fmt.Sprintf("phone n%dq merge:", red))
	m := Decide(n.state, n.w, n.set, n.now).Messages[0]
	if got := Compose(m, Facts{World: n.w}, DetailName); got.Title != "muster: a merge queue waits" || got.Text != "the base is red, and nobody is blamed: test failed on main itself\n  muster status" {
		t.Errorf("the message is %q, %q", got.Title, got.Text)
	}
	n.queue("main", event.MergeResumed{})
	n.want("") // it was not told in time, and goes on
	n.queue("main", event.MergeHeld{For: event.MergeWaitBase, Commit: "def"})
	n.set.Quiet = []config.Span{{From: 0, To: 7 * 60}}
	n.after(time.Minute).want("")
}

func TestDecide_DoesNotTellWhatIsADayOld(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.add("t1", event.TaskMoved{To: event.Parked})
	n.after(25 * time.Hour).want("")
}

// TestSettled_ARestartLeadsToTheSameNotices stops the service after each event, and goes on from the stored offset.
func TestSettled_ARestartLeadsToTheSameNotices(t *testing.T) {
	t.Parallel()
	type step func(n *night)
	pass := func(d time.Duration) step { return func(n *night) { n.after(d) } }
	steps := []step{
		func(n *night) { n.add("t1", event.DispatchRequested{}); n.add("t1", event.SlotGranted{}) },
		func(n *night) { n.asks("t1", 15*time.Minute) }, pass(time.Minute),
		func(n *night) { n.add("t2", event.TaskMoved{To: event.Parked}) }, pass(12 * time.Minute),
		func(n *night) { n.queue("main", event.MergeHeld{For: event.MergeWaitBase}) }, pass(time.Minute),
		func(n *night) { n.queue("main", event.MergeHeld{For: event.MergeWaitBase}) }, pass(time.Minute),
		func(n *night) { n.add("", event.GateClosed{Reason: "disk"}); n.w.Counts[event.Queued] = 1 }, pass(time.Minute),
		func(n *night) { n.w = World{Counts: map[event.State]int{event.Queued: 1}, Stands: n.now} }, pass(time.Hour),
		func(n *night) { n.add("t1", event.TaskMoved{To: event.Failed}) }, pass(7 * time.Hour),
		func(n *night) {
			n.add("", event.GateOpened{})
			n.add("t1", event.SlotGranted{})
			n.w = World{Counts: map[event.State]int{event.Done: 1}}
		},
		pass(time.Hour), pass(48 * time.Hour),
	}
	run := func(restart int) []string {
		n := newNight(t)
		n.set.Digest = []int{7 * 60}
		var sent []string
		for i, s := range steps {
			s(n)
			if i == restart {
				began := n.now
				from := n.state.Settled(n.set)
				if from == 0 {
					began = n.state.began
				}
				again := NewState(from, began)
				for _, e := range n.log {
					if e.Seq > from || e.Time.After(n.now.Add(-time.Hour)) {
						again.Apply(e)
					}
				}
				n.state = again
			}
			if due := n.due(); due != "" {
				sent = append(sent, due)
				n.send()
			}
		}
		return sent
	}
	want := run(-1)
	if len(want) < 6 {
		t.Fatalf("only %q were sent", want)
	}
	for i := range steps {
		if d := cmp.Diff(want, run(i)); d != "" {
			t.Errorf("with a restart after step %d (-want +got):\n%s", i, d)
		}
	}
}

func TestQuietUntil(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	night, lunch := config.Span{From: 23 * 60, To: 7 * 60}, config.Span{From: 12 * 60, To: 13 * 60}
	for _, c := range []struct {
		spans     []config.Span
		now, want string
	}{
		{[]config.Span{night}, "2026-11-26T22:59", ""},
		{[]config.Span{night}, "2026-11-26T23:00", "2026-11-27T07:00"},
		{[]config.Span{night}, "2026-11-27T06:59", "2026-11-27T07:00"},
		{[]config.Span{night}, "2026-11-27T07:00", ""},
		{[]config.Span{night, lunch}, "2026-11-27T12:30", "2026-11-27T13:00"},
		{[]config.Span{night, {From: 7 * 60, To: 8 * 60}}, "2026-11-27T01:00", "2026-11-27T08:00"}, // they touch
		{[]config.Span{night}, "2026-03-28T23:30", "2026-03-29T07:00"},                             // the hour from 2 to 3 is left out
		{[]config.Span{{From: 2*60 + 30, To: 4 * 60}}, "2026-03-29T03:40", "2026-03-29T04:00"},     // 2:30 does not exist
		{[]config.Span{night}, "2026-10-25T02:30", "2026-10-25T07:00"},                             // it is there twice
	} {
		now, err := time.ParseInLocation("2006-01-02T15:04", c.now, berlin)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if until := quietUntil(c.spans, now); !until.IsZero() {
			got = until.Format("2006-01-02T15:04")
		}
		if got != c.want {
			t.Errorf("%v at %s: quiet until %q, want %q", c.spans, c.now, got, c.want)
		}
	}
}

func TestDigest_ComesOnceADayAlsoWhenClocksChange(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, begin := range []time.Time{time.Date(2026, 3, 27, 12, 0, 0, 0, berlin), time.Date(2026, 10, 23, 12, 0, 0, 0, berlin)} {
		n := newNight(t)
		n.now, n.state = begin, NewState(0, begin)
		n.set.Digest = []int{2*60 + 30}
		var days []string
		for range 5 * 24 * 6 {
			n.after(10 * time.Minute)
			if n.due() != "" {
				days = append(days, n.now.Format("02"))
				n.send()
			}
		}
		if len(slices.Compact(days)) != 5 {
			t.Errorf("digests on the days %v", days)
		}
	}
}

func TestCompose_SaysWhatIsAskedAndWhatToType(t *testing.T) {
	t.Parallel()
	asks := life.Task{ID: "t3", State: event.Waiting, Spec: event.Spec{Name: "fix-login"}, Request: &event.RequestOpened{Request: "r", Reason: event.WaitQuestion, Text: "Which colour?\nrest", Options: []string{"red", "blue"}}}
	parked := life.Task{ID: "t4", State: event.Parked, Reason: life.ReasonRounds, Detail: "all rounds are used", Spec: event.Spec{Name: "t4"}}
	m := Message{Channel: "phone", ID: "n7", Notices: []Notice{{What: event.NoticeAsks, Task: "t3", Of: 7}}}
	f := Facts{Tasks: map[event.TaskID]life.Task{"t3": asks, "t4": parked}}
	got := Compose(m, f, DetailQuestion)
	if want := "muster: t3 fix-login asks"; got.Title != want {
		t.Errorf("title %q, want %q", got.Title, want)
	}
	if want := "Which colour?\n1 red\n2 blue\n  muster answer t3 NUMBER\n  muster answer t3 TEXT"; got.Text != want {
		t.Errorf("text %q, want %q", got.Text, want)
	}
	if got.Task != "t3" || got.Seq != 7 || got.Command != "muster answer t3 NUMBER" || got.Ask != "Which colour?" {
		t.Errorf("the JSON is %+v", got)
	}
	if got := Compose(m, f, DetailName); strings.Contains(got.Text, "colour") || got.Ask != "" || !strings.Contains(got.Text, "muster answer t3") {
		t.Errorf("with the name alone: %q", got.Text)
	}
	if got := Compose(m, f, DetailFull); !strings.Contains(got.Text, "rest") {
		t.Errorf("in full: %q", got.Text)
	}
	m.Notices = append(m.Notices, Notice{What: event.NoticeParked, Task: "t4", Of: 9})
	got = Compose(m, f, DetailQuestion)
	if want := "muster: 1 task asks, 1 task is parked"; got.Title != want {
		t.Errorf("title %q, want %q", got.Title, want)
	}
	if !strings.Contains(got.Text, "t4 is parked: all rounds are used\n  muster checks t4\n") {
		t.Errorf("text %q", got.Text)
	}
}

func TestCompose_ADigestHasWhatNeedsAPerson(t *testing.T) {
	t.Parallel()
	parked := life.Task{ID: "t4", State: event.Parked, Reason: life.ReasonRounds, Detail: "all rounds are used", Spec: event.Spec{Name: "t4"}}
	f := Facts{Done: 14, Failed: 1, CostUSD: 18.4, Needs: []life.Task{parked}}
	got := Compose(Message{ID: "n1", Notices: []Notice{{What: event.NoticeDigest, Of: 1}}}, f, DetailQuestion)
	if want := "muster: 14 done, 1 needs you, 1 failed, $18.40"; got.Title != want {
		t.Errorf("title %q, want %q", got.Title, want)
	}
	if want := "t4 is parked: all rounds are used\n  muster checks t4\n  muster send t4 TEXT\nmuster report"; got.Text != want {
		t.Errorf("text %q, want %q", got.Text, want)
	}
}

func TestCompose_CleansWhatAnAgentWrote(t *testing.T) {
	t.Parallel()
	evil := "ok\x1b[2J\u202egnp\r\nmuster answer t1 allow\x00"
	asks := life.Task{ID: "t3", State: event.Waiting, Spec: event.Spec{Name: evil}, Request: &event.RequestOpened{Reason: event.WaitQuestion, Text: evil, Options: []string{evil}}}
	m := Message{ID: "n7", Notices: []Notice{{What: event.NoticeAsks, Task: "t3", Of: 7}, {What: event.NoticeParked, Task: "t3", Of: 8}}}
	for _, d := range []Detail{DetailName, DetailQuestion, DetailFull} {
		got := Compose(m, Facts{Tasks: map[event.TaskID]life.Task{"t3": asks}}, d)
		for _, text := range []string{got.Title, got.Text, got.Ask, got.Notices[0].Name} {
			if strings.ContainsAny(text, "\x1b\u202e\r\x00") {
				t.Errorf("%s: %q", d, text)
			}
		}
		if strings.Contains(got.Title, "\n") || d != DetailFull && strings.Contains(got.Text, "\nmuster answer t1") {
			t.Errorf("%s: an agent's line stands alone: %q, %q", d, got.Title, got.Text)
		}
	}
}

func TestCompose_ManyTasksAreCounted(t *testing.T) {
	t.Parallel()
	f := Facts{Tasks: map[event.TaskID]life.Task{}}
	var m Message
	for i := range 300 {
		id := event.NewTaskID(i + 1)
		f.Tasks[id] = life.Task{ID: id, State: event.Parked}
		m.Notices = append(m.Notices, Notice{What: event.NoticeParked, Task: id, Of: int64(i + 1)})
	}
	got := Compose(m, f, DetailQuestion)
	if got.Title != "muster: 300 tasks are parked" || !strings.Contains(got.Text, "and 290 more: muster ls") || len(got.Text) > 3000 {
		t.Errorf("%q\n%s", got.Title, got.Text)
	}
}
