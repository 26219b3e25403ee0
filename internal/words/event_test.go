package words

import (
	"testing"

	"muster/internal/event"
)

func TestEveryKindOfEventIsToldInWords(t *testing.T) {
	t.Parallel()
	for _, kind := range event.Kinds() {
		p, err := event.Decode(kind, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if got := Event(event.Event{Data: p}); got == "" {
			t.Errorf("%s: nothing is told", kind)
		}
	}
}

func TestWhatAnAgentWroteCannotLeaveItsLine(t *testing.T) {
	t.Parallel()
	got := Event(event.Event{Data: event.AgentReported{Record: event.Record{State: event.RecordWorking, Note: "a\x1b[2Jb\rc\u202ed"}}})
	if want := "the agent reported working: ab cd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
