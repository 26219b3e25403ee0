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
	text, err := s.cfg.Log.MessageText(ctx, t.ID, a.Message())
	if err != nil {
		return done(err)
	}
	m := Text{ID: a.Message(), Text: text}
	if doorOf(t, m.ID) == event.DoorMailbox {
		if pane, ok, err := s.pane(ctx, t.ID, t.Gen); err == nil && ok && !again {
			_, _ = s.closeMenu(ctx, t, pane) // a menu holds mail back, too; where it can't be closed the message waits
		}
		return done(s.cfg.Channel.Post(ctx, t, m))
	}
	if !again {
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

// typed reports whether a message was typed into the agent's pane before, and whether there is one to tell. Its intent alone
// does not tell, and what was not typed can be, without fear of doing it twice.
func (s *Supervisor) typed(ctx context.Context, t life.Task, id event.MessageID) (typed, known bool, err error) {
	pane, ok, err := s.pane(ctx, t.ID, t.Gen)
	return ok && strings.HasPrefix(strings.TrimLeft(pane.Pasted, "\n"), id.Tag()), ok, err
}

// doorOf returns the way by which a message of a task gets in.
func doorOf(t life.Task, id event.MessageID) event.Door {
	m, _ := t.Message(id)
	return t.Door(m)
}

const (
	// postureStep is how often an agent's posture is looked at while it should change.
	postureStep = 50 * time.Millisecond
	// menuPatience is how long a menu may take to close after its key.
	menuPatience = 5 * time.Second
	// showPatience is how long a paste may take until all of it stands in the agent's input: a busy machine needs seconds
	// for a long one, and an Enter before that sends a part of it.
	showPatience = 10 * time.Second
	// enterPatience is how long the agent may take to take its input after Enter, before Enter counts as lost.
	enterPatience = 3 * time.Second
)

// posture looks at a running agent right before a key is pressed; texts were pasted into it.
func (s *Supervisor) posture(ctx context.Context, t life.Task, pane Pane, texts []string) (Posture, error) {
	screen, err := s.cfg.Terminal.Styled(ctx, pane.ID)
	if err != nil {
		return PostureUnknown, err
	}
	return s.cfg.Channel.Posture(ctx, t, screen, texts)
}

// awaitPosture looks until the posture is another one than from, at most for the patience, and returns the last one.
func (s *Supervisor) awaitPosture(ctx context.Context, t life.Task, pane Pane, texts []string, patience time.Duration, from ...Posture) (Posture, error) {
	tick := time.NewTicker(postureStep)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; {
		posture, err := s.posture(ctx, t, pane, texts)
		if err != nil || posture == PostureUnknown || !slices.Contains(from, posture) || time.Now().After(deadline) {
			return posture, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return posture, ctx.Err()
		}
	}
}

// closeMenu closes the menu that a usage limit may have opened, which holds the keyboard until somebody closes it, and
// returns the posture afterwards. The key is pressed only while the menu is open, and nothing is typed before it is
// closed: pressed together with a message, the key would break off the turn that the message begins.
func (s *Supervisor) closeMenu(ctx context.Context, t life.Task, pane Pane) (Posture, error) {
	posture, err := s.posture(ctx, t, pane, nil)
	if err != nil || posture != PostureDialog || t.Agent.Error != event.ErrorRateLimit || !t.Agent.Turn.Over() {
		return posture, err
	}
	keys := s.cfg.Launcher.EndPolicy(t).InterruptKeys
	if len(keys) == 0 {
		return posture, nil
	}
	if err := s.cfg.Terminal.Keys(ctx, pane.ID, keys...); err != nil {
		return posture, err
	}
	return s.awaitPosture(ctx, t, pane, nil, menuPatience, PostureDialog)
}

// putBack reports whether what stands in the agent's input is a prompt that an interrupt has put back there, having taken
// it out of the conversation. It is told again together with the next message.
func putBack(t life.Task, posture Posture) bool {
	return posture == PostureStale || posture == PostureDraft && (t.Agent.Turn == life.TurnInterrupted || t.Stage == event.StageInterrupt)
}

// shut says why nothing is typed into an agent in a posture; "" if it may be.
func (p Posture) shut() string {
	switch p {
	case PostureBusy:
		return "the agent is busy"
	case PostureDialog:
		return "the agent has a dialog open"
	case PostureDraft, PostureStale, PostureTyped:
		return "something that was not sent stands in the agent's input"
	case PostureUnknown, PostureReady:
	}
	return ""
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
	posture, err := s.closeMenu(ctx, t, pane)
	if err != nil {
		return failed(life.FailAgain, err.Error())
	}
	texts := s.cfg.Channel.Typed(t, m)
	if putBack(t, posture) {
		texts[0] = "\n\n" + texts[0]
	} else if why := posture.shut(); why != "" {
		return failed(life.FailAgain, why)
	}
	err = s.cfg.Terminal.Paste(ctx, pane.ID, texts...)
	if errors.Is(err, ErrInMode) || errors.Is(err, ErrDead) || errors.Is(err, ErrNoPane) {
		return failed(life.FailAgain, err.Error())
	}
	if err != nil {
		return failed(life.FailUnknown, err.Error())
	}
	return s.enter(ctx, t, pane, texts)
}

// enter sends what was pasted: it presses Enter when all of it stands in the agent's input, and once more if it still
// stands there afterwards. A kind whose input can't be looked at gets one Enter after a pause.
func (s *Supervisor) enter(ctx context.Context, t life.Task, pane Pane, texts []string) result {
	pause := time.NewTimer(pasteSettle)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
	for range 2 {
		// An error of a look is no reason to leave the text there: without Enter it would be half sent.
		_, _ = s.awaitPosture(ctx, t, pane, texts, showPatience, PostureReady, PostureStale, PostureDraft)
		if err := s.cfg.Terminal.Keys(ctx, pane.ID, "Enter"); err != nil {
			return failed(life.FailUnknown, "the text was typed, but Enter was not: "+err.Error())
		}
		if after, err := s.awaitPosture(ctx, t, pane, texts, enterPatience, PostureTyped); err != nil || after != PostureTyped {
			break
		}
	}
	return result{}
}

// look finds out where a message is. For one that was typed and not taken, one further Enter follows: the text
// is there, and Enter is no second sending of it. One that was to be typed and never was waits again.
func (s *Supervisor) look(ctx context.Context, t life.Task, a event.Action) result {
	trace, err := s.cfg.Channel.Confirm(ctx, t, t.Gen, a.Message())
	if err != nil {
		return done(err)
	}
	switch {
	case trace == TraceArrived:
		return done(nil, event.MessageMoved{Message: a.Message(), To: event.MessageAcked, Evidence: "found in the conversation"})
	case trace == TraceWaiting:
		return result{}
	case doorOf(t, a.Message()) == event.DoorPaste && !slices.Contains(t.Agent.Carries, a.Message()):
		typed, known, err := s.typed(ctx, t, a.Message())
		switch {
		case err != nil:
			return done(err)
		case known && !typed:
			return done(nil, event.MessageMoved{Message: a.Message(), To: event.MessageWaiting, Evidence: "it was never typed"})
		}
	}
	if doorOf(t, a.Message()) == event.DoorPaste && s.firstLook(t, a.Message()) {
		return s.enterAgain(ctx, t, a.Message())
	}
	return failed(life.FailUnknown, "no sign of it in the conversation")
}

// enterAgain presses Enter for a message that was pasted and not taken, if it stands in the agent's input.
func (s *Supervisor) enterAgain(ctx context.Context, t life.Task, id event.MessageID) result {
	pane, ok, err := s.pane(ctx, t.ID, t.Gen)
	switch {
	case err != nil:
		return done(err)
	case !ok || pane.Dead || pane.InMode || !t.Agent.Turn.Over() || t.Request != nil:
		return result{}
	}
	text, err := s.cfg.Log.MessageText(ctx, t.ID, id)
	if err != nil {
		return done(err)
	}
	posture, err := s.posture(ctx, t, pane, s.cfg.Channel.Typed(t, Text{ID: id, Text: text}))
	if err != nil || posture != PostureTyped && posture != PostureUnknown {
		return done(err) // Enter would answer or send something else
	}
	return done(s.cfg.Terminal.Keys(ctx, pane.ID, "Enter"))
}

// firstLook reports whether this is the first look at a message, and notes that it was.
func (s *Supervisor) firstLook(t life.Task, id event.MessageID) bool {
	mark := filepath.Join(s.cfg.Home.GenDir(t.ID, t.Gen), "looked."+string(id))
	f, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// removeFiles removes the files of all generations of a task.
func removeFiles(h home.Dir, t life.Task) error {
	paths := []string{h.TaskDir(t.ID)}
	for gen := 1; gen <= max(1, t.Gen); gen++ { // the setup of a task without a generation uses the first one's
		paths = append(paths, h.GenDir(t.ID, gen), h.StatusFile(t.ID, gen))
	}
	for _, p := range paths {
		if err := os.RemoveAll(p); err != nil {
			return fmt.Errorf("remove files of %s: %w", t.ID, err)
		}
	}
	return nil
}
