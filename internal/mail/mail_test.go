package mail

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"muster/internal/event"
	"muster/internal/replace"
)

const (
	patience = 20 * time.Second
	quiet    = 150 * time.Millisecond
)

// TestMain lets the test binary play waiters, agents and hooks.
func TestMain(m *testing.M) {
	b := Box{Dir: os.Getenv("MAIL_TEST_DIR")}
	switch role := os.Getenv("MAIL_TEST_ROLE"); role {
	case "":
		os.Exit(m.Run())
	case "wait":
		playWaiter(b)
	case "agent":
		playAgent()
	case "await":
		a, err := b.Await(context.Background(), os.Getenv("MAIL_TEST_ARG"))
		fmt.Println(a.Decision, a.Text, err)
	default:
		fmt.Println("unknown role", role)
		os.Exit(3)
	}
}

// playWaiter does what `muster hook claude wait` does, and prints what happens.
func playWaiter(b Box) {
	parent, _ := strconv.Atoi(os.Getenv("MAIL_TEST_PARENT"))
	if parent < 0 {
		parent = os.Getppid()
	}
	release, err := b.Waiter(os.Getenv("MAIL_TEST_ARG") != "modest")
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	defer release()
	fmt.Println("waiting")
	for {
		messages, err := b.Waiting()
		if err != nil {
			fmt.Println("error:", err)
			return
		}
		for _, m := range messages {
			if b.Take(m.ID) == nil {
				fmt.Println("got", m.ID, m.Text)
				return
			}
		}
		if err := b.ListenWhile(context.Background(), parent); err != nil {
			fmt.Println("ended:", err)
			return
		}
	}
}

// playAgent starts a waiter as its child and stays until it is killed.
func playAgent() {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MAIL_TEST_ROLE=wait", "MAIL_TEST_PARENT=-1")
	cmd.Stdout = os.Stdout
	if err := cmd.Start(); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	time.Sleep(time.Minute)
}

// player is a process of this test binary whose lines are read one by one.
type player struct {
	t     testing.TB
	cmd   *exec.Cmd
	lines chan string
}

func play(t testing.TB, b Box, role, arg string) *player {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MAIL_TEST_ROLE="+role, "MAIL_TEST_DIR="+b.Dir, "MAIL_TEST_ARG="+arg)
	r, w, err := os.Pipe() // not StdoutPipe: a grandchild writes to it after the child is dead
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close() //nolint:errcheck // the child has it
	p := &player{t: t, cmd: cmd, lines: make(chan string, 100)}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		p.kill()
		r.Close() //nolint:errcheck // only read
	})
	return p
}

func (p *player) kill() {
	p.cmd.Process.Kill() //nolint:errcheck // it may be gone
	p.cmd.Wait()         //nolint:errcheck // it was killed
}

// line is the next line; "" when all writers are gone.
func (p *player) line() string {
	p.t.Helper()
	select {
	case l := <-p.lines:
		return l
	case <-time.After(patience):
		p.t.Fatal("nothing was printed")
		return ""
	}
}

func (p *player) want(want string) {
	p.t.Helper()
	if got := p.line(); got != want {
		p.t.Fatalf("printed %q, want %q", got, want)
	}
}

// silent fails if the player prints or ends.
func (p *player) silent() {
	p.t.Helper()
	select {
	case l := <-p.lines:
		p.t.Fatalf("printed %q, want nothing", l)
	case <-time.After(quiet):
	}
}

func newBox(t testing.TB) Box {
	t.Helper()
	b := Box{Dir: filepath.Join(t.TempDir(), "t1.1")}
	if err := b.Create(); err != nil {
		t.Fatal(err)
	}
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAMessageGoesThroughTheInbox(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	must(t, b.Create()) // again
	text := "[muster m2]\n\ttext with\x1b[0m everything\n\n"
	for _, m := range []Message{{"m10", "ten"}, {"m2", text}, {"m2", "another text for the same id"}} {
		must(t, b.Put(m))
	}
	must(t, os.WriteFile(b.ro(b.inbox(), "stranger.msg"), nil, 0o600))
	must(t, unix.Mkfifo(b.ro(b.inbox(), "m5.msg"), 0o600))
	got, err := b.Waiting()
	must(t, err)
	if diff := cmp.Diff([]Message{{"m2", text}, {"m10", "ten"}}, got); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
	must(t, b.Take("m2"))
	if err := b.Take("m2"); !errors.Is(err, ErrNotWaiting) {
		t.Errorf("a second Take gave %v", err)
	}
	must(t, b.Put(Message{"m2", text})) // changes nothing
	wantTaken(t, b, "m2")
	must(t, b.Return("m2"))
	must(t, b.Return("m2"))
	must(t, b.Take("m2"))
	must(t, b.Done("m2"))
	must(t, b.Done("m2"))
	must(t, b.Done("m10"))
	if err := b.Return("m2"); !errors.Is(err, ErrNotWaiting) {
		t.Errorf("Return after Done gave %v", err)
	}
	got, err = b.Waiting()
	must(t, err)
	if len(got) > 0 {
		t.Errorf("left over: %v", got)
	}
	wantTaken(t, b)
}

// wantTaken checks which messages have a mark, and that only messages have one.
func wantTaken(t *testing.T, b Box, want ...event.MessageID) {
	t.Helper()
	marks, err := filepath.Glob(b.rw(b.marks(), "*"+takenSuffix))
	must(t, err)
	if len(marks) != len(want) {
		t.Errorf("taken are %v, want %v", marks, want)
	}
	for _, id := range want {
		if taken, err := b.IsTaken(id); !taken || err != nil {
			t.Errorf("%s is not taken (%v)", id, err)
		}
	}
}

func TestIdsThatLeadElsewhereAreRefused(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	for _, id := range []event.MessageID{"", "m", "m0", "m01", "x1", "../m1", "m1/../../x", "m-1", "m123456789012"} {
		if b.Put(Message{id, "x"}) == nil || b.Take(id) == nil || b.Done(id) == nil || b.Return(id) == nil {
			t.Errorf("message id %q was taken", id)
		}
	}
	for _, id := range []string{"", "../q", "a/b", "q.json", "q x", "q\x00", strings.Repeat("q", 81)} {
		if err := b.Answer(Answer{Request: id, Decision: Allow}); err == nil {
			t.Errorf("request id %q was taken", id)
		}
		if _, err := b.Await(t.Context(), id); err == nil {
			t.Errorf("request id %q was awaited", id)
		}
	}
}

func TestCreateRefusesABellThatIsNone(t *testing.T) {
	t.Parallel()
	b := Box{Dir: t.TempDir()}
	must(t, os.Mkdir(filepath.Join(b.Dir, "rw"), 0o700))
	must(t, os.WriteFile(b.rw(b.bell()), nil, 0o600))
	if err := b.Create(); err == nil {
		t.Error("a regular file was accepted as bell")
	}
	if err := b.Ring(); err == nil {
		t.Error("a regular file was rung")
	}
}

func TestRingWithoutListenerIsNoError(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	must(t, b.Ring())
	ctx, cancel := context.WithTimeout(t.Context(), quiet)
	defer cancel()
	if err := b.Listen(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Listen gave %v", err)
	}
	// A bell that nobody empties becomes full and still rings.
	p, err := openPipe(b.rw(b.bell()))
	must(t, err)
	defer p.close()
	for range 1<<16 + 100 {
		if err := b.Ring(); err != nil {
			t.Fatal(err)
		}
	}
	must(t, b.Listen(t.Context()))
}

func TestListenSeesWhatCameBefore(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	must(t, b.Put(Message{"m1", "x"})) // put and rung while nobody listened
	must(t, b.Ring())
	must(t, b.Listen(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, b.Done("m1"))
	if err := b.Listen(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Listen gave %v", err)
	}
}

func TestNoMessageIsMissed(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const n = 500
	got := 0
	done := make(chan error, 1)
	go func() {
		for got < n {
			messages, err := b.Waiting()
			for _, m := range messages {
				err = errors.Join(err, b.Take(m.ID), b.Done(m.ID))
				got++
			}
			if err == nil && got < n {
				err = b.Listen(ctx)
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := range n {
		must(t, replace.Quick(b.ro(b.inbox(), "m"+strconv.Itoa(i+1)+".msg"), []byte("x")))
		must(t, b.Ring())
	}
	if err := <-done; err != nil {
		t.Errorf("after %d messages: %v", got, err)
	}
}

func TestAWaiterProcessGetsTheMessage(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	w := play(t, b, "wait", "")
	w.want("waiting")
	w.silent()
	must(t, b.Ring()) // for nothing
	w.silent()
	must(t, b.Put(Message{"m1", "hello"}))
	must(t, b.Ring())
	w.want("got m1 hello")
	w.want("")
}

func TestTheNewestWaiterWins(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	old := play(t, b, "wait", "")
	old.want("waiting")
	for range 5 {
		newer := play(t, b, "wait", "")
		newer.want("waiting")
		old.want("ended: " + ErrReplaced.Error())
		old = newer
	}
	modest := play(t, b, "wait", "modest")
	modest.want("refused: " + ErrReplaced.Error())
	must(t, b.Put(Message{"m1", "hello"}))
	must(t, b.Ring())
	old.want("got m1 hello")
	modest = play(t, b, "wait", "modest")
	modest.want("waiting")
	modest.kill() // and a dead one is no obstacle
	modest = play(t, b, "wait", "modest")
	modest.want("waiting")
}

func TestManyWaitersAtOnceGiveTheMessageOnce(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const n = 12
	players := make([]*player, n)
	for i := range players {
		players[i] = play(t, b, "wait", "")
	}
	must(t, b.Put(Message{"m1", "hello"}))
	must(t, b.Ring())
	// Whoever waits last and is alive takes it; all others end. With the message gone one may be left waiting.
	got, ended := 0, 0
	deadline := time.After(patience)
	for got == 0 || got+ended < n-1 {
		for _, p := range players {
			select {
			case l := <-p.lines:
				switch {
				case strings.HasPrefix(l, "got m1"):
					got++
				case strings.HasPrefix(l, "ended"):
					ended++
				}
			case <-time.After(10 * time.Millisecond):
			case <-deadline:
				t.Fatalf("%d got it, %d ended", got, ended)
			}
		}
	}
	if got != 1 {
		t.Errorf("the message was given %d times", got)
	}
}

func TestAWaiterEndsWithItsAgent(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	agent := play(t, b, "agent", "")
	agent.want("waiting")
	agent.kill()
	agent.want("ended: " + ErrParentGone.Error())
	agent.want("") // the waiter's end of the pipe is closed: it is gone
}

func TestADeadParentGetsNoMessage(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	must(t, b.Put(Message{"m1", "hello"}))
	dead := exec.CommandContext(t.Context(), "true")
	must(t, dead.Run())
	for _, parent := range []int{1, dead.Process.Pid} {
		if err := b.ListenWhile(t.Context(), parent); !errors.Is(err, ErrParentGone) {
			t.Errorf("with parent %d: %v", parent, err)
		}
	}
}

func TestAnAnswerReachesTheHook(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	early, late := NewRequest(), NewRequest()
	if early == late || len(early) != 17 {
		t.Errorf("requests are %q and %q", early, late)
	}
	must(t, b.Answer(Answer{Request: early, Decision: Deny, Text: "no network"}))
	a, err := b.Await(t.Context(), early)
	must(t, err)
	if a.Decision != Deny || a.Text != "no network" || a.Request != early || a.Time.IsZero() {
		t.Errorf("answer is %+v", a)
	}
	hooks := []*player{play(t, b, "await", late), play(t, b, "await", late)}
	for _, h := range hooks {
		h.silent()
	}
	must(t, b.Answer(Answer{Request: late, Decision: Text, Text: "Blue"}))
	for _, h := range hooks {
		h.want("text Blue <nil>")
	}
	must(t, b.Answer(Answer{Request: late, Decision: Text, Text: "Blue"}))
	if err := b.Answer(Answer{Request: late, Decision: Text, Text: "Red"}); !errors.Is(err, ErrAnswered) {
		t.Errorf("a second answer gave %v", err)
	}
	if err := b.Answer(Answer{Request: NewRequest(), Decision: "maybe"}); err == nil {
		t.Error("an unknown decision was taken")
	}
}

func TestAwaitEnds(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	ctx, cancel := context.WithTimeout(t.Context(), quiet)
	defer cancel()
	if _, err := b.Await(ctx, "q1"); !errors.Is(err, ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Await gave %v", err)
	}
	must(t, os.WriteFile(b.ro(b.answers(), "q2.json"), []byte("{"), 0o600))
	if _, err := b.Await(t.Context(), "q2"); err == nil || errors.Is(err, ErrNoAnswer) {
		t.Errorf("a broken answer gave %v", err)
	}
}

func TestAnswersRaceWithAwait(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 100 {
		id := "q" + strconv.Itoa(i)
		wg.Go(func() {
			if _, err := b.Await(ctx, id); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := b.Answer(Answer{Request: id, Decision: Allow}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestChecksAreReadAsWritten(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	if _, err := b.ReadChecks(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadChecks gave %v", err)
	}
	want := Checks{
		Checks: []event.Check{{Name: "test", Run: "go test ./...", Timeout: time.Minute, OnEdit: true}},
		Env:    CheckEnv{Task: "t1", Gen: 2, Worktree: "/w", Slots: []string{"/s/0"}, Logs: "/l"},
	}
	must(t, b.WriteChecks([]event.Check{{Name: "old"}}, CheckEnv{}))
	must(t, b.WriteChecks(want.Checks, want.Env))
	got, err := b.ReadChecks()
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
}

// BenchmarkPutToListen is from Put and Ring to the return of Listen in another goroutine; nearly all of it is the
// disk that Put waits for. BenchmarkRingToListen leaves that out.
func BenchmarkPutToListen(b *testing.B) {
	benchmarkListen(b, func(box Box) error { return box.Put(Message{"m1", "text"}) })
}

func BenchmarkRingToListen(b *testing.B) {
	benchmarkListen(b, func(box Box) error {
		return replace.Quick(box.ro(box.inbox(), "m1.msg"), []byte("text"))
	})
}

func benchmarkListen(b *testing.B, put func(Box) error) {
	box := newBox(b)
	heard := make(chan error)
	go func() {
		for {
			err := box.Listen(b.Context())
			if err == nil {
				err = box.Done("m1")
			}
			select {
			case heard <- err:
			case <-b.Context().Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	for b.Loop() {
		must(b, put(box))
		must(b, box.Ring())
		must(b, <-heard)
	}
}
