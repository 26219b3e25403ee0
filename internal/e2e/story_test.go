package e2e

import (
	"slices"
	"testing"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/testkit/model"
)

// scenario is a course of tasks from dispatch to their ends, whichever process dies meanwhile.
type scenario struct {
	name string
	// begin makes a fleet that is not up. play then runs the scenario, and returns the tasks when they have ended.
	begin func(t *testing.T) (f *Fleet, play func() []event.TaskID)
	// plans is how many plans the short form plays; 0 means 3. If all is set, the short form also dies at every point.
	plans int
	all   bool
	full  bool // only the full form plays the scenario
}

func scenarios() []scenario {
	return []scenario{
		{name: "two-rounds", begin: scripted(twoRounds), plans: 10},
		{name: "cancel", begin: scripted(cancelled), all: true},
		{name: "crash", begin: scripted(crashed)},
		{name: "permission", begin: scripted(permitted)},
		{name: "limited", begin: scripted(limited)},
		{name: "park", begin: scripted(parked)},
		{name: "chain", begin: scripted(chained)},
		{name: "side-by-side", begin: scripted(sideBySide)},
		{name: "command", begin: scripted(commanded)},
		{name: "merge", begin: scripted(merged)},
		{name: "claude", begin: claudeTwoRounds, full: true},
	}
}

// scripted is a story in a fleet of scripted agents.
func scripted(story func(f *Fleet) []event.TaskID) func(*testing.T) (*Fleet, func() []event.TaskID) {
	return func(t *testing.T) (*Fleet, func() []event.TaskID) {
		f := newFleet(t)
		return f, func() []event.TaskID { return story(f) }
	}
}

const good = `test=test "$(cat a.txt)" = good`

// twoRounds is a task whose first round is red; a message comes before the second, which is green.
func twoRounds(f *Fleet) []event.TaskID {
	id := f.dispatch(`write a.txt <<bad
done
---
mark second
await-file go-on
---
write a.txt <<good
done`, "--check", good, "--publish", "branch", "--setup", "true")
	f.marks(id, "second")
	f.do(control.Send{Task: id, Text: "and be quick"})
	f.release(id, "go-on")
	f.reaches(id, event.Done)
	return []event.TaskID{id}
}

// claudeTwoRounds is a real Claude Code whose first round is red, and whose second is green.
func claudeTwoRounds(t *testing.T) (*Fleet, func() []event.TaskID) {
	r := newClaudeRig(t, goChecks, goFiles)
	file := r.workFile("t1", "the answer", "answer.go")
	r.model.Add(useRead(file), useEdit(file, "return 0", "return 41"), model.Text("Done."), useEdit(file, "return 41", "return 42"), model.Text("Mended."))
	return r.Fleet, func() []event.TaskID {
		id := r.queue("the answer", "Make the test pass.")
		got := r.becomes(id, event.Done)
		if n := len(r.model.Requests()); n != 5 {
			t.Errorf("the model was called %d times, want 5", n)
		}
		r.once("Make the test pass.", "[muster m1]")
		r.checkDone(got)
		return []event.TaskID{id}
	}
}

// commanded is a program that ends with its turn: feedback is a new generation.
func commanded(f *Fleet) []event.TaskID {
	f.write(f.shared+"/agent.sh", `#!/bin/sh
echo "who $$ $MUSTER_TASK" >> "$LOG"
echo "begin $$ $MUSTER_GEN none $(date -u +%Y-%m-%dT%H:%M:%S.%NZ)" >> "$LOG"
sleep 0.1
if grep -q 'failed' "$MUSTER_PROMPT_FILE"; then echo good > a.txt; else echo bad > a.txt; fi
echo "end $$ $MUSTER_GEN none $(date -u +%Y-%m-%dT%H:%M:%S.%NZ)" >> "$LOG"
`)
	id := f.dispatchPrompt("make it good", "--command", "sh "+f.shared+"/agent.sh", "--env", "LOG="+f.simLog, "--check", good)
	f.reaches(id, event.Done)
	return []event.TaskID{id}
}

// cancelled is a task that a person stops.
func cancelled(f *Fleet) []event.TaskID {
	id := f.dispatch("write a.txt <<half\nmark half\nfork 2 setsid\nmark forked\nawait-file go-on")
	f.marks(id, "forked")
	f.do(control.Stop{Task: id})
	f.reaches(id, event.Cancelled)
	return []event.TaskID{id}
}

// crashed is an agent that crashes and is resumed in its conversation. Its work is pushed.
func crashed(f *Fleet) []event.TaskID {
	remote := f.root + "/remote.git"
	f.git("init", "-q", "--bare", remote)
	f.git("remote", "add", "origin", remote)
	id := f.dispatch("append a.txt one\nonce crash\nappend a.txt two\ndone", "--check", "test=grep -c . a.txt | grep -qx 2", "--publish", "push")
	got := f.reaches(id, event.Done)
	if at, err := f.tryGit(remote, "rev-parse", "refs/heads/"+got.Branch); err != nil || at != got.Published.Commit {
		f.t.Errorf("the remote has %s at %q (%v), published was %s", got.Branch, at, err, got.Published.Commit)
	}
	conversations := []string{}
	for _, b := range f.begins(id) {
		conversations = append(conversations, b.conversation)
	}
	if len(conversations) != 2 || len(slices.Compact(conversations)) != 1 {
		f.t.Errorf("conversations of the generations: %v", conversations)
	}
	return []event.TaskID{id}
}

// merged is two tasks whose work passes alone and not together. The one that comes second mends it, and both are merged
// into the base.
func merged(f *Fleet) []event.TaskID {
	const check = `test=test -e both.txt || ! test -e one.txt || ! test -e two.txt`
	second := f.dispatch("write two.txt <<2\nmark ready\nawait-file go-on\ndone\n---\nrun git merge -q main\nwrite both.txt <<b\ndone", "--check", check, "--publish", "merge")
	f.marks(second, "ready")
	first := f.dispatch("write one.txt <<1\ndone", "--check", check, "--publish", "merge")
	f.reaches(first, event.Done)
	f.release(second, "go-on")
	got := f.reaches(second, event.Done)
	if at := f.git("rev-parse", "main"); got.Published == nil || got.Published.Merged != at || f.git("status", "--porcelain") != "" {
		f.t.Errorf("main is at %s, published %+v, status %q", at, got.Published, f.git("status", "--porcelain"))
	}
	if n := f.git("rev-list", "--count", "--first-parent", "main"); n != "3" {
		f.t.Errorf("main has %s commits, want the base and two merges", n)
	}
	return []event.TaskID{first, second}
}

// permitted is an agent whose first request is allowed and whose second is denied.
func permitted(f *Fleet) []event.TaskID {
	id := f.dispatch("ask permission Bash make\nwrite a.txt <<x\nask permission Bash rm\ndone")
	first := f.asks(id, "")
	r := f.task(id).Request
	f.do(control.Answer{Task: id, Decision: event.Allow, Request: r.Request, Hash: r.Ask.Hash})
	f.asks(id, first)
	f.do(control.Answer{Task: id, Decision: event.Deny, Text: "keep it"})
	f.reaches(id, event.Done)
	return []event.TaskID{id}
}

// asks waits until a task has a request other than the one before.
func (f *Fleet) asks(id event.TaskID, before string) string {
	f.t.Helper()
	t := f.until(id, "asks", func(t life.Task) bool {
		return t.State == event.Waiting && t.Request != nil && t.Request.Request != before
	})
	return t.Request.Request
}

// limited is an account that has to rest for an hour, and then goes on.
func limited(f *Fleet) []event.TaskID {
	id := f.dispatch("write a.txt <<x\nlimited 1h\n---\nwrite b.txt <<x\ndone", "--timeout", "9h")
	f.until(id, "is limited", func(t life.Task) bool { return t.State == event.Limited && len(t.Open) == 0 })
	f.later(2 * time.Hour)
	f.reaches(id, event.Done)
	return []event.TaskID{id}
}

// parked is a task whose question is not answered in time. The answer resumes it.
func parked(f *Fleet) []event.TaskID {
	id := f.dispatch("once ask question \"Left or right?\" left|right\nwrite a.txt <<x\ndone")
	f.asks(id, "")
	f.later(16 * time.Minute)
	f.until(id, "is parked", func(t life.Task) bool { return t.State == event.Parked && taskRests(t) })
	f.do(control.Answer{Task: id, Decision: event.Reply, Text: "right"})
	f.until(id, "is done", func(t life.Task) bool { return t.State == event.Done })
	return []event.TaskID{id}
}

// chained is a task that starts from the branch of the one before.
func chained(f *Fleet) []event.TaskID {
	first := f.dispatch("append a.txt one\ndone")
	second := f.dispatch("append a.txt two\ndone", "--after", string(first), "--base", "@"+string(first), "--check", twoLines)
	f.reaches(first, event.Done)
	f.reaches(second, event.Done)
	return []event.TaskID{first, second}
}

// sideBySide is a pair of tasks that run at once in one repository.
func sideBySide(f *Fleet) []event.TaskID {
	one := f.dispatch("mark here\nawait-file go-on\nwrite a.txt <<good\ndone", "--check", good)
	two := f.dispatch("mark here\nawait-file go-on\nwrite b.txt <<x\ndone")
	f.marks(one, "here")
	f.marks(two, "here")
	f.release(one, "go-on")
	f.release(two, "go-on")
	f.reaches(one, event.Done)
	f.reaches(two, event.Done)
	return []event.TaskID{one, two}
}
