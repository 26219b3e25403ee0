package post

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"muster/internal/config"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/store"
	"muster/internal/testkit/await"
)

// rig is a log with a service beside it, whose pauses are short.
type rig struct {
	t    *testing.T
	home home.Dir
	db   *store.Store
	conf config.Notify
	logs *strings.Builder
}

func newRig(t *testing.T, address string) *rig {
	t.Helper()
	h := home.Dir(t.TempDir())
	if err := h.Create(); err != nil {
		t.Fatal(err)
	}
	if err := environ.Save(h.Env(), []string{"TOPIC=" + topic, "TOKEN=" + token}, []string{"TOPIC", "TOKEN"}); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), h.DB(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	r := &rig{t: t, home: h, db: db, logs: &strings.Builder{}}
	r.conf.Channels = []config.Channel{{Name: "phone", Kind: config.ChannelNtfy, URL: address, TopicFrom: "TOPIC", TokenFrom: "TOKEN", Detail: config.DetailQuestion}}
	return r
}

// serve runs a service until stop is called.
func (r *rig) serve() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	s := NewService(r.home, r.db, r.conf, time.Now, slog.New(slog.NewTextHandler(r.logs, nil)))
	s.Settings.Grace, s.Settings.Idle = 30*time.Millisecond, time.Hour
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(ctx)
	}()
	tick := time.NewTicker(20 * time.Millisecond) // stands for the supervisor, which wakes it after each update
	go func() {
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				s.Wake()
			}
		}
	}()
	return func() {
		cancel()
		<-done
		tick.Stop()
	}
}

func (r *rig) append(task event.TaskID, all ...event.Payload) {
	r.t.Helper()
	err := r.db.Request(r.t.Context(), func(tx *store.Tx) error {
		for _, p := range all {
			if _, err := tx.Append(task, 1, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// task dispatches a task that is parked at once.
func (r *rig) parked(n int) event.TaskID {
	id := event.NewTaskID(n)
	r.append(id, event.DispatchRequested{Spec: event.Spec{Name: string(id)}}, event.SlotGranted{}, event.TaskMoved{From: event.Queued, To: event.Parked, Reason: "rounds_used", Detail: "all rounds are used"})
	return id
}

// asking dispatches a task whose agent asks.
func (r *rig) asking(n int) event.TaskID {
	id := event.NewTaskID(n)
	r.append(id, event.DispatchRequested{Spec: event.Spec{Name: string(id)}}, event.SlotGranted{},
		event.TaskMoved{From: event.Queued, To: event.Waiting, Reason: "question"}, event.RequestOpened{Request: "r", Reason: event.WaitQuestion, Text: "which?"})
	return id
}

// events returns the events of a kind.
func (r *rig) events(p event.Payload) (out []event.Event) {
	r.t.Helper()
	for e, err := range r.db.Events(r.t.Context(), store.EventFilter{Kinds: []event.Kind{p.Kind()}}) {
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func TestService_TellsWhatHappensAndRecordsIt(t *testing.T) {
	t.Parallel()
	to := newReceiver(t, nil)
	r := newRig(t, to.URL)
	r.asking(1) // before the first service: old news
	stop := r.serve()
	await.Until(t, "the offset is stored", func() bool {
		o, err := r.db.Offset(t.Context(), source)
		return err == nil && o > 0
	})
	id := r.asking(2)
	await.Until(t, "the notice is recorded", func() bool { return len(r.events(event.NoticeSent{})) > 0 })
	stop()
	sent := r.events(event.NoticeSent{})
	p := sent[0].Data.(event.NoticeSent)
	if len(sent) != 1 || sent[0].Task != id || p.Channel != "phone" || p.What != event.NoticeAsks {
		t.Errorf("recorded are %+v", sent)
	}
	if got := to.got(); len(got) != 1 || got[0]["sequence_id"] != "muster-"+p.Message || !strings.Contains(got[0]["message"].(string), "muster answer t2") {
		t.Errorf("sent were %v", got)
	}
}

// TestService_NothingIsLostWhenItIsStoppedAtAnyTime ends the service again and again while tasks are parked and the receiver
// refuses, delays and forgets to answer. Each task is told, and what is told twice has the same id.
func TestService_NothingIsLostWhenItIsStoppedAtAnyTime(t *testing.T) {
	t.Parallel()
	to := newReceiver(t, func(n int, w http.ResponseWriter) {
		time.Sleep(time.Duration(n%7) * 10 * time.Millisecond) // some are cut between arrival and record
	})
	r := newRig(t, to.URL)
	r.append("", event.UpRequested{})
	const tasks = 24
	r.serve()() // stores the offset, or is stopped before it can
	stop := r.serve()
	await.Until(t, "the offset is stored", func() bool {
		o, err := r.db.Offset(t.Context(), source)
		return err == nil && o > 0
	})
	stop()
	for i := range tasks {
		r.parked(i + 1)
		if i%8 != 7 {
			continue
		}
		stop := r.serve()
		time.Sleep(time.Duration(10+i*13%90) * time.Millisecond)
		stop()
	}
	stop = r.serve()
	await.Until(t, "everything is recorded", func() bool { return len(told(r)) == tasks })
	stop()
	for id, n := range told(r) {
		if n != 1 {
			t.Errorf("%s was recorded %d times", id, n)
		}
	}
	ids := map[string]string{} // by the first task of a message
	for _, body := range to.got() {
		text := body["message"].(string)
		first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
		id := body["sequence_id"].(string)
		if before, again := ids[first]; again && before != id {
			t.Errorf("the message about %s had the id %s, and then %s", first, before, id)
		}
		ids[first] = id
	}
}

// told counts the records about each task.
func told(r *rig) map[event.TaskID]int {
	out := map[event.TaskID]int{}
	for _, e := range r.events(event.NoticeSent{}) {
		if p := e.Data.(event.NoticeSent); p.What == event.NoticeParked {
			out[e.Task]++
		}
	}
	return out
}

func TestService_TriesAgainWhenTheReceiverAllowsIt(t *testing.T) {
	t.Parallel()
	to := newReceiver(t, func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.Header().Set("Retry-After", "1200")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	r := newRig(t, to.URL)
	r.append("", event.UpRequested{})
	stop := r.serve()
	await.Until(t, "the offset is stored", func() bool {
		o, err := r.db.Offset(t.Context(), source)
		return err == nil && o > 0
	})
	r.parked(1)
	await.Until(t, "the failure is recorded", func() bool { return len(r.events(event.NoticeMissed{})) > 0 })
	stop()
	e := r.events(event.NoticeMissed{})[0]
	p := e.Data.(event.NoticeMissed)
	if pause := p.Next.Sub(e.Time).Round(time.Minute); p.Tries != 1 || pause != 20*time.Minute {
		t.Errorf("it is tried again after %v, in %+v", pause, p)
	}
	stop = r.serve() // a restart does not forget the pause
	time.Sleep(100 * time.Millisecond)
	stop()
	if n := len(to.got()); n != 1 {
		t.Errorf("%d requests", n)
	}
	for _, secret := range []string{topic, token} {
		if strings.Contains(r.logs.String(), secret) || strings.Contains(fmt.Sprint(p), secret) {
			t.Errorf("a secret is in the log: %s %v", r.logs, p)
		}
	}
}

func TestService_ADeadReceiverDoesNotKeepOthersWaiting(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	dead := newReceiver(t, func(int, http.ResponseWriter) { <-hold })
	defer close(hold)
	to := newReceiver(t, nil)
	r := newRig(t, dead.URL)
	r.conf.Channels = append(r.conf.Channels, config.Channel{Name: "team", Kind: config.ChannelWebhook, Shape: config.ShapeJSON, URL: to.URL})
	r.append("", event.UpRequested{})
	stop := r.serve()
	defer stop()
	await.Until(t, "the offset is stored", func() bool {
		o, err := r.db.Offset(t.Context(), source)
		return err == nil && o > 0
	})
	r.parked(1)
	await.Until(t, "the other channel has it", func() bool { return len(to.got()) > 0 })
}

func TestService_WithoutChannelsForgetsHowFarItWas(t *testing.T) {
	t.Parallel()
	r := newRig(t, "http://127.0.0.1:1")
	if err := r.db.Request(t.Context(), func(tx *store.Tx) error { tx.SetOffset(source, 7); return nil }); err != nil {
		t.Fatal(err)
	}
	r.conf = config.Notify{}
	r.serve()()
	// Serve may have been ended before it could write.
	stop := r.serve()
	await.Until(t, "the offset is forgotten", func() bool {
		o, err := r.db.Offset(t.Context(), source)
		return err == nil && o == 0
	})
	stop()
}

func TestService_AFloodOfEventsCostsFewReads(t *testing.T) {
	t.Parallel()
	to := newReceiver(t, nil)
	r := newRig(t, to.URL)
	r.append("", event.UpRequested{})
	stop := r.serve()
	defer stop()
	await.Until(t, "the offset is stored", func() bool {
		o, err := r.db.Offset(t.Context(), source)
		return err == nil && o > 0
	})
	w, err := r.db.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.append("t1", event.DispatchRequested{Spec: event.Spec{Name: "t1"}})
	for range 100 {
		err := w.Update(t.Context(), false, func(tx *store.Tx) error {
			for range 100 {
				if _, err := tx.Append("t1", 1, event.AgentReported{Record: event.Record{State: event.RecordWorking, Note: "x"}}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	r.parked(2)
	await.Until(t, "it is told after 10,000 events", func() bool { return len(told(r)) == 1 })
}

func TestService_AnEmptyDigestIsNotSent(t *testing.T) {
	t.Parallel()
	to := newReceiver(t, nil)
	r := newRig(t, to.URL)
	r.append("", event.UpRequested{})
	now := time.Date(2026, 11, 27, 7, 0, 0, 0, time.UTC)
	s := NewService(r.home, r.db, r.conf, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	s.Settings.Digest = []int{8 * 60}
	if !s.begin(t.Context()) {
		t.Fatal("the log cannot be read")
	}
	now = now.Add(time.Hour)
	for range 3 {
		if _, err := s.turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	pause, err := s.turn(t.Context())
	if err != nil || pause < time.Second || len(to.got()) > 0 || len(r.events(event.NoticeSent{})) > 0 {
		t.Errorf("sent were %v, the next turn is in %v (%v)", to.got(), pause, err)
	}
}

func TestService_AFullDiskDoesNotRepeatAMessage(t *testing.T) {
	t.Parallel()
	to := newReceiver(t, nil)
	r := newRig(t, to.URL)
	r.append("", event.UpRequested{})
	s := NewService(r.home, r.db, r.conf, time.Now, slog.New(slog.DiscardHandler))
	s.Settings.Grace = time.Nanosecond
	if !s.begin(t.Context()) {
		t.Fatal("the log cannot be read")
	}
	r.parked(1)
	good := r.db
	bad, err := store.Open(t.Context(), r.home.DB(), store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close() //nolint:errcheck // only read
	s.Store = bad     // reads, and does not write
	for range 3 {
		if _, err := s.turn(t.Context()); err == nil {
			t.Error("an outcome was recorded in a log that takes none")
		}
	}
	if n := len(to.got()); n != 1 {
		t.Errorf("sent %d times", n)
	}
	s.Store = good
	for range 2 {
		if _, err := s.turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(told(r)); n != 1 || len(to.got()) != 1 {
		t.Errorf("%d are recorded, %d sent", n, len(to.got()))
	}
}
