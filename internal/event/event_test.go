package event

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEveryKindDecodesToItself(t *testing.T) {
	t.Parallel()
	for _, k := range Kinds() {
		p, err := Decode(k, []byte("{}"))
		if err != nil {
			t.Errorf("%s: %v", k, err)
			continue
		}
		if p.Kind() != k {
			t.Errorf("payload of %s says it is %s", k, p.Kind())
		}
	}
}

func TestEventSurvivesJSON(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 6, 0, 0, 123000000, time.UTC)
	for _, e := range []Event{
		{Seq: 3, Time: now, Subject: OfTask("t1"), Gen: 2, Data: TaskMoved{From: Working, To: Checking, Rule: "turn.ended"}},
		{Seq: 4, Time: now, Data: DownRequested{Mode: DownDrain}},
		{Seq: 5, Time: now, Subject: OfTask("t1"), Data: ActionIntended{Action: Action{ID: "a1", Args: StartArgs{Messages: []MessageID{"m1"}}}}},
	} {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var got Event
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, got); d != "" {
			t.Errorf("changed on the way (-want +got):\n%s", d)
		}
	}
}

func TestKindOfANewerVersionIsKeptAsItIs(t *testing.T) {
	t.Parallel()
	const line = `{"seq":9,"time":"2026-11-24T06:00:00Z","kind":"moon.landed","data":{"x":[1,2]}}`
	var e Event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != line {
		t.Errorf("got  %s\nwant %s", b, line)
	}
}

func TestTaskIDs(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{"t1": true, "t120": true, "t0": false, "t01": false, "t": false, "x1": false, "t1a": false, "": false, "t12345678901234": false} {
		if got := IsTaskID(s); got != want {
			t.Errorf("IsTaskID(%q) = %v, want %v", s, got, want)
		}
	}
	if n := TaskID("t42").Number(); n != 42 {
		t.Errorf("Number = %d, want 42", n)
	}
}
