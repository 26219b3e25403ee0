package life

import (
	"flag"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

// The walk is a proof by exhaustion. It begins with a task that was just dispatched and lets happen to it, in every
// order, whatever can happen: records, exits, outcomes of every kind, deadlines in any order, requests of people,
// slots, silence, a fleet that goes down. Two tasks that differ in absolute times and in counters that nothing is
// decided by are one state. A supervisor may die at each step: life has no memory beside the task, so a death changes
// nothing; what it leads to is that outcomes come again or otherwise than they were, which they do here anyhow, and that
// requests pile up, which the walk with errands has, too. Each state is judged by Broken and each event by BrokenBy, and
// from each state there must be a way to rest (parked or final, with nothing under way) that needs nothing but deadlines,
// slots and the outcomes of actions: once with outcomes that are all good, once with none that is.
//
// The bounds are in walks: all else, such as records, exits, failures and retries by people, comes any number of times.
var walkFull = flag.Bool("walk.full", false, "walk with all bounds, which takes minutes")

func walkSpec(change ...func(*event.Spec)) place {
	spec := testSpec()
	spec.Attempts, spec.Rounds, spec.Respawns = 2, 2, 2
	for _, c := range change {
		c(&spec)
	}
	return place{
		task: Apply(Task{}, event.Event{Seq: 1, Time: dawn, Subject: event.OfTask("t1"), Data: event.DispatchRequested{Spec: spec, Prompt: "fix it"}}),
		now:  dawn, left: left{messages: 2, questions: 1, limits: 1, silences: 1},
	}
}

// bounds of a walk; respawns bound the generations, so that there are respawns+1 of them at most.
type bounds struct {
	name                       string
	left                       left
	attempts, rounds, respawns int
	errands                    bool // interrupt, rm, restore, and two requests that pile up while there is no supervisor
	kinds                      []string
}

func (b bounds) String() string {
	text := fmt.Sprintf("%d attempts, %d rounds, %d generations, %d messages, %d questions, %d limits, %d silences",
		b.attempts, b.rounds, b.respawns+1, b.left.messages, b.left.questions, b.left.limits, b.left.silences)
	if b.left.lacks > 0 {
		text += fmt.Sprintf(", %d shortages", b.left.lacks)
	}
	if b.errands {
		text += ", errands"
	}
	return text
}

// walks are what `make walk` goes; beside the other tests there is a short one only. What multiplies the states without
// much to do with the rest has a walk of its own.
var walks = []bounds{
	{"short", left{lacks: 1}, 2, 1, 1, false, []string{"mailbox", "paste", "command", "review", "dependency"}},
	{"silence", left{silences: 2}, 2, 1, 1, false, []string{"mailbox", "paste", "command"}},
	{"errands", left{messages: 1}, 2, 1, 1, true, []string{"mailbox", "paste", "command"}},
	{"far", left{messages: 2, questions: 1, limits: 1}, 2, 2, 1, false, []string{"command", "mailbox", "paste"}},
}

var kinds = map[string]func(*event.Spec){
	"mailbox": traits(hooked), "paste": traits(pasted), "command": traits(command),
	"review":     func(s *event.Spec) { s.Publish = event.PublishPR },
	"dependency": func(s *event.Spec) { s.After = []event.TaskID{"t9"} },
}

func TestWalk(t *testing.T) {
	t.Parallel()
	states, rows, began := 0, map[row]bool{}, time.Now()
	for _, b := range walks {
		for _, kind := range b.kinds {
			if !*walkFull && (b.name != "short" || kind != "review") {
				continue // make walk goes all of them
			}
			t.Run(b.name+" "+kind, func(t *testing.T) { states += goWalk(t, b, kind, rows) })
		}
	}
	var never []string
	for _, tr := range Rules() {
		for _, from := range tr.From {
			if !rows[row{tr.Rule, from}] {
				never = append(never, fmt.Sprintf("%s in %s", tr.Rule, from))
			}
		}
	}
	if *walkFull {
		fmt.Printf("walk: moves of the table that cannot be made in these bounds: %s\n", strings.Join(never, ", "))
	}
	fmt.Printf("walk: %d states, %s\n", states, time.Since(began).Round(time.Millisecond))
}

// goWalk goes one walk, notes which rows of the table it followed, and tells how many states there are.
func goWalk(t *testing.T, b bounds, kind string, rows map[row]bool) int {
	t.Helper()
	start := walkSpec(kinds[kind])
	start.left = b.left
	s := &start.task.Spec
	s.Attempts, s.Rounds, s.Respawns = b.attempts, b.rounds, b.respawns
	began := time.Now()
	w := newWalk(t, start, b.errands)
	w.run()
	maps.Copy(rows, w.rows)
	for by, what := range map[sure]string{good: "outcomes that are good", bad: "outcomes that are not good"} {
		if n := w.stuck(by); n >= 0 {
			t.Fatalf("with deadlines and %s there is no way to rest from here:\n%s", what, newCursor(w, w.parent, w.by).script(n, ""))
		}
	}
	fmt.Printf("walk %s %s: %d states, %d steps, %d deep, %s (%s)\n",
		b.name, kind, len(w.parent), w.steps, w.layers-1, time.Since(began).Round(time.Millisecond), b)
	return len(w.parent)
}

// TestTwinsAreTwins compares, in a short walk, places that count as one.
func TestTwinsAreTwins(t *testing.T) {
	t.Parallel()
	for name, tr := range map[string]event.Traits{"mailbox": hooked, "paste": pasted, "command": command} {
		if !*walkFull && name != "command" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := walkSpec(traits(tr))
			start.left = left{}
			start.task.Spec.Rounds, start.task.Spec.Respawns = 1, 1
			w := newWalk(t, start, false)
			w.twins = map[int32]place{}
			w.run()
		})
	}
}

func TestTheWalkKnowsTheWholeTask(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of   any
		want int
	}{{Task{}, 42}, {Agent{}, 14}, {Message{}, 4}, {Rounds{}, 4}, {Deadline{}, 4}} {
		if n := reflect.TypeOf(c.of).NumField(); n != c.want {
			t.Errorf("%T has %d fields, not %d: does anything depend on the new one? Then it belongs into place.key", c.of, n, c.want)
		}
	}
}
