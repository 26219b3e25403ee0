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

// The walk is a proof by exhaustion. It starts with a task that was just dispatched. In every order it makes
// everything happen that can happen: records, exits, outcomes of every kind, deadlines in any order, requests of
// people, slots, silence, and a fleet that goes down. Two tasks are one state if they differ only in absolute times
// and in counters on which no decision depends. A supervisor may die at each step. Because life has no memory except
// the task, a death itself changes nothing. Its consequences are that outcomes are repeated or differ, which happens
// here anyway, and that requests accumulate, which the walk with errands has, too. Broken checks each state and
// BrokenBy each event. From each state there must be a way to rest (parked or final, with no open action) that needs
// only deadlines, slots and the outcomes of actions: once if all outcomes are good, and once if none is.
//
// The bounds are in walks. Everything else, such as records, exits, failures and retries by people, happens any
// number of times.
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

// bounds are the bounds of a walk. There are at most respawns+1 generations.
type bounds struct {
	name                       string
	left                       left
	attempts, rounds, respawns int
	errands                    bool // interrupt, rm, restore, and two requests without a supervisor
	kinds                      []string
}

func (b bounds) String() string {
	text := fmt.Sprintf("%d attempts, %d rounds, %d generations, %d messages, %d questions, %d limits, %d silences",
		b.attempts, b.rounds, b.respawns+1, b.left.messages, b.left.questions, b.left.limits, b.left.silences)
	if b.left.money > 0 {
		text += fmt.Sprintf(", %d records of usage, %d rests", b.left.money, b.left.rests)
	}
	if b.left.lacks > 0 {
		text += fmt.Sprintf(", %d shortages", b.left.lacks)
	}
	if b.errands {
		text += ", errands"
	}
	return text
}

// walks lists the walks of `make walk`. Only a short one runs with the other tests. Features that multiply the number
// of states, and are mostly independent of the others, have walks of their own.
var walks = []bounds{
	{"short", left{lacks: 1}, 2, 1, 1, false, []string{"mailbox", "paste", "command", "review", "merge", "dependency", "demands", "reviewed", "reviewer", "race"}},
	{"silence", left{silences: 2}, 2, 1, 1, false, []string{"mailbox", "paste", "command"}},
	{"errands", left{messages: 1}, 2, 1, 1, true, []string{"mailbox", "paste", "command"}},
	{"money", left{money: 2, rests: 1}, 2, 1, 1, false, []string{"mailbox", "paste", "command"}},
	{"far", left{messages: 2, questions: 1, limits: 1}, 2, 2, 1, false, []string{"command", "mailbox", "paste"}},
}

var kinds = map[string]func(*event.Spec){
	"mailbox": traits(hooked), "paste": traits(pasted), "command": traits(command),
	"review":     func(s *event.Spec) { s.Publish = event.PublishPR },
	"merge":      merges,
	"demands":    func(s *event.Spec) { s.Done.DeletedTests, s.Done.TooLarge = event.ReactionBack, event.ReactionPark },
	"reviewed":   func(s *event.Spec) { reviewed(s) },
	"reviewer":   func(s *event.Spec) { reviewing(s) },
	"race":       races,
	"dependency": func(s *event.Spec) { s.After = []event.TaskID{"t9"} },
}

func TestWalk(t *testing.T) {
	t.Parallel()
	states, rows, began := 0, map[row]bool{}, time.Now()
	for _, b := range walks {
		for _, kind := range b.kinds {
			if !*walkFull && (b.name != "short" || kind != "review") {
				continue // make walk runs all of them
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

// goWalk makes one walk, records which rows of the table it used, and returns the number of states.
func goWalk(t *testing.T, b bounds, kind string, rows map[row]bool) int {
	t.Helper()
	start := walkSpec(kinds[kind])
	start.left = b.left
	s := &start.task.Spec
	s.Attempts, s.Rounds, s.Respawns = b.attempts, b.rounds, b.respawns
	if b.left.money > 0 {
		s.Budget = event.Budget{CostUSD: 1, Soft: 0.5}
	}
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

// TestTwinsAreTwins compares places with the same key in a short walk.
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
	}{{Task{}, 53}, {Agent{}, 21}, {Message{}, 4}, {Rounds{}, 4}, {Deadline{}, 4}} {
		if n := reflect.TypeOf(c.of).NumField(); n != c.want {
			t.Errorf("%T has %d fields, not %d: does anything depend on the new one? Then it belongs into place.key", c.of, n, c.want)
		}
	}
}
