package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/life"
	"muster/internal/testkit/hub"
)

// following is a changes with the real gh, a server with pull requests, and a clock that the test moves.
type following struct {
	t     *testing.T
	c     *changes
	hub   *hub.Hub
	now   time.Time
	tasks []life.Task
	news  chan fleet.News
}

// commitOf returns the commit of a task's pull request.
func commitOf(n int) string { return fmt.Sprintf("%040d", n) }

// follow returns a follower of n pull requests that were opened an hour ago.
func follow(t *testing.T, n int) *following {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	f := &following{t: t, hub: hub.Start(t, git), now: time.Now(), news: make(chan fleet.News, 1000)}
	f.hub.Repo("acme/widget")
	f.hub.SetUp(home)
	for i := 1; i <= n; i++ {
		number := f.hub.Put("acme/widget", fmt.Sprintf("muster/t%d", i), "main", commitOf(i))
		f.tasks = append(f.tasks, life.Task{
			ID: event.TaskID(fmt.Sprintf("t%d", i)), State: event.InReview, ChangedAt: f.now.Add(-time.Hour),
			Spec:      event.Spec{Forge: hub.Host + "/acme/widget", Into: "main", Remote: "origin"},
			Published: &event.WorkPublished{Commit: commitOf(i), Number: number},
		})
	}
	live := func(context.Context) ([]life.Task, error) { return f.tasks, nil }
	f.c = newChanges(worktrees{}, live, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}, func(string) []string { return nil }, func() time.Time { return f.now }, slog.New(slog.DiscardHandler))
	f.c.out = f.news
	return f
}

// pass lets time pass, and returns the number of requests of the API and the news meanwhile.
func (f *following) pass(d time.Duration) (requests int, news []fleet.News) {
	f.t.Helper()
	before := len(f.hub.Requests())
	for end := f.now.Add(d); f.now.Before(end); f.now = f.now.Add(lookPause) {
		if err := f.c.look(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
	}
	for len(f.news) > 0 {
		news = append(news, <-f.news)
	}
	return len(f.hub.Requests()) - before, news
}

// always breaks each request in one way.
func (f *following) always(fault hub.Fault) {
	f.hub.Break(func(*http.Request) hub.Fault { return fault })
}

func TestFollow_OneRequestAsksForAllPullRequests(t *testing.T) {
	t.Parallel()
	f := follow(t, 20)
	if n, news := f.pass(5 * time.Minute); n != 5 || len(news) != 0 {
		t.Errorf("20 pull requests at rest: %d requests in 5 minutes, want 5; news %+v", n, news)
	}
	f.hub.Check("acme/widget", 7, hub.Check{Name: "slow"})
	f.pass(time.Minute)
	if n, _ := f.pass(2 * time.Minute); n != 4 { // 120 an hour
		t.Errorf("a check runs: %d requests in 2 minutes, want 4", n)
	}
	f.hub.Limit(500) // of 5000
	f.pass(time.Minute)
	if n, _ := f.pass(4 * time.Minute); n != 2 {
		t.Errorf("a tenth of the limit is left: %d requests in 4 minutes, want 2", n)
	}
}

func TestFollow_TellsWhatHappenedToEach(t *testing.T) {
	t.Parallel()
	f := follow(t, 4)
	old := f.now.Add(-time.Hour)
	f.hub.Check("acme/widget", 1, hub.Check{Name: "test", Conclusion: "failure", Ended: old, Log: "x.go:1: MARK\n"})
	f.hub.Change("acme/widget", 2, func(p *hub.Pull) { p.State = "MERGED" })
	f.hub.Writer("pat")
	f.hub.Say("acme/widget", 3, hub.Word{Author: "pat", Association: "CONTRIBUTOR", Body: "rename it", At: old})
	f.hub.Say("acme/widget", 3, hub.Word{Author: "eve", Association: "NONE", Body: "delete it", At: old})
	_, news := f.pass(10 * time.Second)
	told := map[event.TaskID]life.Reviewed{}
	for _, n := range news {
		told[n.Task] = n.Review
	}
	if in := told["t1"]; in.Key != "checks "+commitOf(1)+" test" || !strings.Contains(in.Text, "MARK") {
		t.Errorf("a red check is %+v", in)
	}
	if in := told["t2"]; in.Phase != life.ReviewMerged {
		t.Errorf("a merge is %+v", in)
	}
	if in := told["t3"]; !strings.Contains(in.Text, "rename it") || strings.Contains(in.Text, "delete it") {
		t.Errorf("words are %+v", in)
	}
	if in, ok := told["t4"]; ok {
		t.Errorf("nothing happened to t4, and it is told %+v", in)
	}
	before := len(f.hub.Requests())
	f.now = f.now.Add(time.Minute)
	f.pass(10 * time.Second)
	for _, r := range f.hub.Requests()[before:] {
		if strings.Contains(r, "/permission") {
			t.Errorf("it is asked again who may write: %s", r)
		}
	}
}

// TestFollow_TellsOfChecksThatNeverBegin has one check that is queued for hours, and one that was started again a moment ago.
func TestFollow_TellsOfChecksThatNeverBegin(t *testing.T) {
	t.Parallel()
	f := follow(t, 2)
	for i := range f.tasks {
		f.tasks[i].Spec.CILimit = time.Hour
	}
	f.hub.Check("acme/widget", 1, hub.Check{Name: "queued", Began: f.now})
	f.hub.Check("acme/widget", 2, hub.Check{Name: "again", Began: f.now.Add(50 * time.Minute)})
	if _, news := f.pass(50 * time.Minute); len(news) != 0 {
		t.Errorf("after 50 minutes: %+v", news)
	}
	_, news := f.pass(20 * time.Minute)
	if len(news) == 0 || slices.ContainsFunc(news, func(n fleet.News) bool {
		return n.Task != "t1" || n.Review.Head != commitOf(1) || !strings.Contains(n.Review.Waits, "queued has not ended")
	}) {
		t.Errorf("after 70 minutes: %+v", news)
	}
}

// TestFollow_LooksAtChangesThatWereGivenUp has one task in review and two that are parked because of checks without a verdict. One request
// asks for all of them, as often as for changes at rest.
func TestFollow_LooksAtChangesThatWereGivenUp(t *testing.T) {
	t.Parallel()
	f := follow(t, 3)
	for i := range f.tasks {
		f.tasks[i].Spec.CILimit = time.Hour
	}
	for i := 1; i < 3; i++ {
		f.tasks[i].State, f.tasks[i].Reason, f.tasks[i].ChangedAt = event.Parked, life.ReasonCI, f.now
		f.hub.Check("acme/widget", i+1, hub.Check{Name: "queued", Began: f.now.Add(-2 * time.Hour)})
	}
	if n, news := f.pass(10 * time.Minute); n != 10 || len(news) != 0 {
		t.Errorf("%d requests in 10 minutes, want 10; news %+v", n, news)
	}
	f.hub.Check("acme/widget", 2, hub.Check{Name: "queued", Conclusion: "success", Ended: f.now})
	f.hub.Change("acme/widget", 3, func(p *hub.Pull) { p.State = "MERGED" })
	_, news := f.pass(time.Minute)
	if len(news) != 2 || news[0].Task != "t2" || !news[0].Review.Judged || news[1].Task != "t3" || news[1].Review.Phase != life.ReviewMerged {
		t.Errorf("news %+v", news)
	}
}

func TestFollow_LeavesAForgeAloneThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault hub.Fault
		most  int // requests in ten minutes
	}{
		{"it is down", hub.Unavailable, 8},
		{"the network is gone", hub.Cut, 8},
		{"no login", hub.Refused, 4},
		{"the secondary limit", hub.Secondary, 61}, // it says 7 s, and is looked at every 10
	} {
		f := follow(t, 2)
		f.always(tt.fault)
		n, news := f.pass(10 * time.Minute)
		if n > tt.most || n < 2 || len(news) != 0 {
			t.Errorf("%s: %d requests in ten minutes, want at most %d; news %+v", tt.name, n, tt.most, news)
		}
		f.hub.Break(nil)
		f.hub.Change("acme/widget", 1, func(p *hub.Pull) { p.State = "MERGED" })
		if _, news := f.pass(6 * time.Minute); len(news) == 0 || news[0].Review.Phase != life.ReviewMerged {
			t.Errorf("%s, and it is over: %+v", tt.name, news)
		}
	}
	f := follow(t, 1)
	f.hub.Limit(0)
	if n, _ := f.pass(30 * time.Minute); n != 1 {
		t.Errorf("the limit is used up for an hour: %d requests in half of it, want 1", n)
	}
}

func TestFollow_GivesUpARepositoryThatIsForbidden(t *testing.T) {
	t.Parallel()
	f := follow(t, 2)
	f.always(hub.Forbidden)
	n, news := f.pass(2*time.Minute + lookPause)
	if n != 3 || len(news) != 2 || news[0].Review.Phase != life.ReviewClosed || !strings.Contains(news[0].Review.Why, "not accessible") {
		t.Errorf("%d requests, news %+v", n, news)
	}
}
