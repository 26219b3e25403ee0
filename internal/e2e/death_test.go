package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/control"
	"muster/internal/event"
)

// The points at which a supervisor can die while world and record differ.
var pointNames = []string{"intent", "act", "outcome"}

// ending is what becomes of a task, as far as it must not depend on when anybody died.
type ending struct {
	State        event.State
	Reason       event.Reason
	Attempt, Gen int
	Rounds       int
	Commits      []string // on its branch, by subject
	Tree         string
	Delivered    map[string]int // by message: how often the conversation got it
	Messages     map[event.MessageID]event.MessageState
	Kept         int
}

// ended gathers the ending of a task before it is removed.
func (f *Fleet) ended(id event.TaskID) ending {
	t := f.task(id)
	e := ending{
		State: t.State, Reason: t.Reason, Attempt: t.Attempt, Gen: t.Gen, Rounds: t.Rounds.Count, Kept: len(t.Kept),
		Delivered: f.deliveries(id), Messages: map[event.MessageID]event.MessageState{},
	}
	for _, m := range t.Messages {
		e.Messages[m.ID] = m.State
	}
	if branches := f.git("for-each-ref", "--format=%(refname:short)", "refs/heads/muster/"); branches != "" {
		for b := range strings.Lines(branches) {
			b = strings.TrimSpace(b)
			if b != t.Branch {
				f.t.Errorf("a branch that is not of the task: %s", b)
			}
			if out := f.git("log", "--format=%s", "main.."+b); out != "" {
				e.Commits = append(e.Commits, strings.Split(out, "\n")...)
			}
			e.Tree = f.git("rev-parse", b+"^{tree}")
		}
	}
	return e
}

// story is something that happens to a task, from dispatch to its end.
type story func(f *Fleet) event.TaskID

// everywhere plays a story undisturbed, then once for each point that choose takes, with the supervisor killed
// there, and compares the endings.
func everywhere(t *testing.T, play story, choose func(name string, n, of int) bool) {
	t.Helper()
	var want ending
	var points map[string]int
	if !t.Run("undisturbed", func(t *testing.T) {
		want, points = playOnce(t, play, "none")
	}) {
		return
	}
	t.Logf("points: %v; ending: %+v", points, want)
	for _, name := range pointNames {
		if points[name] == 0 {
			t.Fatalf("no point %q was come past", name)
		}
		for n := 1; n <= points[name]; n++ {
			if choose != nil && !choose(name, n, points[name]) {
				continue
			}
			plan := fmt.Sprintf("%s:%d", name, n)
			t.Run(plan, func(t *testing.T) {
				t.Parallel()
				got, _ := playOnce(t, play, plan)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("killed at %s, it ends otherwise (-undisturbed +killed):\n%s", plan, diff)
				}
			})
		}
	}
}

// playOnce plays a story in a fleet of its own.
func playOnce(t *testing.T, play story, plan string) (ending, map[string]int) {
	t.Helper()
	f := newFleet(t)
	f.write(planFile(f.home), plan)
	id := play(f)
	f.until(id, "rests", taskRests)
	if plan != "none" { // the last point of all lies behind the end
		f.eventually("the supervisor was killed and started again", func() bool {
			return len(payloads[event.SupervisorStarted](f, "")) > 1
		})
	}
	e := f.ended(id)
	points := countPoints(f.home)
	f.oneAtATime(t)
	if starts := len(payloads[event.SupervisorStarted](f, "")); plan == "none" && starts != 1 {
		t.Errorf("undisturbed, and %d supervisors were started", starts)
	}
	return e, points
}

const good = `test=test "$(cat a.txt)" = good`

// twoRounds is a task whose first round is red; a message comes before the second, which is green.
func twoRounds(f *Fleet) event.TaskID {
	id := f.dispatch(`work 0.1s
write a.txt <<bad
done
---
mark second
await-file go-on
---
work 0.1s
write a.txt <<good
done`, "--check", good, "--publish", "branch")
	f.marks(id, "second")
	f.do(control.Send{Task: id, Text: "and be quick"})
	f.release(id, "go-on")
	f.reaches(id, event.Done)
	return id
}

// TestDeathAtEveryPoint kills the supervisor at each point where the world and the record can differ.
func TestDeathAtEveryPoint(t *testing.T) {
	t.Parallel()
	everywhere(t, twoRounds, nil)
}

// sample takes every third point, and of each kind the first and the last.
func sample(_ string, n, of int) bool { return n == 1 || n == of || n%3 == 0 }

// TestDeathUnderACommand does it for a program that ends with its turn: feedback is a new generation.
func TestDeathUnderACommand(t *testing.T) {
	t.Parallel()
	everywhere(t, func(f *Fleet) event.TaskID {
		f.write(f.root+"/agent.sh", `#!/bin/sh
echo "who $$ $MUSTER_TASK" >> "$LOG"
echo "begin $$ $MUSTER_GEN none $(date -u +%Y-%m-%dT%H:%M:%S.%NZ)" >> "$LOG"
sleep 0.2
if grep -q 'failed' "$MUSTER_PROMPT_FILE"; then echo good > a.txt; else echo bad > a.txt; fi
echo "end $$ $MUSTER_GEN none $(date -u +%Y-%m-%dT%H:%M:%S.%NZ)" >> "$LOG"
`)
		id := f.dispatchPrompt("make it good", "--command", "sh "+f.root+"/agent.sh", "--env", "LOG="+f.simLog, "--check", good)
		f.reaches(id, event.Done)
		return id
	}, sample)
}

// TestDeathWhileStopping does it for a task that a person stops.
func TestDeathWhileStopping(t *testing.T) {
	t.Parallel()
	everywhere(t, func(f *Fleet) event.TaskID {
		id := f.dispatch("write a.txt <<half\nmark half\nfork 2 setsid\nmark forked\nawait-file go-on")
		f.marks(id, "forked")
		f.do(control.Stop{Task: id})
		f.reaches(id, event.Cancelled)
		return id
	}, nil)
}

// TestDeathAroundACrash does it for an agent that crashes and is resumed.
func TestDeathAroundACrash(t *testing.T) {
	t.Parallel()
	everywhere(t, func(f *Fleet) event.TaskID {
		id := f.dispatch("append a.txt one\nonce crash\nappend a.txt two\ndone", "--check", "test=grep -c . a.txt | grep -qx 2")
		f.reaches(id, event.Done)
		conversations := []string{}
		for _, b := range f.begins(id) {
			conversations = append(conversations, b.conversation)
		}
		if len(conversations) != 2 || len(slices.Compact(conversations)) != 1 {
			f.t.Errorf("conversations of the generations: %v", conversations)
		}
		return id
	}, sample)
}
