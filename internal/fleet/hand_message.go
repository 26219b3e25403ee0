package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/life"
)

// pasteSettle is the pause between a paste and its Enter. Without it Enter arrives in the same read and becomes
// part of the text; from 0.15 s on none was lost in 80 of 80 (measured with Claude Code in tmux 3.3a).
const pasteSettle = 150 * time.Millisecond

// deliver brings one message to a running agent by the best door its kind has.
func (s *Supervisor) deliver(ctx context.Context, t life.Task, a event.Action, again bool) result {
	text, err := s.Log.MessageText(ctx, t.ID, a.Message())
	if err != nil {
		return done(err)
	}
	m := Text{ID: a.Message(), Text: text}
	if t.Spec.Traits.Door == event.DoorMailbox {
		if !again {
			s.closeMenu(ctx, t, a.Message())
		}
		return done(s.Channel.Post(ctx, t, m))
	}
	if !again || planted("double a message") {
		return s.paste(ctx, t, m)
	}
	r := result{}
	typed, _, err := s.typed(ctx, t, a.Message())
	switch {
	case err != nil:
		r = done(err)
	case !typed:
		return s.paste(ctx, t, m)
	default:
		r = s.look(ctx, t, a) // never send blindly
	}
	if r.failure != nil && r.failure.Kind == life.FailAgain {
		return result{} // a look that failed says nothing: it counts as sent, and is looked for again
	}
	return r
}

// typed tells whether a message was typed into the agent's pane before, and whether there is one to tell. Its intent alone
// does not tell, and what was not typed can be, without fear of doing it twice.
func (s *Supervisor) typed(ctx context.Context, t life.Task, id event.MessageID) (typed, known bool, err error) {
	pane, ok, err := s.pane(ctx, t.ID, t.Gen)
	return ok && strings.HasPrefix(pane.Pasted, id.Tag()), ok, err
}

// closeMenu presses the interrupt key once before an agent is woken after a usage limit: such an agent may sit in
// a menu that holds back its mail until somebody closes it. An agent without a menu is idle, and one such key does
// nothing to it.
func (s *Supervisor) closeMenu(ctx context.Context, t life.Task, id event.MessageID) {
	m, ok := t.Message(id)
	keys := s.Launcher.EndPolicy(t).InterruptKeys
	if !ok || m.Why != event.WhyAPI || t.Agent.Error != event.ErrorRateLimit || !t.Agent.Turn.Over() || len(keys) == 0 {
		return
	}
	if err := s.Terminal.Keys(ctx, t.Agent.Pane, keys...); err != nil {
		s.Logger.Warn("close a menu", "task", t.ID, "err", err)
	}
}

// paste types a message into a pane that is proven to hold the right, idle agent.
func (s *Supervisor) paste(ctx context.Context, t life.Task, m Text) result {
	pane, ok, err := s.pane(ctx, t.ID, t.Gen)
	switch {
	case err != nil:
		return done(err)
	case !ok || pane.Dead || pane.PID != t.Agent.Process.PID:
		return failed(life.FailAgain, "the agent's pane is gone")
	case pane.InMode:
		return failed(life.FailAgain, "the agent's pane is in copy mode")
	}
	err = s.Terminal.Paste(ctx, pane.ID, m.ID.Tag()+" "+m.Text)
	if errors.Is(err, ErrInMode) || errors.Is(err, ErrDead) || errors.Is(err, ErrNoPane) {
		return failed(life.FailAgain, err.Error())
	}
	if err != nil {
		return failed(life.FailUnknown, err.Error())
	}
	pause := time.NewTimer(pasteSettle)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
	if err := s.Terminal.Keys(ctx, pane.ID, "Enter"); err != nil {
		return failed(life.FailUnknown, "the text was typed, but Enter was not: "+err.Error())
	}
	return result{}
}

// look finds out where a message is. For one that was typed and not taken, one further Enter follows: the text
// is there, and Enter is no second sending of it. One that was to be typed and never was waits again.
func (s *Supervisor) look(ctx context.Context, t life.Task, a event.Action) result {
	trace, err := s.Channel.Confirm(ctx, t, t.Gen, a.Message())
	if err != nil {
		return done(err)
	}
	switch {
	case trace == TraceArrived:
		return done(nil, event.MessageMoved{Message: a.Message(), To: event.MessageAcked, Evidence: "found in the conversation"})
	case trace == TraceWaiting:
		return result{}
	case t.Spec.Traits.Door == event.DoorPaste && !slices.Contains(t.Agent.Carries, a.Message()):
		typed, known, err := s.typed(ctx, t, a.Message())
		switch {
		case err != nil:
			return done(err)
		case known && !typed:
			return done(nil, event.MessageMoved{Message: a.Message(), To: event.MessageWaiting, Evidence: "it was never typed"})
		}
	}
	if t.Spec.Traits.Door == event.DoorPaste && s.firstLook(t, a.Message()) {
		return s.enterAgain(ctx, t)
	}
	return failed(life.FailUnknown, "no sign of it in the conversation")
}

func (s *Supervisor) enterAgain(ctx context.Context, t life.Task) result {
	pane, ok, err := s.pane(ctx, t.ID, t.Gen)
	switch {
	case err != nil:
		return done(err)
	case !ok || pane.Dead || pane.InMode || !t.Agent.Turn.Over() || t.Request != nil:
		return result{}
	}
	return done(s.Terminal.Keys(ctx, pane.ID, "Enter"))
}

// firstLook tells whether this is the first look at a message, and notes that it was.
func (s *Supervisor) firstLook(t life.Task, id event.MessageID) bool {
	mark := filepath.Join(s.Home.GenDir(t.ID, t.Gen), "looked."+string(id))
	f, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// removeFiles removes the files of all generations of a task.
func removeFiles(h home.Dir, t life.Task) error {
	paths := []string{h.TaskDir(t.ID)}
	for gen := 1; gen <= t.Gen; gen++ {
		paths = append(paths, h.GenDir(t.ID, gen), h.StatusFile(t.ID, gen))
	}
	for _, p := range paths {
		if err := os.RemoveAll(p); err != nil {
			return fmt.Errorf("remove files of %s: %w", t.ID, err)
		}
	}
	return nil
}
