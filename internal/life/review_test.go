package life

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

// redReview is what a forge shows about a failing check.
func redReview(head, names string) Reviewed {
	return Reviewed{Phase: ReviewOpen, Key: "checks " + head + " " + names, Names: names, Head: head, Text: names + " failed for " + head}
}

// show lets the forge show something.
func (w *world) show(in Reviewed) *world {
	w.t.Helper()
	w.do(in)
	return w
}

// again continues from a review's feedback to the next review, of a commit.
func (w *world) again(commit string) *world {
	w.t.Helper()
	w.want(event.Queued, event.Reason(event.WhyFeedback)).prepare().launch()
	w.report(event.Record{State: event.RecordWorking, Prompted: true, Message: w.task.Messages[len(w.task.Messages)-1].ID})
	w.endTurn().finish(event.ActCheck, green("x"))
	w.finish(event.ActPublish, event.WorkPublished{Mode: event.PublishPR, URL: "https://forge.test/pr/1", Commit: commit})
	w.finish(event.ActEnd)
	return w.want(event.InReview, "")
}

func TestReview_FeedsRedChecksBackToTheSameAgentOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t).review()
	conversation := w.task.Conversation
	w.show(redReview("c9", "test")).want(event.Queued, event.Reason(event.WhyFeedback))
	w.show(redReview("c9", "test")).want(event.Queued, event.Reason(event.WhyFeedback)) // the forge shows it until there is a new commit
	if n := len(w.task.Messages); n == 0 || w.task.Messages[n-1].Why != event.WhyFeedback || len(w.task.Review.Told) != 1 {
		t.Errorf("messages %+v, told %v", w.task.Messages, w.task.Review.Told)
	}
	w.again("d0")
	w.show(redReview("c9", "test")).want(event.InReview, "") // news that came late
	if w.task.Conversation != conversation {
		t.Errorf("the conversation is %s, was %s", w.task.Conversation, conversation)
	}
	w.show(Reviewed{Phase: ReviewMerged}).wantOpen(event.ActClean)
	w.finish(event.ActClean, event.WorktreeRemoved{})
	w.want(event.Done, "")
}

func TestReview_ThatStaysRedForTheSameCommitParks(t *testing.T) {
	t.Parallel()
	w := newWorld(t).review()
	w.show(redReview("c9", "test")).again("c9")
	w.show(redReview("c9", "test")).want(event.Parked, ReasonNoProgress)
}

func TestReview_ThatFailsTheSameWayEachTimeParks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *event.Spec) { s.Rounds = 20 }).review()
	for i := range maxSame {
		w.show(redReview(fmt.Sprintf("c%d", 9+i), "test")).want(event.Queued, event.Reason(event.WhyFeedback)).again(fmt.Sprintf("c%d", 10+i))
	}
	w.show(redReview(fmt.Sprintf("c%d", 9+maxSame), "test")).want(event.Parked, ReasonNoProgress)
}

func TestReview_UsesTheRoundsOfTheTask(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *event.Spec) { s.Rounds = 2 }).review()
	w.show(redReview("c9", "test")).again("d0")
	w.show(redReview("d0", "lint")).want(event.Parked, ReasonRounds)
	w.write(event.RetryRequested{})
	w.want(event.Queued, event.Reason(event.WhyRetry)) // with a new allowance
	if w.task.Rounds.Spent != 0 || w.task.Review.Told != nil {
		t.Errorf("spent %d, told %v", w.task.Rounds.Spent, w.task.Review.Told)
	}
}

func TestReview_WordsAreToldOnceAndDoNotPark(t *testing.T) {
	t.Parallel()
	w := newWorld(t).review()
	words := Reviewed{Phase: ReviewOpen, Key: "words W1", Text: "rename it"}
	w.show(words).want(event.Queued, event.Reason(event.WhyFeedback)).again("d0")
	w.show(words).want(event.InReview, "")
}

func TestReview_OfATaskThatIsNotInReviewChangesNothing(t *testing.T) {
	t.Parallel()
	for _, in := range []Reviewed{{Phase: ReviewMerged}, {Phase: ReviewClosed}, redReview("a", "test")} {
		w := newWorld(t).work()
		before := len(w.rules())
		w.show(in).want(event.Working, "")
		if len(w.rules()) != before {
			t.Errorf("%+v moved a working task", in)
		}
	}
}

// TestReview_WhoseChecksNeverBegin parks the task. It keeps its work, and retry has it wait again without its agent.
func TestReview_WhoseChecksNeverBegin(t *testing.T) {
	t.Parallel()
	w := newWorld(t).review()
	gen := w.task.Gen
	w.show(Reviewed{Phase: ReviewOpen, Head: "c8", Waits: "test has not ended"}).want(event.InReview, "") // of an older commit
	w.show(Reviewed{Phase: ReviewOpen, Head: "c9", Waits: "test has not ended"}).want(event.Parked, ReasonCI)
	if w.task.Published == nil || w.task.Slot || w.task.Detail != "test has not ended" {
		t.Errorf("published %+v, slot %v, detail %q", w.task.Published, w.task.Slot, w.task.Detail)
	}
	w.calm().write(event.RetryRequested{})
	w.want(event.InReview, "")
	if w.task.Gen != gen || w.task.Next != "" {
		t.Errorf("generation %d after %d, next %q: its agent has nothing to do", w.task.Gen, gen, w.task.Next)
	}
	w.show(Reviewed{Phase: ReviewMerged}).wantOpen(event.ActClean)
}

// TestReview_ThatWasGivenUpIsFollowed has a task that was parked because the forge's checks gave no verdict. What happens to its change
// then takes it on without a person.
func TestReview_ThatWasGivenUpIsFollowed(t *testing.T) {
	t.Parallel()
	waits := Reviewed{Phase: ReviewOpen, Head: "c9", Waits: "test has not ended"}
	given := func() *world {
		w := newWorld(t, func(s *event.Spec) { s.CILimit = 6 * time.Hour }).review().show(waits).want(event.Parked, ReasonCI)
		w.show(Reviewed{Phase: ReviewMerged}).want(event.Parked, ReasonCI) // its agent is being ended; it comes again
		return w.calm()
	}
	for _, in := range []Reviewed{
		waits, {Phase: ReviewOpen}, {Phase: ReviewOpen, Head: "c8", Judged: true}, redReview("c8", "test"),
	} {
		if w := given().show(in); w.task.State != event.Parked || w.task.Reason != ReasonCI {
			t.Errorf("%+v: it is %s", in, w.task.State)
		}
	}
	merged := given().show(Reviewed{Phase: ReviewMerged}).wantOpen(event.ActClean)
	merged.finish(event.ActClean, event.WorktreeRemoved{})
	merged.want(event.Done, "")
	given().show(Reviewed{Phase: ReviewClosed, Why: "ann closed it"}).want(event.Parked, ReasonClosed)
	given().show(redReview("c9", "test")).want(event.Queued, event.Reason(event.WhyFeedback)).again("d0")
	words := Reviewed{Phase: ReviewOpen, Key: "words W1", Text: "rename it"}
	w := given().show(words).want(event.Queued, event.Reason(event.WhyFeedback)).again("d0")
	w.show(Reviewed{Phase: ReviewOpen, Head: "d0", Waits: "test has not ended"}).want(event.Parked, ReasonCI)
	w.calm().show(words).want(event.Parked, ReasonCI) // it was told
	spent := w.task.Rounds.Spent
	w.show(Reviewed{Phase: ReviewOpen, Head: "d0", Judged: true}).want(event.InReview, "")
	if w.task.Rounds.Spent != spent || len(w.task.Review.Told) != 1 {
		t.Errorf("%d rounds spent after %d, told %q: nobody has granted it more", w.task.Rounds.Spent, spent, w.task.Review.Told)
	}
}

func TestFollowed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	published := &event.WorkPublished{Commit: "c9"}
	for _, tt := range []struct {
		name string
		task Task
		want bool
	}{
		{"in review", Task{State: event.InReview, Published: published}, true},
		{"a racer that waits", Task{State: event.InReview}, false},
		{"given up", Task{State: event.Parked, Reason: ReasonCI, Published: published, ChangedAt: now.Add(-13 * 24 * time.Hour)}, true},
		{"given up long ago", Task{State: event.Parked, Reason: ReasonCI, Published: published, ChangedAt: now.Add(-reviewLimit)}, false},
		{"given up, and removed", Task{State: event.Parked, Reason: ReasonCI, Published: published, ChangedAt: now, Removed: true}, false},
		{"parked for another reason", Task{State: event.Parked, Reason: ReasonClosed, Published: published, ChangedAt: now}, false},
		{"done", Task{State: event.Done, Published: published}, false},
	} {
		if got := Followed(tt.task, now); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// TestReviewOf_KnowsALateVerdict has a task that was parked an hour ago because checks gave no verdict.
func TestReviewOf_KnowsALateVerdict(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	ago := func(h float64) time.Time { return now.Add(-time.Duration(h * float64(time.Hour))) }
	task := Task{
		State: event.Parked, Reason: ReasonCI, ChangedAt: ago(1), Published: &event.WorkPublished{Commit: "c9"}, Spec: event.Spec{CILimit: 6 * time.Hour},
	}
	stuck := ChangeCheck{Name: "test", State: CheckPending, Began: ago(8)}
	passed := ChangeCheck{Name: "test", State: CheckPassed, Ended: ago(0.1)}
	rerun := ChangeCheck{Name: "test", State: CheckPending, Began: ago(0.5)}
	void := ChangeCheck{Name: "lint", State: CheckVoid, Ended: ago(7)}
	failed := ChangeCheck{Name: "test", State: CheckFailed, Ended: ago(0.1)}
	for _, tt := range []struct {
		name   string
		head   string
		checks []ChangeCheck
		judged bool
		key    string
	}{
		{"nothing has changed", "c9", []ChangeCheck{stuck}, false, ""},
		{"passed", "c9", []ChangeCheck{passed}, true, ""},
		{"passed, and the old run is still listed", "c9", []ChangeCheck{stuck, passed}, true, ""},
		{"started again", "c9", []ChangeCheck{rerun}, true, ""},
		{"another one has no verdict", "c9", []ChangeCheck{passed, void}, false, ""},
		{"failed", "c9", []ChangeCheck{failed}, false, "checks c9 test"},
		{"passed for another commit", "d0", []ChangeCheck{passed}, false, ""},
		{"none is shown", "c9", nil, false, ""},
	} {
		in, _ := ReviewOf(task, Change{Phase: ReviewOpen, Head: tt.head, Checks: tt.checks}, now)
		if in.Judged != tt.judged || in.Key != tt.key {
			t.Errorf("%s: %+v", tt.name, in)
		}
	}
}

func TestReviewOf_NamesTheChecksThatGiveNoVerdict(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	ago := func(h float64) time.Time { return now.Add(-time.Duration(h * float64(time.Hour))) }
	pending, void := ChangeCheck{Name: "test", State: CheckPending}, ChangeCheck{Name: "lint", State: CheckVoid, Why: "it was never started", Ended: ago(7)}
	rerun := pending
	rerun.Began = ago(1)
	young := void
	young.Ended = ago(1)
	passed := ChangeCheck{Name: "lint", State: CheckPassed, Ended: ago(1)}
	for _, tt := range []struct {
		name    string
		limit   time.Duration
		changed time.Time
		head    string
		checks  []ChangeCheck
		waits   string
	}{
		{"queued for long", 6 * time.Hour, ago(6), "c9", []ChangeCheck{pending}, "the forge gives no verdict in 6h0m0s: test has not ended"},
		{"queued for a while", 6 * time.Hour, ago(5.9), "c9", []ChangeCheck{pending}, ""},
		{"it may wait for ever", 0, ago(600), "c9", []ChangeCheck{pending, void}, ""},
		{"started again lately", 6 * time.Hour, ago(9), "c9", []ChangeCheck{rerun}, ""},
		{"of another commit", 6 * time.Hour, ago(9), "d0", []ChangeCheck{pending}, ""},
		{"both kinds", 6 * time.Hour, ago(9), "c9", []ChangeCheck{pending, void}, "the forge gives no verdict in 6h0m0s: lint has no verdict (it was never started), test has not ended"},
		{"cancelled lately", 6 * time.Hour, ago(9), "c9", []ChangeCheck{young}, ""},
		{"cancelled, and run again", 6 * time.Hour, ago(9), "c9", []ChangeCheck{void, passed}, ""},
		{"no checks", 6 * time.Hour, ago(9), "c9", nil, ""},
	} {
		task := Task{ChangedAt: tt.changed, Published: &event.WorkPublished{Commit: "c9"}, Spec: event.Spec{CILimit: tt.limit}}
		in, _ := ReviewOf(task, Change{Phase: ReviewOpen, Head: tt.head, Checks: tt.checks}, now)
		if in.Waits != tt.waits || in.Key != "" || in.Waits != "" && in.Head != "c9" {
			t.Errorf("%s: %+v, want %q", tt.name, in, tt.waits)
		}
	}
}

func TestReviewOf(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	long := now.Add(-time.Hour)
	task := Task{ChangedAt: long, Published: &event.WorkPublished{Commit: "c9"}, Spec: event.Spec{Remote: "origin"}, Review: Review{Told: []string{"words W1"}}}
	failed := func(name string, at time.Time) ChangeCheck {
		return ChangeCheck{Name: name, State: CheckFailed, Ended: at, Why: "failure"}
	}
	pending := ChangeCheck{Name: "slow", State: CheckPending}
	word := func(id string, trusted bool, at time.Time) ChangeWord {
		return ChangeWord{ID: id, Author: "ann", Text: "rename\nit\x1b[2J", Path: "a.go", Line: 3, At: at, Trusted: trusted}
	}
	open := Change{Phase: ReviewOpen, Head: "c9", Base: "main"}
	with := func(change func(c *Change)) Change {
		c := open
		change(&c)
		return c
	}
	for _, tt := range []struct {
		name   string
		change Change
		key    string
	}{
		{"nothing", open, ""},
		{"green", with(func(c *Change) { c.Checks = []ChangeCheck{{Name: "test", State: CheckPassed}} }), ""},
		{"red", with(func(c *Change) { c.Checks = []ChangeCheck{failed("b", long), failed("a", long)} }), "checks c9 a, b"},
		{"red, by another commit", with(func(c *Change) { c.Head, c.Checks = "d0", []ChangeCheck{failed("a", long)} }), ""},
		{"red, and others run", with(func(c *Change) { c.Checks = []ChangeCheck{failed("a", now.Add(-time.Minute)), pending} }), ""},
		{"red, and others hang", with(func(c *Change) { c.Checks = []ChangeCheck{failed("a", long), pending} }), "checks c9 a"},
		{"never started", with(func(c *Change) { c.Checks = []ChangeCheck{{Name: "a", State: CheckVoid}} }), ""},
		{"conflict", with(func(c *Change) { c.Conflict = true }), "conflict c9"},
		{"words", with(func(c *Change) { c.Words = []ChangeWord{word("W1", true, long), word("W2", true, long)} }), "words W2"},
		{"words of a stranger", with(func(c *Change) { c.Words = []ChangeWord{word("W2", false, long)} }), ""},
		{"words a moment ago", with(func(c *Change) { c.Words = []ChangeWord{word("W2", true, long), word("W3", true, now)} }), ""},
		{"merged", Change{Phase: ReviewMerged, Head: "c9", Checks: []ChangeCheck{failed("a", long)}}, ""},
	} {
		in, _ := ReviewOf(task, tt.change, now)
		if in.Key != tt.key || in.Phase != tt.change.Phase {
			t.Errorf("%s: %+v, want the key %q", tt.name, in, tt.key)
		}
		if strings.Contains(in.Text, "\x1b") {
			t.Errorf("%s: the text is not clean: %q", tt.name, in.Text)
		}
	}
	in, _ := ReviewOf(task, with(func(c *Change) { c.Words = []ChangeWord{word("W2", true, long)} }), now)
	if !strings.Contains(in.Text, "ann on a.go:3:\n> rename\n> it") {
		t.Errorf("the words are %q", in.Text)
	}
	young := task
	young.ChangedAt = now
	if in, _ := ReviewOf(young, with(func(c *Change) { c.Conflict = true }), now); in.Key != "" {
		t.Errorf("a conflict right after a push is %+v", in)
	}
}

func TestWatching_PausesLongerTheLessHappens(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		w    Watching
		want time.Duration
	}{
		{Watching{}, time.Minute},
		{Watching{Pending: true, Rest: 10 * time.Hour}, 30 * time.Second},
		{Watching{Young: true}, 30 * time.Second},
		{Watching{Rest: time.Hour}, 2 * time.Minute},
		{Watching{Rest: 6 * time.Hour}, 5 * time.Minute},
		{Watching{Left: 0.1}, 4 * time.Minute},
	} {
		if got := tt.w.Pause(); got != tt.want {
			t.Errorf("%+v pauses %s, want %s", tt.w, got, tt.want)
		}
	}
}

func TestReview_EndsForAMessageOfAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t).review()
	id := w.tell()
	w.want(event.Queued, event.Reason(event.WhyMessage)).wantMessage(id, event.MessageWaiting).prepare().launch()
	w.report(event.Record{State: event.RecordWorking, Prompted: true, Message: id})
	w.want(event.Working, "").wantMessage(id, event.MessageAcked)
}

func TestReview_EndsForAMessageThatCameWhileItsAgentEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work().endTurn().finish(event.ActCheck, green("x"))
	w.finish(event.ActPublish, event.WorkPublished{Mode: event.PublishPR, URL: "https://forge.test/pr/1"})
	w.want(event.InReview, "").wantOpen(event.ActEnd)
	id := w.tell()
	w.want(event.InReview, "")
	w.finish(event.ActEnd)
	w.want(event.Queued, event.Reason(event.WhyMessage)).wantMessage(id, event.MessageWaiting)
}
