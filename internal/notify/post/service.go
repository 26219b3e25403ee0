package post

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"muster/internal/config"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/notify"
	"muster/internal/store"
	"muster/internal/words"
)

// Service tells a person what happens, as long as a supervisor runs. It reads the log beside the supervisor, which never
// waits for a receiver.
type Service struct {
	Home     home.Dir
	Store    *store.Store
	Channels []config.Channel
	Settings notify.Settings
	Now      func() time.Time
	Log      *slog.Logger

	news chan struct{} // capacity 1: something was written to the log

	state  *notify.State
	stands time.Time // since when tasks wait and none runs; zero if that is not so
	kept   int64     // the offset that the log has
	// sent are messages whose outcome could not be recorded yet, for example because the disk is full. They are not sent again.
	sent []attempt
}

// source is the name of the offset up to which everything was told.
const source = "notify"

// NewService returns the service for a configuration.
func NewService(h home.Dir, db *store.Store, c config.Notify, now func() time.Time, log *slog.Logger) *Service {
	return &Service{Home: h, Store: db, Channels: c.Channels, Settings: Settings(c), Now: now, Log: log, news: make(chan struct{}, 1)}
}

// Settings returns when a person is told what, as it is configured. Without a time for it, a digest is due at the end of
// each quiet span.
func Settings(c config.Notify) notify.Settings {
	var set notify.Settings
	for _, channel := range c.Channels {
		set.Channels = append(set.Channels, channel.Name)
	}
	digest, own := config.ParseClock(c.Digest)
	if own {
		set.Digest = append(set.Digest, digest)
	}
	for _, q := range c.Quiet {
		span, _ := config.ParseSpan(q) // Load has refused what is none
		set.Quiet = append(set.Quiet, span)
		if !own {
			set.Digest = append(set.Digest, span.To)
		}
	}
	return set
}

// Wake tells the service that something was written to the log. It never waits.
func (s *Service) Wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// Pauses of the loop. Nothing is told before it has lasted for Settings.Grace, so a read of the log a moment later is early
// enough, and a flood of events costs one read a second.
const (
	settle  = time.Second
	longest = time.Minute // a clock that was set, or a machine that slept, moves what is due
	retry   = 10 * time.Second
)

// Serve sends what is due until ctx ends. Without any channel it only forgets how far it was, so that a channel that is
// configured later does not tell old news.
func (s *Service) Serve(ctx context.Context) error {
	for !s.begin(ctx) {
		if !s.wait(ctx, retry, false) {
			return nil
		}
	}
	if len(s.Channels) == 0 {
		return nil
	}
	for {
		pause, err := s.turn(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			s.Log.Error("send notices", "err", err)
			pause = retry
		}
		if !s.wait(ctx, pause, err == nil) {
			return nil
		}
	}
}

// wait waits, at most until something was written, and then a moment longer. It reports whether ctx has not ended.
func (s *Service) wait(ctx context.Context, pause time.Duration, early bool) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	news := s.news
	if !early {
		news = nil
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-news:
			news = nil
			timer.Reset(min(pause, settle))
		}
	}
}

// begin reads how far the service was. It reports whether the log could be read.
func (s *Service) begin(ctx context.Context) bool {
	err := func() error {
		offset, err := s.Store.Offset(ctx, source)
		if err != nil {
			return err
		}
		s.kept = offset
		if len(s.Channels) == 0 {
			return s.keep(ctx, 0)
		}
		began := s.Now()
		if offset == 0 { // nothing that is older than the first channel is told
			if offset, err = s.Store.LastSeq(ctx); err != nil {
				return err
			}
			offset = max(offset, 1) // 0 would mean that there is no offset
			if err := s.keep(ctx, offset); err != nil {
				return err
			}
		} else {
			for e, err := range s.Store.Events(ctx, store.EventFilter{After: offset - 1, Limit: 1}) {
				if err != nil {
					return err
				}
				began = e.Time
			}
		}
		s.state = notify.NewState(offset, began)
		hour, err := s.Store.SeqAt(ctx, s.Now().Add(-time.Hour))
		if err != nil {
			return err
		}
		return s.read(ctx, min(offset, hour)) // the messages of the last hour count
	}()
	if err != nil && ctx.Err() == nil {
		s.Log.Error("read what was told", "err", err)
	}
	return err == nil
}

// read applies the events after a number.
func (s *Service) read(ctx context.Context, after int64) error {
	last, err := s.Store.LastSeq(ctx)
	if err != nil {
		return err
	}
	for e, err := range s.Store.Events(ctx, store.EventFilter{After: after, Kinds: notify.Kinds()}) {
		if err != nil {
			return err
		}
		s.state.Apply(e)
	}
	s.state.Skip(last)
	return nil
}

// keep stores how far everything was told. 0 forgets it.
func (s *Service) keep(ctx context.Context, offset int64) error {
	if offset == s.kept {
		return nil
	}
	err := s.Store.Request(ctx, func(tx *store.Tx) error {
		tx.SetOffset(source, offset)
		return nil
	})
	if err == nil {
		s.kept = offset
	}
	return err
}

// forget is how far the offset may be behind before it is stored without a notice: a start reads so many events again.
const forget = 5000

// turn sends what is due now, and returns how long nothing will be.
func (s *Service) turn(ctx context.Context) (time.Duration, error) {
	if s.sent != nil {
		if err := s.record(ctx, s.sent); err != nil {
			return 0, err
		}
		s.sent = nil
	}
	if err := s.read(ctx, s.state.Read()); err != nil {
		return 0, err
	}
	w, err := s.world(ctx)
	if err != nil {
		return 0, err
	}
	d := notify.Decide(s.state, w, s.Settings, s.Now())
	if len(d.Messages) > 0 {
		return 0, s.send(ctx, w, d.Messages)
	}
	if at := s.state.Settled(s.Settings); at > s.kept+forget {
		if err := s.keep(ctx, at); err != nil {
			return 0, err
		}
	}
	if d.Next.IsZero() {
		return longest, nil
	}
	return max(10*time.Millisecond, min(longest, d.Next.Sub(s.Now()))), nil
}

// world reads the state of the fleet.
func (s *Service) world(ctx context.Context) (w notify.World, err error) {
	if w.Counts, err = s.Store.Counts(ctx); err != nil {
		return w, err
	}
	switch {
	case !w.Standing():
		s.stands = time.Time{}
	case s.stands.IsZero():
		s.stands = s.Now()
	}
	w.Stands = s.stands
	if st, err := os.Stat(s.Home.Looked()); err == nil {
		w.Looked = st.ModTime()
		if w.Looked.After(s.Now()) { // a clock that was set back must not silence the night
			w.Looked = time.Time{}
		}
	}
	return w, nil
}

// attempt is the outcome of sending one message.
type attempt struct {
	notify.Message
	err error
}

// send sends messages, each through its own channel and at the same time, and records the outcomes in one transaction.
func (s *Service) send(ctx context.Context, w notify.World, all []notify.Message) error {
	facts := make([]notify.Facts, len(all))
	tries := make([]attempt, len(all))
	for i, m := range all {
		var err error
		if facts[i], tries[i].Message, err = s.facts(ctx, w, m); err != nil {
			return err
		}
		if n := tries[i].Notices; len(n) == 1 && n[0].What == event.NoticeDigest && facts[i].Nothing() {
			s.state.PassDigest(m.Channel, s.Now())
			tries[i].Notices = nil
		}
	}
	env, err := environ.Load(s.Home.Env())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var wg sync.WaitGroup
	for i := range tries {
		if len(tries[i].Notices) == 0 { // nothing of it stands any more
			continue
		}
		wg.Go(func() { tries[i].err = s.deliver(ctx, tries[i].Message, facts[i], env) })
	}
	wg.Wait()
	if ctx.Err() != nil { // whether a receiver has it is not known; it gets it once more, with the same id
		return ctx.Err()
	}
	if err := s.record(ctx, tries); err != nil {
		s.sent = tries
		return err
	}
	return nil
}

// deliver sends one message.
func (s *Service) deliver(ctx context.Context, m notify.Message, f notify.Facts, env []string) error {
	for _, c := range s.Channels {
		if c.Name != m.Channel {
			continue
		}
		channel, err := New(c, env)
		if err != nil {
			return err
		}
		said := notify.Compose(m, f, notify.Detail(c.Detail))
		if n := m.Notices; len(n) == 1 && n[0].Task != "" && c.Answer != "" {
			if key, err := Key(s.Home); err == nil { // otherwise nobody could check a code
				said = channel.Offer(said, f.Tasks[n[0].Task], key)
			}
		}
		return channel.Send(ctx, said)
	}
	return nil
}

// facts reads the tasks of a message again, and leaves out the notices that no longer stand.
func (s *Service) facts(ctx context.Context, w notify.World, m notify.Message) (notify.Facts, notify.Message, error) {
	f := notify.Facts{Tasks: map[event.TaskID]life.Task{}, World: w}
	var stand []notify.Notice
	digest := false
	for _, n := range m.Notices {
		digest = digest || n.What == event.NoticeDigest || n.What == event.NoticeOver
		if n.Task != "" {
			t, err := s.Store.Task(ctx, n.Task)
			if err != nil && !fault.Is(err, fault.NotFound) {
				return f, m, err
			}
			if err != nil || !notify.Stands(n, t) {
				s.state.Drop(n)
				continue
			}
			f.Tasks[n.Task] = t
		}
		stand = append(stand, n)
	}
	m.Notices = stand
	row, err := s.Store.Fleet(ctx)
	if err != nil {
		return f, m, err
	}
	f.Gate = row.Gate
	if digest {
		err = s.digest(ctx, &f, m.Since)
	}
	return f, m, err
}

// digest reads what a digest tells.
func (s *Service) digest(ctx context.Context, f *notify.Facts, since time.Time) error {
	all, err := s.Store.List(ctx, store.ListFilter{
		States: []event.State{event.Waiting, event.Parked, event.Failed, event.Done, event.Cancelled}, Now: s.Now(),
	})
	if err != nil {
		return err
	}
	for _, t := range all {
		if t.State.Final() {
			if t.FinishedAt == nil || t.FinishedAt.Before(since) {
				continue
			}
			f.CostUSD += t.Usage.CostUSD
		}
		switch t.State { //nolint:exhaustive // those of the filter
		case event.Done:
			f.Done++
		case event.Cancelled:
			f.Cancelled++
		case event.Failed:
			f.Failed++
		default:
			task, err := s.Store.Task(ctx, t.ID)
			if err != nil {
				return err
			}
			f.Needs = append(f.Needs, task)
		}
	}
	slices.SortStableFunc(f.Needs, func(a, b life.Task) int { return cmp.Compare(words.Attention(a.State), words.Attention(b.State)) })
	return nil
}
