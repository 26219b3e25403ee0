package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
)

func TestLanes_AreWithoutGapsWhateverBeganBefore(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC)
	at := func(hours int) time.Time { return since.Add(time.Duration(hours) * time.Hour) }
	var line Timeline
	add := func(hours int, id event.TaskID, p event.Payload) {
		line.Add(event.Event{Time: at(hours), Subject: event.OfTask(id), Data: p})
	}
	add(1, "t1", event.TaskMoved{From: event.Working, To: event.Checking})
	add(2, "", event.SupervisorStopped{})
	add(2, "t1", event.RoundFinished{Results: []event.CheckResult{{Exit: 1}}})
	add(3, "", event.SupervisorStarted{})
	add(3, "t1", event.TaskMoved{From: event.Checking, To: event.Done})
	add(5, "", event.HostSlept{Gap: time.Hour})
	add(7, "", event.SupervisorStopped{})
	got := line.Lanes(since, at(8), []LaneTask{
		{ID: "t1", State: event.Done, Queued: at(-5)},
		{ID: "t2", State: event.Limited, Queued: at(-9)}, // nothing happened to it
		{ID: "t3", State: event.Queued, Queued: at(2)},   // it only waits
		{ID: "t4", State: event.Done, Queued: at(-9)},    // it ended before
	})
	want := []Lane{
		{Task: "t1", State: event.Done, Red: 1, Spans: []Span{
			{event.Working, at(0), at(1)}, {event.Checking, at(1), at(3)}, {event.Done, at(3), at(3)},
		}},
		{Task: "t2", State: event.Limited, Spans: []Span{{event.Limited, at(0), at(8)}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	gaps := []Gap{{at(2), at(3), "no supervisor ran"}, {at(4), at(5), "the machine slept"}, {at(7), at(8), "no supervisor ran"}}
	if diff := cmp.Diff(gaps, line.Gaps(since, at(8))); diff != "" {
		t.Error(diff)
	}
}
