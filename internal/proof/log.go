package proof

import (
	"context"
	"time"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/mail"
	"muster/internal/store"
)

// patience bounds one look into the log. The agent's side waits for it.
const patience = 20 * time.Second

// Log asks the log about one generation. It implements mail.Log.
type Log struct {
	Home home.Dir
	Task event.TaskID
	Gen  int
}

// Box returns the mailbox of a generation as the agent's side uses it: with what the log has, and nothing else.
func Box(h home.Dir, task event.TaskID, gen int) mail.Box {
	box := mail.Of(h.Gen(task, gen))
	box.Log = Log{Home: h, Task: task, Gen: gen}
	return box
}

// Answered implements mail.Log. The log has an answer from the moment at which a person's decision is to be passed on. It
// must be for the same request, generation and text, and decide the same.
func (l Log) Answered(a mail.Answer) bool {
	old := l.files().Shared && a.Gen == 0 // of a supervisor that did not name the generation
	return (a.Gen == l.Gen || old) && l.ask(func(ctx context.Context, s *store.Store) (bool, error) {
		for e, err := range s.Events(ctx, store.EventFilter{Task: l.Task, Kinds: []event.Kind{event.ActionIntended{}.Kind()}}) {
			if err != nil {
				return false, err
			}
			p, _ := e.Data.(event.ActionIntended)
			args, ok := p.Action.Args.(event.AnswerArgs)
			if ok && p.Action.Gen == l.Gen && args.Request == a.Request && string(args.Decision) == a.Decision && args.Text == a.Text && args.Hash == a.Hash {
				return true, nil
			}
		}
		return false, nil
	})
}

// Sent implements mail.Log. A message that has arrived is not sent again.
func (l Log) Sent(m mail.Message) bool {
	return l.ask(func(ctx context.Context, s *store.Store) (bool, error) {
		var text string
		var state event.MessageState
		for e, err := range s.Events(ctx, store.EventFilter{Task: l.Task, Kinds: []event.Kind{
			event.SendRequested{}.Kind(), event.MessageQueued{}.Kind(), event.MessageMoved{}.Kind(),
		}}) {
			if err != nil {
				return false, err
			}
			switch p := e.Data.(type) {
			case event.SendRequested:
				if p.Message == m.ID {
					text = p.Text
				}
			case event.MessageQueued:
				if p.Message == m.ID {
					text = p.Text
				}
			case event.MessageMoved:
				if p.Message == m.ID {
					state = p.To
				}
			}
		}
		return text == m.Text && state == event.MessageSending, nil
	})
}

// Granted reports whether a person has allowed the request with this hash after the generation that asked was gone.
func (l Log) Granted(hash string) bool {
	return hash != "" && l.ask(func(ctx context.Context, s *store.Store) (bool, error) {
		var t life.Task
		for e, err := range s.Events(ctx, store.EventFilter{Task: l.Task}) {
			if err != nil {
				return false, err
			}
			t = life.Apply(t, e)
		}
		return t.Granted == hash, nil
	})
}

func (l Log) files() home.Gen { return l.Home.Gen(l.Task, l.Gen) }

// ask asks the log. If it cannot be read, the answer is yes only where a fence is the cause: the directory is the proof
// then, because nothing inside of the fence can write it.
func (l Log) ask(has func(context.Context, *store.Store) (bool, error)) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := store.OpenLog(l.Home.DB())
	if err != nil {
		return l.fenced()
	}
	defer s.Close() //nolint:errcheck // only read
	ok, err := has(ctx, s)
	if err != nil {
		return l.fenced()
	}
	return ok
}
