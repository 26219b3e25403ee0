package prooftest

import (
	"database/sql"
	"errors"
	"testing"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/mail"
	"muster/internal/store"
)

// Intend records that an answer is to be passed on to a generation.
func Intend(t testing.TB, h home.Dir, task event.TaskID, gen int, a mail.Answer) {
	t.Helper()
	write(t, h, task, gen, event.ActionIntended{Action: event.Action{ID: "a1", Gen: gen, Args: event.AnswerArgs{
		Request: a.Request, Decision: event.Decision(a.Decision), Text: a.Text, Hash: a.Hash,
	}}})
}

// Send records that a message is on its way to a generation.
func Send(t testing.TB, h home.Dir, task event.TaskID, gen int, m mail.Message) {
	t.Helper()
	write(t, h, task, gen, event.MessageQueued{Message: m.ID, Text: m.Text, Why: event.WhyMessage},
		event.MessageMoved{Message: m.ID, To: event.MessageSending})
}

// Grant records that a person allows a request after its generation was gone.
func Grant(t testing.TB, h home.Dir, task event.TaskID, gen int, ask event.Ask) {
	t.Helper()
	write(t, h, task, gen, event.RequestOpened{Request: "q1", Reason: event.WaitPermission, Ask: &ask},
		event.TaskMoved{From: event.Queued, To: event.Parked},
		event.AnswerRequested{Request: "q1", Decision: event.Allow, Hash: ask.Hash})
}

// Acknowledge records that a message has arrived.
func Acknowledge(t testing.TB, h home.Dir, task event.TaskID, gen int, id event.MessageID) {
	t.Helper()
	write(t, h, task, gen, event.MessageMoved{Message: id, To: event.MessageAcked})
}

func write(t testing.TB, h home.Dir, task event.TaskID, gen int, payloads ...event.Payload) {
	t.Helper()
	s, err := store.Open(t.Context(), h.DB(), store.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	_, missing := s.Task(t.Context(), task)
	err = s.Request(t.Context(), func(tx *store.Tx) error {
		if missing != nil {
			if _, err := tx.Append(task, 0, event.DispatchRequested{}); err != nil {
				return err
			}
		}
		for _, p := range payloads {
			if _, err := tx.Append(task, gen, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}

// NewerFormat gives the log the number of a format that this program does not know.
func NewerFormat(t testing.TB, h home.Dir) {
	t.Helper()
	db, err := sql.Open("sqlite", h.DB())
	if err == nil {
		_, err = db.ExecContext(t.Context(), "PRAGMA user_version = 1000")
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if s, err := store.Open(t.Context(), h.DB(), store.Options{ReadOnly: true}); err == nil {
		t.Fatal("the log can still be opened", s.Close())
	}
}
