package control

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/notify"
	"muster/internal/notify/post"
	"muster/internal/store"
	"muster/internal/text"
)

// Replies is the service of a supervisor that takes the answers which a person gives by the buttons of a message. It asks the
// server of the channel for them, so no port is opened.
type Replies struct {
	Control *Control
	Log     *slog.Logger
}

const (
	replyPause   = time.Second // before the stream is opened again, doubled with each failure
	replyLongest = 5 * time.Minute
	// replyAsk is how often a press that answers nothing is told, at most. Everybody who knows the topic can write to it.
	replyAsk = time.Minute
)

// replySource is the name of the offset that has the time of the newest reply of a channel, in seconds since 1970.
func replySource(channel string) string { return "replies/" + channel }

// Serve takes replies until ctx ends.
func (s Replies) Serve(ctx context.Context) error {
	f, err := s.Control.fleet()
	if err != nil {
		s.Log.Error("take answers from channels", "err", err)
		return nil
	}
	done := make(chan struct{})
	n := 0
	for _, c := range f.Config.Notify.Channels {
		if c.Kind != config.ChannelNtfy || c.Answer == "" {
			continue
		}
		n++
		go func() {
			defer func() { done <- struct{}{} }()
			s.follow(ctx, c)
		}()
	}
	for range n {
		<-done
	}
	return nil
}

// follow takes the replies of one channel until ctx ends.
func (s Replies) follow(ctx context.Context, c config.Channel) {
	l := &listener{Replies: s, to: c, pause: replyPause}
	for ctx.Err() == nil {
		err := l.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		l.rest(ctx, err)
	}
}

// listener takes the replies of one channel.
type listener struct {
	Replies
	to    config.Channel
	pause time.Duration // before the stream is opened again
	last  string        // the id of the newest reply
	told  time.Time     // when a press that answers nothing was told
}

// stream is what a listener needs while a stream is open.
type stream struct {
	channel post.Channel
	key     []byte // of codes
	db      *store.Store
	begun   int64 // the time from which replies are read, in seconds since 1970
}

// listen opens the stream of the channel and takes its replies until it ends.
func (l *listener) listen(ctx context.Context) error {
	st, err := l.open(ctx)
	if err != nil {
		return err
	}
	since := cmp.Or(l.last, strconv.FormatInt(st.begun, 10))
	return st.channel.Listen(ctx, st.key, since, func(r post.Reply) {
		l.pause = replyPause
		l.tell(ctx, st, r, l.take(ctx, st, r))
	})
}

// open reads what a stream needs, anew for each one: the configuration's secrets and the key may have changed.
func (l *listener) open(ctx context.Context) (st stream, err error) {
	f, err := l.Control.fleet()
	if err != nil {
		return st, err
	}
	if st.channel, err = post.New(l.to, f.Saved); err != nil {
		return st, err
	}
	if st.key, err = post.Key(f.Home); err != nil {
		return st, fmt.Errorf("read the key of codes: %w", err)
	}
	if st.db, err = l.Control.open(ctx); err != nil {
		return st, err
	}
	if st.begun, err = st.db.Offset(ctx, replySource(l.to.Name)); err != nil {
		return st, err
	}
	if st.begun == 0 { // what is pressed from now on is read, also if the stream is away
		st.begun = f.Now().Unix()
		err = keepReply(ctx, st.db, l.to.Name, st.begun)
	}
	return st, err
}

// take carries out a reply and records that it was taken. It returns what the person is told; "" is nothing.
func (l *listener) take(ctx context.Context, st stream, r post.Reply) string {
	answer := l.Control.reply(ctx, st.db, l.to, st.key, r)
	if answer == "" && r.Time > st.begun && time.Since(l.told) > replyAsk {
		answer, l.told = "That request is over.", time.Now()
	}
	l.last = r.ID
	if err := keepReply(ctx, st.db, l.to.Name, r.Time); err != nil && ctx.Err() == nil {
		l.Log.Error("keep how far replies were read", "channel", l.to.Name, "err", err)
	}
	return answer
}

// tell tells the person by the channel what became of a reply.
func (l *listener) tell(ctx context.Context, st stream, r post.Reply, answer string) {
	if answer == "" {
		return
	}
	said := notify.Text{ID: "reply-" + r.ID, Kind: event.NoticeDigest, Title: "muster: " + answer, Text: answer}
	if err := st.channel.Send(ctx, said); err != nil && ctx.Err() == nil {
		l.Log.Warn("tell what became of an answer", "channel", l.to.Name, "err", err)
	}
}

// rest waits before the stream is opened again, longer after each failure, and as long as the server has asked for.
func (l *listener) rest(ctx context.Context, err error) {
	if err != nil {
		l.Log.Warn("take answers from a channel", "channel", l.to.Name, "err", err)
		l.pause = min(2*l.pause, replyLongest)
	}
	if r, ok := errors.AsType[*post.Refused](err); ok {
		l.pause = max(l.pause, min(r.After, time.Hour))
	}
	timer := time.NewTimer(l.pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// keepReply records that replies up to a time were taken.
func keepReply(ctx context.Context, db *store.Store, channel string, seconds int64) error {
	return db.Request(ctx, func(tx *store.Tx) error {
		tx.SetOffset(replySource(channel), seconds)
		return nil
	})
}

// reply carries out the answer of a code, and says what became of it; "" if no request that is open has such a code. A code that
// comes twice answers nothing the second time, since its request is closed.
func (c *Control) reply(ctx context.Context, db *store.Store, channel config.Channel, key []byte, r post.Reply) string {
	t, choice, ok := c.coded(ctx, db, channel, key, r.Code)
	if !ok {
		return ""
	}
	answer := Answer{Task: t.ID, Words: choice.Words, Request: t.Request.Request, Via: channel.Name}
	if a := t.Request.Ask; a != nil {
		answer.Hash = a.Hash
	}
	name := text.Line(string(t.ID)+" "+t.Spec.Name, 80)
	if _, err := c.Do(Through(ctx, event.FrontNtfy), answer); err != nil {
		return name + ": not answered: " + text.Line(err.Error(), 200)
	}
	return name + " is answered: " + choice.Label
}

// coded returns the task and the choice of a code.
func (c *Control) coded(ctx context.Context, db *store.Store, channel config.Channel, key []byte, code string) (t life.Task, choice notify.Choice, ok bool) {
	all, err := db.List(ctx, store.ListFilter{States: []event.State{event.Waiting, event.Parked}})
	if err != nil {
		return t, choice, false
	}
	for _, row := range all {
		if row.Request == nil {
			continue
		}
		t, err := db.Task(ctx, row.ID)
		if err != nil {
			continue
		}
		for _, choice := range notify.Choices(t, channel.Answer) {
			if subtle.ConstantTimeCompare([]byte(notify.Code(key, t, choice)), []byte(code)) == 1 {
				return t, choice, true
			}
		}
	}
	return t, choice, false
}
