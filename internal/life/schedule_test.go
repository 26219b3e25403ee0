package life

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"muster/internal/event"
)

// crew is a fleet whose events are folded and passed to Decide.
type crew struct {
	t     failer
	fleet Fleet
}

func (c *crew) add(n int, change ...func(*Task)) {
	t := Apply(Task{}, event.Event{Time: dawn, Subject: event.OfTask(event.NewTaskID(n)), Data: event.DispatchRequested{Spec: testSpec()}})
	for _, ch := range change {
		ch(&t)
	}
	c.fleet.Tasks = append(c.fleet.Tasks, t)
}

func priority(n int) func(*Task) { return func(t *Task) { t.Spec.Priority = n } }

func after(ids ...event.TaskID) func(*Task) {
	return func(t *Task) { t.Spec.After, t.DepsMet = ids, false }
}

func in(state event.State, slot bool) func(*Task) {
	return func(t *Task) { t.State, t.Slot = state, slot }
}

// resting is a limited task whose pause is over.
func resting(t *Task) { t.State, t.Next = event.Limited, event.WhyAPI }

// run makes one decision, carries it out, and returns its events.
func (c *crew) run() []event.Event {
	c.t.Helper()
	events := Schedule(c.fleet, dawn)
	for _, e := range events {
		switch p := e.Data.(type) {
		case event.GateClosed:
			c.fleet.GateWas = p.Reason
		case event.GateOpened:
			c.fleet.GateWas = ""
		case event.AccountProbed, event.AccountWoke, event.DeadlineSet:
			a := c.fleet.Accounts[e.Account]
			a.Account = ApplyAccount(a.Account, e)
			c.fleet.Accounts[e.Account] = a
		default:
			i := slices.IndexFunc(c.fleet.Tasks, func(t Task) bool { return t.ID == e.Task })
			t := Apply(c.fleet.Tasks[i], e)
			more, _ := Decide(t, Heard{Payload: e.Data}, dawn)
			for _, e := range more {
				t = Apply(t, e)
			}
			c.fleet.Tasks[i] = t
		}
	}
	return events
}

// rest decides until there are no more events.
func (c *crew) rest() {
	c.t.Helper()
	for range 3*len(c.fleet.Tasks) + 3 {
		if len(c.run()) == 0 {
			return
		}
	}
	c.t.Fatalf("the fleet never comes to rest")
}

func granted(events []event.Event) []event.TaskID {
	var out []event.TaskID
	for _, e := range events {
		if e.Kind() == "slot.granted" {
			out = append(out, e.Task)
		}
	}
	return out
}

func (c *crew) states() map[event.TaskID]event.State {
	out := map[event.TaskID]event.State{}
	for _, t := range c.fleet.Tasks {
		out[t.ID] = t.State
	}
	return out
}

func TestWhoGetsASlot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fleet Fleet
		line  func(*crew)
		want  []event.TaskID
	}{
		{"who came first", Fleet{Slots: 2}, func(c *crew) { c.add(1); c.add(2); c.add(10) }, []event.TaskID{"t1", "t2"}},
		{"ids are numbers", Fleet{Slots: 1}, func(c *crew) { c.add(10); c.add(9) }, []event.TaskID{"t9"}},
		{"higher priority before", Fleet{Slots: 2}, func(c *crew) { c.add(1); c.add(2, priority(5)); c.add(3, priority(-1)) }, []event.TaskID{"t2", "t1"}},
		{"slots in use are not free", Fleet{Slots: 2}, func(c *crew) { c.add(1, in(event.Working, true)); c.add(2); c.add(3) }, []event.TaskID{"t2"}},
		{"a failed task that still ends holds its slot", Fleet{Slots: 1}, func(c *crew) { c.add(1, in(event.Failed, true)); c.add(2) }, nil},
		{"fewer slots than before take none away", Fleet{Slots: 0}, func(c *crew) { c.add(1, in(event.Working, true)); c.add(2) }, nil},
		{"a limited task whose pause is over", Fleet{Slots: 1}, func(c *crew) { c.add(1, resting); c.add(2) }, []event.TaskID{"t1"}},
		{"a limited task that rests does not", Fleet{Slots: 1}, func(c *crew) { c.add(1, in(event.Limited, false)); c.add(2) }, []event.TaskID{"t2"}},
		{"the head that can't start blocks nobody", Fleet{Slots: 1}, func(c *crew) { c.add(1, after("t9"), priority(9)); c.add(2) }, []event.TaskID{"t2"}},
		{"a task that is being stopped does not", Fleet{Slots: 1}, func(c *crew) { c.add(1, func(t *Task) { t.Stopping = true }); c.add(2) }, []event.TaskID{"t2"}},
		{"a task with something open does not", Fleet{Slots: 1}, func(c *crew) {
			c.add(1, func(t *Task) { t.Open = []event.Action{{ID: "a1", Args: event.EndArgs{}}} })
			c.add(2)
		}, []event.TaskID{"t2"}},
		{"nobody while the gate is closed", Fleet{Slots: 9, Gate: "memory", GateWas: "memory"}, func(c *crew) { c.add(1); c.add(2, resting) }, nil},
		{"nobody while the fleet goes down", Fleet{Slots: 9, Draining: true}, func(c *crew) { c.add(1); c.add(2, resting) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			crew := &crew{t: t, fleet: c.fleet}
			crew.fleet.States = map[event.TaskID]event.State{"t9": event.Working}
			c.line(crew)
			if d := gocmp.Diff(c.want, granted(crew.run())); d != "" {
				t.Errorf("granted (-want +got):\n%s", d)
			}
		})
	}
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		states map[event.TaskID]event.State
		want   event.State
		detail string
	}{
		{"all done", map[event.TaskID]event.State{"t8": event.Done, "t9": event.Done}, event.Preparing, ""},
		{"one still works", map[event.TaskID]event.State{"t8": event.Done, "t9": event.Working}, event.Blocked, "it comes after t8, t9"},
		{"one is parked", map[event.TaskID]event.State{"t8": event.Done, "t9": event.Parked}, event.Blocked, "it comes after t8, t9"},
		{"one failed", map[event.TaskID]event.State{"t8": event.Working, "t9": event.Failed}, event.Parked, "t9 is failed"},
		{"one was cancelled", map[event.TaskID]event.State{"t8": event.Cancelled, "t9": event.Done}, event.Parked, "t8 is cancelled"},
		{"one is unknown", map[event.TaskID]event.State{"t8": event.Done}, event.Parked, "t9 is not there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			crew := &crew{t: t, fleet: Fleet{Slots: 1, States: c.states}}
			crew.add(10, after("t8", "t9"))
			crew.rest()
			if got := crew.fleet.Tasks[0]; got.State != c.want || got.Detail != c.detail {
				t.Errorf("%s: %q, want %s: %q", got.State, got.Detail, c.want, c.detail)
			}
		})
	}
}

func TestAChainFallsLinkByLink(t *testing.T) {
	t.Parallel()
	c := &crew{t: t, fleet: Fleet{Slots: 3, States: map[event.TaskID]event.State{"t1": event.Working}}}
	c.add(2, after("t1"))
	c.add(3, after("t2"))
	c.fleet.States["t2"] = event.Queued
	c.rest()
	if d := gocmp.Diff(map[event.TaskID]event.State{"t2": event.Blocked, "t3": event.Blocked}, c.states()); d != "" {
		t.Fatal(d)
	}
	c.fleet.States["t1"] = event.Failed
	c.rest()
	c.fleet.States["t2"] = event.Parked
	c.rest()
	if d := gocmp.Diff(map[event.TaskID]event.State{"t2": event.Parked, "t3": event.Blocked}, c.states()); d != "" {
		t.Fatal(d) // a parked task may still be done
	}
	c.fleet.States["t2"] = event.Cancelled
	c.rest()
	if d := gocmp.Diff(map[event.TaskID]event.State{"t2": event.Parked, "t3": event.Parked}, c.states()); d != "" {
		t.Fatal(d)
	}
}

func TestGateIsWrittenWhenItChanges(t *testing.T) {
	t.Parallel()
	c := &crew{t: t, fleet: Fleet{Slots: 1, Gate: "disk"}}
	c.add(1)
	if got := c.run(); len(got) != 1 || got[0].Data != (event.GateClosed{Reason: "disk"}) {
		t.Errorf("events %s, want the gate closed", asJSON(got))
	}
	if got := c.run(); len(got) != 0 {
		t.Errorf("events %s, want none", asJSON(got))
	}
	c.fleet.Gate = ""
	if got := c.run(); len(got) != 2 || got[0].Kind() != "gate.opened" || got[1].Kind() != "slot.granted" {
		t.Errorf("events %s, want the gate open and a slot granted", asJSON(got))
	}
}

func TestScheduleIsFairWhateverTheFleet(t *testing.T) {
	t.Parallel()
	all := []event.State{
		event.Queued, event.Queued, event.Queued, event.Blocked, event.Preparing, event.Working, event.Limited, event.Parked, event.InReview, event.Failed,
	}
	rapid.Check(t, func(rt *rapid.T) {
		c := &crew{t: rt, fleet: Fleet{
			Slots: rapid.IntRange(0, 6).Draw(rt, "slots"), Draining: die(rt, 6, "draining") == 0,
			Gate: pick(rt, []string{"", "", "", "memory", "disk"}, "gate"), GateWas: pick(rt, []string{"", "", "memory"}, "gate was"),
			States: map[event.TaskID]event.State{},
		}}
		for n := range rapid.IntRange(0, 12).Draw(rt, "tasks") {
			c.add(n+1, priority(die(rt, 3, "priority")), in(pick(rt, all, "state"), false), func(t *Task) {
				t.Slot = slices.Contains([]event.State{event.Preparing, event.Working, event.Failed}, t.State)
				if t.State == event.Limited && die(rt, 2, "pause over") == 0 {
					t.Next = event.WhyAPI
				}
				if t.State == event.Parked || t.State == event.Failed {
					t.Reason = "some"
				}
				if t.State == event.Blocked || t.State == event.Queued && die(rt, 3, "after") == 0 {
					after("t99")(t)
				}
			})
		}
		if s := pick(rt, []event.State{event.Done, event.Working, event.Failed, ""}, "t99"); s != "" {
			c.fleet.States["t99"] = s
		}
		c.fair(rt)
		c.rest()
	})
}

// fair checks one decision.
func (c *crew) fair(rt *rapid.T) {
	before := c.fleet
	before.Tasks = slices.Clone(c.fleet.Tasks)
	used := func(tasks []Task) (n int) {
		for _, t := range tasks {
			if t.Slot {
				n++
			}
		}
		return n
	}
	first, second := Schedule(c.fleet, dawn), Schedule(c.fleet, dawn)
	if d := differs(first, second); d != "" {
		rt.Fatalf("decided otherwise the second time:\n%s", d)
	}
	got := granted(first)
	var line []Task
	for _, t := range before.Tasks {
		if t.DepsMet && t.NeedsSlot() {
			line = append(line, t)
		}
	}
	slices.SortStableFunc(line, func(a, b Task) int { return cmp.Compare(b.Spec.Priority, a.Spec.Priority) }) // ids are in ascending order already
	free := max(0, before.Slots-used(before.Tasks))
	if before.Draining || before.Gate != "" {
		free = 0
	}
	var want []event.TaskID
	for _, t := range line[:min(free, len(line))] {
		want = append(want, t.ID)
	}
	if !slices.Equal(got, want) {
		rt.Fatalf("granted %v, want %v", got, want)
	}
	met := slices.ContainsFunc(first, func(e event.Event) bool { return e.Kind() == "deps.met" })
	c.run()
	if used(c.fleet.Tasks) > max(before.Slots, used(before.Tasks)) {
		rt.Fatalf("%d slots in use of %d", used(c.fleet.Tasks), before.Slots)
	}
	if again := Schedule(c.fleet, dawn); len(again) > 0 && !met {
		rt.Fatalf("what was carried out is decided again: %s", asJSON(again))
	}
}
