package life

import (
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

// tell sends a message of a person and returns its id.
func (w *world) tell() event.MessageID {
	w.t.Helper()
	id := event.NewMessageID(w.task.LastMessage + 1)
	w.write(event.SendRequested{Message: id, Text: "also do this"})
	return id
}

func TestMessageWhereverATaskStands(t *testing.T) {
	t.Parallel()
	eachStage(t, func(t *testing.T, w *world, from event.State) {
		id := w.tell()
		m, _ := w.task.Message(id)
		switch {
		case (from == event.Working || from == event.Waiting || from == event.Stalled) && len(w.task.Messages) == 1:
			// The agent's mailbox is open at any time.
			if m.State != event.MessageSending || w.open(event.ActDeliver).Message() != id {
				t.Errorf("message is %s", m.State)
			}
		case m.State != event.MessageWaiting:
			t.Errorf("message is %s, want it to wait", m.State)
		case from == event.Parked:
			w.want(event.Queued, event.Reason(event.WhyMessage)).granted()
			w.finish(event.ActPrepare, readyFact())
			if a := argsOf[event.StartArgs](w); !slices.Contains(a.Messages, id) || !a.Resume {
				t.Errorf("started by %+v, want message %s in the same conversation", a, id)
			}
		}
	})
}

func TestMessageBeforeTheFirstStartGoesWithThePrompt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.tell()
	w.prepare()
	if a := argsOf[event.StartArgs](w); !slices.Equal(a.Messages, []event.MessageID{id}) {
		t.Errorf("the first prompt carries %v, want %s", a.Messages, id)
	}
	w.wantMessage(id, event.MessageSending).launch().prompted()
	w.wantMessage(id, event.MessageAcked)
}

func TestMessagesOfAFirstPromptThatNobodyAcknowledgesAreLookedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.tell(), w.tell()
	w.prepare().launch().says(event.RecordWorking)
	w.advance(ackWait)
	if a := w.open(event.ActConfirm); a.Message() != first {
		t.Errorf("looks for %s, want %s", a.Message(), first)
	}
	w.finish(event.ActConfirm, event.MessageMoved{Message: first, To: event.MessageAcked})
	w.advance(ackWait)
	if a := w.open(event.ActConfirm); a.Message() != second {
		t.Errorf("looks for %s, want %s", a.Message(), second)
	}
	w.fail(event.ActConfirm, FailUnknown)
	w.wantMessage(first, event.MessageAcked).wantMessage(second, event.MessageUnknown)
	w.endTurn()
}

func TestOneMessageAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	first, second := w.tell(), w.tell()
	w.wantOpen(event.ActDeliver).wantMessage(first, event.MessageSending).wantMessage(second, event.MessageWaiting)
	w.finish(event.ActDeliver)
	w.wantOpen().wantMessage(second, event.MessageWaiting)
	w.report(event.Record{State: event.RecordWorking, Message: first})
	w.wantOpen(event.ActDeliver).wantMessage(first, event.MessageAcked).wantMessage(second, event.MessageSending)
}

func TestSentIsNotArrived(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	id := w.tell()
	w.finish(event.ActDeliver)
	w.says(event.RecordIdle)
	w.want(event.Working, "").wantMessage(id, event.MessageSending) // nothing is judged before the delivery is known
	for range 3 {
		w.advance(ackWait)
		w.finish(event.ActConfirm)
		w.wantMessage(id, event.MessageSending)
	}
	if n := w.count(event.ActDeliver); n != 1 {
		t.Errorf("delivered %d times, want once", n)
	}
	w.report(event.Record{Message: id})
	w.wantMessage(id, event.MessageAcked).want(event.Checking, "")
}

func TestUnknownMessageIsNotSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	id := w.tell()
	w.fail(event.ActDeliver, FailUnknown)
	w.wantMessage(id, event.MessageUnknown).advance(time.Hour)
	if n := w.count(event.ActDeliver); n != 1 {
		t.Errorf("delivered %d times, want once", n)
	}
	w.report(event.Record{State: event.RecordWorking, Message: id}) // it shows late that the message had arrived
	w.wantMessage(id, event.MessageAcked)
}

func TestRefusedMessageHasFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	id := w.tell()
	w.fail(event.ActDeliver, FailRefused)
	w.wantMessage(id, event.MessageFailed).endTurn()
}

func TestMessageThatProvablyNeverArrivedIsSentOnceMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	id := w.tell()
	w.finish(event.ActDeliver)
	w.advance(ackWait)
	w.finish(event.ActConfirm, event.MessageMoved{Message: id, To: event.MessageWaiting, Evidence: "dequeued by nobody"})
	w.wantOpen(event.ActDeliver).wantMessage(id, event.MessageSending)
}

func TestMessageOfADeadAgentGoesWithTheNextPrompt(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	id := w.tell()
	w.finish(event.ActDeliver)
	w.crash()
	if a := argsOf[event.StartArgs](w); !slices.Equal(a.Messages, []event.MessageID{id}) {
		t.Errorf("the prompt carries %v, want %s", a.Messages, id)
	}
}

func TestAnOldDeliveryThatEndsLateTakesNothingBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	id := w.tell()
	w.wantOpen(event.ActDeliver)
	w.exit(event.CauseOwn, 1)
	if a := argsOf[event.StartArgs](w); !slices.Contains(a.Messages, id) {
		t.Fatalf("the next first prompt carries %v, want %s", a.Messages, id)
	}
	w.finish(event.ActDeliver, event.MessageMoved{Message: id, To: event.MessageWaiting})
	w.wantMessage(id, event.MessageSending)
	w.launch().prompted()
	w.wantMessage(id, event.MessageAcked)
}

func TestPasteWaitsForAnIdleAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(pasted)).work()
	id := w.tell()
	w.wantOpen().wantMessage(id, event.MessageWaiting)
	w.asks("r1")
	w.wantOpen() // a key would answer the dialog
	w.says(event.RecordIdle)
	w.want(event.Working, "").wantOpen(event.ActDeliver)
	w.fail(event.ActDeliver, FailAgain) // the pane was in copy mode, or had a draft
	w.wantOpen().wantMessage(id, event.MessageWaiting).advance(redeliverPause)
	w.wantOpen(event.ActDeliver)
	w.take().endTurn()
}

func TestMessageDuringChecksComesBeforeTheirVerdict(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	id := w.tell()
	w.wantOpen(event.ActCheck).finish(event.ActCheck, green("x"))
	w.want(event.Working, "").wantOpen(event.ActDeliver).wantMessage(id, event.MessageSending)
	if w.task.Rounds.Spent != 0 {
		t.Errorf("%d rounds spent on a verdict that does not count", w.task.Rounds.Spent)
	}
	w.take().endTurn()
}

func TestMessageToALimitedAgentWaitsForItsSlot(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.errs(event.ErrorOverloaded)
	id := w.tell()
	w.wantOpen().advance(time.Minute)
	w.granted()
	w.wantOpen(event.ActDeliver).wantMessage(id, event.MessageSending)
	if n := len(w.task.Messages); n != 1 {
		t.Errorf("%d messages, want no word to go on beside the person's", n)
	}
}

func TestTheSameMessageTwiceIsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(event.SendRequested{Message: "m1", Text: "hello"})
	w.write(event.SendRequested{Message: "m1", Text: "hello"})
	if n := len(w.task.Messages); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

func TestATagOfAMessageThatWasNeverSentAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(pasted)).work()
	id := w.tell()
	w.report(event.Record{State: event.RecordWorking, Prompted: true, Message: id, Src: "hook"})
	w.wantMessage(id, event.MessageWaiting)
	w.says(event.RecordIdle)
	w.wantMessage(id, event.MessageSending).finish(event.ActDeliver)
	w.report(event.Record{State: event.RecordWorking, Prompted: true, Message: id, Src: "hook"})
	w.wantMessage(id, event.MessageAcked)
}

func TestAPastedMessageWaitsForTheEndOfTheTurnAndANudgeDoesNot(t *testing.T) {
	t.Parallel()
	aside := pasted
	aside.Aside = true
	w := newWorld(t, traits(aside)).work()
	nudge := event.NewMessageID(w.task.LastMessage + 1)
	w.write(event.MessageQueued{Message: nudge, Text: "are you there?", Why: event.WhyNudge})
	w.do(Due{Name: event.DeadlineAck})
	w.wantMessage(nudge, event.MessageSending).finish(event.ActDeliver)
	w.report(event.Record{State: event.RecordWorking, Message: nudge})
	w.wantMessage(nudge, event.MessageAcked)
	id := w.tell()
	w.wantMessage(id, event.MessageWaiting)
	w.report(event.Record{State: event.RecordWorking, Background: true, Src: "statusfile"})
	w.wantMessage(id, event.MessageSending) // its turn is over, even if something runs in the background
}

func TestSettledMessagesAreForgottenAndOpenOnesAreNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	for range keptMessages + 10 {
		id := w.tell()
		w.finish(event.ActDeliver)
		w.report(event.Record{State: event.RecordWorking, Message: id})
	}
	w.tell()
	open := w.tell()
	if n := len(w.task.Messages); n > keptMessages+2 {
		t.Errorf("%d messages remembered", n)
	}
	w.wantMessage(open, event.MessageWaiting)
	if _, ok := w.task.Message("m1"); ok {
		t.Error("the oldest settled message is still there")
	}
}

func TestCommandGetsFeedbackAsANewGeneration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(command)).prepare().launch()
	w.want(event.Working, "").endTurn().finish(event.ActCheck, red("x", "boom"))
	w.want(event.Starting, event.Reason(event.WhyFeedback)).wantGen(2, 1)
	if a := argsOf[event.StartArgs](w); a.Resume || !slices.Equal(a.Messages, []event.MessageID{"m1"}) {
		t.Errorf("started by %+v, want the feedback in a fresh prompt", a)
	}
	if text := w.text("m1"); !strings.Contains(text, "boom") {
		t.Errorf("feedback does not say what went wrong: %s", text)
	}
	w.launch().wantMessage("m1", event.MessageAcked).endTurn().finish(event.ActCheck, green("y"))
	w.want(event.Publishing, "")
}

func TestCommandThatCrashesIsToldAllOfItAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(command)).prepare().launch()
	told := w.tell()
	w.wantOpen().exit(event.CauseOwn, 0) // no message can reach it while it runs
	w.wantGen(2, 1).launch().endTurn().finish(event.ActCheck, red("x", "boom"))
	feedback := w.last(event.ActStart).Args.(event.StartArgs).Messages
	w.launch().crash()
	if a := argsOf[event.StartArgs](w); !slices.Equal(a.Messages, feedback) || !slices.Contains(a.Messages, told) {
		t.Errorf("the prompt carries %v, want %v", a.Messages, feedback)
	}
	w.wantGen(4, 2).launch().endTurn().finish(event.ActCheck, red("y", "bang"))
	if a := argsOf[event.StartArgs](w); !slices.Equal(a.Messages, []event.MessageID{told, "m3"}) {
		t.Errorf("the prompt carries %v, want the person's word and the newest feedback", a.Messages)
	}
}

func TestQuickCommandHasTakenItsFeedback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(command)).prepare().launch()
	w.endTurn().finish(event.ActCheck, red("x", "boom"))
	w.says(event.RecordWorking) // before the outcome of its start
	w.launch().wantMessage("m1", event.MessageAcked).endTurn()
}

func TestSighting_SaysWhereAMessageIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sight Sighting
		want  Whereabouts
	}{
		{Sighting{Acknowledged: true, InMailbox: true}, Arrived},
		{Sighting{Enqueued: true, Newest: true}, InAgent},
		{Sighting{Enqueued: true}, Nowhere},
		{Sighting{Enqueued: true, InMailbox: true}, InMailbox},
		{Sighting{InMailbox: true, Absent: true, Newest: true}, InMailbox},
		{Sighting{Absent: true, Newest: true}, Dropped},
		{Sighting{Absent: true}, Nowhere},
		{Sighting{Newest: true}, Nowhere},
	} {
		if got := c.sight.Whereabouts(); got != c.want {
			t.Errorf("%+v is %s, want %s", c.sight, got, c.want)
		}
	}
}

func TestIdleCommandThatGoesOnRunningIsStartedAgainWithItsFeedback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(command)).prepare().launch()
	w.says(event.RecordWorking)
	w.says(event.RecordIdle)
	w.finish(event.ActCheck, red("x", "no"))
	w.wantMessage("m1", event.MessageWaiting).wantOpen()
	w.advance(settlePause)
	w.wantOpen(event.ActEnd).finish(event.ActEnd)
	if a := argsOf[event.StartArgs](w); !slices.Equal(a.Messages, []event.MessageID{"m1"}) {
		t.Errorf("the next generation is started with %v, want m1", a.Messages)
	}
	w.wantGen(2, 1)
}

func TestIdleCommandThatExitsByItselfIsNotEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(command)).prepare().launch()
	w.says(event.RecordIdle)
	w.finish(event.ActCheck, red("x", "no"))
	w.exit(event.CauseOwn, 0)
	w.wantOpen(event.ActStart).wantGen(2, 1)
	w.advance(settlePause)
	w.wantOpen(event.ActStart).wantGen(2, 1)
}

func TestInputThatStaysInUseIsLeftAfterAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(pasted)).prepare().launch()
	w.prompted()
	w.says(event.RecordIdle)
	w.finish(event.ActCheck, red("x", "no"))
	began, tries := w.now, 0
	for w.task.Gen == 1 && w.now.Sub(began) < time.Hour {
		if _, open := w.task.Action(event.ActDeliver); open {
			tries++
			w.fail(event.ActDeliver, FailShut)
		} else if _, open := w.task.Action(event.ActEnd); open {
			w.finish(event.ActEnd)
		} else {
			w.advance(time.Second)
		}
	}
	if took := w.now.Sub(began); took < shutLimit || took > shutLimit+maxRedeliverPause || tries > 40 {
		t.Errorf("the agent was started again after %s and %d tries, want about %s", took, tries, shutLimit)
	}
	w.wantOpen(event.ActStart).wantGen(2, 1)
	if a := argsOf[event.StartArgs](w); !a.Resume || !slices.Equal(a.Messages, []event.MessageID{"m1"}) {
		t.Errorf("started by %+v, want m1 in the same conversation", a)
	}
}

func TestInputThatIsFreeAgainGetsTheMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(pasted)).prepare().launch()
	w.prompted()
	w.says(event.RecordIdle)
	w.finish(event.ActCheck, red("x", "no"))
	w.fail(event.ActDeliver, FailShut)
	w.wantMessage("m1", event.MessageWaiting).advance(redeliverPause)
	w.finish(event.ActDeliver)
	w.report(event.Record{State: event.RecordWorking, Prompted: true, Message: "m1"})
	w.wantMessage("m1", event.MessageAcked)
	w.advance(shutLimit)
	w.want(event.Working, w.task.Reason).wantGen(1, 1)
}
