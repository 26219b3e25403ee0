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

// pasteSettle is the pause between a paste and its Enter. Without it Enter arrives in the same read and becomes part
// of the text. With 0.15 s none was lost in 80 of 80 attempts (measured with Claude Code in tmux 3.3a).
const pasteSettle = 150 * time.Millisecond

// deliver delivers one message to a running agent by the delivery channel of its kind.
func (s *Supervisor) deliver(ctx context.Context, t life.Task, a event.Action, again bool) result {
	text, err := s.cfg.Log.MessageText(ctx, t.ID, a.Message())
	if err != nil {
		return done(err)
	}
	m := Text{ID: a.Message(), Text: text}
	if doorOf(t, m.ID) == event.DoorMailbox {
		if pane, ok, err := s.pane(ctx, t.ID, t.Gen); err == nil && ok && !again {
			_, _ = s.closeMenu(ctx, t, pane) // a menu holds back mail, too; if it can't be closed the message waits
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
		r = s.look(ctx, t, a) // confirm first: a message must not be sent twice
	}
	if r.failure != nil && r.failure.Kind == life.FailAgain {
		return result{} // the check failed: the message counts as sent and is confirmed later
	}
	return r
}

// typed reports whether a message was typed into the agent's pane before. known is false if there is no pane. The
// intent alone does not show it. A message that was not typed can be typed without doing it twice.
func (s *Supervisor) typed(ctx context.Context, t life.Task, id event.MessageID) (typed, known bool, err error) {
	pane, ok, err := s.pane(ctx, t.ID, t.Gen)
	return ok && strings.HasPrefix(strings.TrimLeft(pane.Pasted, "\n"), id.Tag()), ok, err
}

// doorOf returns the delivery channel of a message.
func doorOf(t life.Task, id event.MessageID) event.Door {
	m, _ := t.Message(id)
	return t.Door(m)
}

const (
	// postureStep is the pause between two checks of an agent's posture.
	postureStep = 50 * time.Millisecond
	// menuPatience is how long a menu may take to close after its key.
	menuPatience = 5 * time.Second
	// showPatience is how long a paste may take to appear in the agent's input completely. A busy machine needs
	// seconds for a long one, and an earlier Enter would send a part of it.
	showPatience = 10 * time.Second
	// enterPatience is how long the agent may take to accept its input after Enter, before Enter counts as lost.
	enterPatience = 3 * time.Second
)

// posture returns the posture of a running agent right before a key is pressed. texts were pasted into it.
func (s *Supervisor) posture(ctx context.Context, t life.Task, pane Pane, texts []string) (Posture, error) {
	screen, err := s.cfg.Terminal.Styled(ctx, pane.ID)
	if err != nil {
		return PostureUnknown, err
	}
	return s.cfg.Channel.Posture(ctx, t, screen, texts)
}

// awaitPosture waits until the posture differs from all of from, at most for patience, and returns the last one.
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

// closeMenu closes the menu that a usage limit may have opened, which takes all keys, and returns the posture
// afterwards. The key is pressed only while the menu is open, and nothing is typed before it is closed: pressed
// together with a message, the key would interrupt the turn that the message starts.
func (s *Supervisor) closeMenu(ctx context.Context, t life.Task, pane Pane) (Posture, error) {
	posture, err := s.posture(ctx, t, pane, nil)
	if err != nil || posture != PostureDialog || t.Agent.Error != event.ErrorRateLimit || !t.Agent.Turn.Over() {
		return posture, err
	}
	keys := s.cfg.Launcher.EndPolicy(t).MenuKeys
	if len(keys) == 0 {
		return posture, nil
	}
	if err := s.cfg.Terminal.Keys(ctx, pane.ID, keys...); err != nil {
		return posture, err
	}
	return s.awaitPosture(ctx, t, pane, nil, menuPatience, PostureDialog)
}

// putBack reports whether the text in the agent's input is a prompt that an interrupt put back there and removed from
// the conversation. It is sent again together with the next message.
func putBack(t life.Task, posture Posture) bool {
	return posture == PostureStale || posture == PostureDraft && t.Agent.Turn == life.TurnInterrupted
}

// apart reports whether a pasted text must begin a line of its own, because its tag counts only there: after a prompt that was
// put back, and after an interrupt, where the agent may put it back between this look and the paste.
func apart(t life.Task, posture Posture) bool {
	return putBack(t, posture) || posture == PostureReady && t.Agent.Turn == life.TurnInterrupted
}

// shut returns why nothing may be typed into an agent with this posture; "" if it may.
func (p Posture) shut() string {
	switch p {
	case PostureBusy:
		return "the agent is busy"
	case PostureDialog:
		return "the agent has a dialog open"
	case PostureDraft, PostureStale, PostureTyped:
		return "the agent's input has text that was not sent"
	case PostureUnknown, PostureReady:
	}
	return ""
}

// paste types a message into a pane that is verified to have the right, idle agent.
func (s *Supervisor) paste(ctx context.Context, t life.Task, m Text) result {
	pane, ok, err := s.pane(ctx, t.ID, t.Gen)
	switch {
	case err != nil:
		return done(err)
	case !ok || pane.Dead || pane.PID != t.Agent.Process.PID:
		return failed(life.FailAgain, "the agent's pane is gone")
	case pane.InMode:
		return failed(life.FailShut, "the agent's pane is in copy mode")
	}
	posture, err := s.closeMenu(ctx, t, pane)
	if err != nil {
		return failed(life.FailAgain, err.Error())
	}
	texts := s.cfg.Channel.Typed(t, m)
	if apart(t, posture) {
		texts[0] = "\n\n" + texts[0]
	} else if why := posture.shut(); why != "" {
		if posture == PostureBusy {
			return failed(life.FailAgain, why)
		}
		return failed(life.FailShut, why)
	}
	err = s.cfg.Terminal.Paste(ctx, pane.ID, texts...)
	if errors.Is(err, ErrInMode) {
		return failed(life.FailShut, err.Error())
	}
	if errors.Is(err, ErrDead) || errors.Is(err, ErrNoPane) {
		return failed(life.FailAgain, err.Error())
	}
	if err != nil {
		return failed(life.FailUnknown, err.Error())
	}
	return s.enter(ctx, t, pane, texts)
}

// enter sends the pasted texts. It presses Enter when the agent's input has all of them, and once more if they are
// still there afterwards. If the input can't be read, it presses Enter once after a pause.
func (s *Supervisor) enter(ctx context.Context, t life.Task, pane Pane, texts []string) result {
	pause := time.NewTimer(pasteSettle)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
	for range 2 {
		// Press Enter even after an error: otherwise the text would stay there half sent. Codex CLI 0.171 sometimes shows the first of two
		// pastes only, until a key comes, and has both.
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

// look confirms the delivery of a message. A message that was typed and not accepted gets another Enter, which does
// not send it twice because its text is still there. A message that was never typed waits again.
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

// enterAgain presses Enter for a message that was pasted and not accepted, if it is in the agent's input.
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
		return done(err) // Enter would answer a dialog or send another text
	}
	return done(s.cfg.Terminal.Keys(ctx, pane.ID, "Enter"))
}

// firstLook reports whether this is the first check for a message, and records that.
func (s *Supervisor) firstLook(t life.Task, id event.MessageID) bool {
	mark := filepath.Join(s.cfg.Home.Gen(t.ID, t.Gen).Dir, "looked."+string(id))
	f, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// removeFiles removes the files of all generations of a task.
func removeFiles(h home.Dir, t life.Task) error {
	paths := []string{h.TaskDir(t.ID), h.TaskJobsDir(t.ID), h.TaskCache(t.ID)}
	for gen := 1; gen <= max(1, t.Gen); gen++ { // the setup of a task without a generation uses the first one's
		paths = append(paths, h.NewGen(t.ID, gen).Dir, h.OldGenDir(t.ID, gen), h.StatusFile(t.ID, gen))
	}
	for _, p := range paths {
		if err := home.RemoveTree(p); err != nil {
			return fmt.Errorf("remove files of %s: %w", t.ID, err)
		}
	}
	return removeTemp(h, t)
}

// removeTemp removes the temporary files of a fenced task, and the directory above them after the last task.
func removeTemp(h home.Dir, t life.Task) error {
	dir := h.TempDir(t.ID)
	if err := home.RemoveTree(dir); err != nil {
		return fmt.Errorf("remove temporary files of %s: %w", t.ID, err)
	}
	_ = os.Remove(filepath.Dir(dir)) // it fails while another task has files there
	return nil
}
