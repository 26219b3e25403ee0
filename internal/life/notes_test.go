package life

import (
	"fmt"
	"testing"
	"time"

	"muster/internal/event"
)

// note writes a note that differs from the one before.
func (w *world) note(i int) {
	w.do(Reported{Gen: w.task.Gen, Source: "status", Record: event.Record{State: event.RecordWorking, Time: w.now, Note: fmt.Sprintf("step %d", i)}})
}

// logged counts the accepted and the refused records in the log.
func (w *world) logged() (notes, refused int) {
	for _, e := range w.log {
		switch p := e.Data.(type) {
		case event.AgentReported:
			if p.Record.Note != "" {
				notes++
			}
		case event.RecordRefused:
			refused++
		}
	}
	return notes, refused
}

func TestNotes_InALoopDoNotFillTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	for i := range 10 * mostNotes {
		w.note(i)
	}
	if notes, refused := w.logged(); notes != mostNotes || refused != 1 {
		t.Errorf("%d notes and %d refusals are in the log, want %d and 1", notes, refused, mostNotes)
	}
	w.advance(notesTime)
	for i := range 10 * mostNotes {
		w.note(1000 + i)
	}
	if notes, refused := w.logged(); notes != 2*mostNotes || refused != 2 {
		t.Errorf("a minute later %d notes and %d refusals are in the log, want %d and 2", notes, refused, 2*mostNotes)
	}
	w.endTurn() // what changes the state always counts
}

func TestNotes_ThatAPersonCanReadAreAllLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	for i := range 5 * mostNotes {
		w.note(i)
		w.advance(2 * time.Second)
	}
	if notes, refused := w.logged(); notes != 5*mostNotes || refused != 0 {
		t.Errorf("%d notes and %d refusals are in the log", notes, refused)
	}
}
