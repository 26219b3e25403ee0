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
	// replyAsk is how often a press that answers nothing is told, at most: whoever knows the topic can write to it.
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
	pause, last, told := replyPause, "", time.Time{}
	for ctx.Err() == nil {
		err := func() error {
			f, err := s.Control.fleet()
			if err != nil {
				return err
			}
			channel, err := post.New(c, f.Saved)
			if err != nil {
				return err
			}
			key, err := post.Key(f.Home)
			if err != nil {
				return fmt.Errorf("read the key of codes: %w", err)
			}
			db, err := s.Control.open(ctx)
			if err != nil {
				return err
			}
			begun, err := db.Offset(ctx, replySource(c.Name))
			if err != nil {
				return err
			}
			if begun == 0 { // what is pressed from now on is read, also if the stream is away
				begun = f.Now().Unix()
				if err := keepReply(ctx, db, c.Name, begun); err != nil {
					return err
				}
			}
			since := cmp.Or(last, strconv.FormatInt(begun, 10))
			return channel.Listen(ctx, key, since, func(r post.Reply) {
				pause = replyPause
				answer := s.Control.reply(ctx, db, c, key, r)
				if answer == "" && r.Time > begun && time.Since(told) > replyAsk {
					answer, told = "That request is over.", time.Now()
				}
				last = r.ID
				if err := keepReply(ctx, db, c.Name, r.Time); err != nil && ctx.Err() == nil {
					s.Log.Error("keep how far replies were read", "channel", c.Name, "err", err)
				}
				if answer == "" {
					return
				}
				said := notify.Text{ID: "reply-" + r.ID, Kind: event.NoticeDigest, Title: "muster: " + answer, Text: answer}
				if err := channel.Send(ctx, said); err != nil && ctx.Err() == nil {
					s.Log.Warn("tell what became of an answer", "channel", c.Name, "err", err)
				}
			})
		}()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.Log.Warn("take answers from a channel", "channel", c.Name, "err", err)
			pause = min(2*pause, replyLongest)
		}
		if r, ok := errors.AsType[*post.Refused](err); ok {
			pause = max(pause, min(r.After, time.Hour))
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
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
	if _, err := c.Do(ctx, answer); err != nil {
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
