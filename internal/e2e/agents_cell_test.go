package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/agent/all"
	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/testkit/model"
)

// mark is how a prompt names its situation.
func mark(situation string) string { return "The situation is <" + situation + ">." }

// cell is one situation of one agent: a task, and what the model says to it.
type cell struct {
	*agentRig
	a    driver
	name string
	talk *model.Conversation
	id   event.TaskID
}

// dispatching is held while a task of the table is dispatched: the first one starts its fleet.
var dispatching sync.Mutex

// cell returns a situation of the rig's agent. The test t may run beside others with the same rig.
func (r *agentRig) cell(t *testing.T, a driver, name string) *cell {
	f := *r.Fleet
	f.t, f.ctl, f.undo = t, nil, nil
	t.Cleanup(f.closeControl)
	own := *r
	own.Fleet = &f
	return &cell{agentRig: &own, a: a, name: name, talk: r.model.Conversation(mark(name))}
}

// begin dispatches the task.
func (c *cell) begin(steps ...model.Step) {
	c.t.Helper()
	c.beginWith(nil, steps...)
}

// beginWith dispatches the task with flags.
func (c *cell) beginWith(flags []string, steps ...model.Step) {
	c.t.Helper()
	c.talk.Script(steps...)
	dispatching.Lock()
	defer dispatching.Unlock()
	c.id = c.queue(c.name, mark(c.name)+" Do it.", flags...)
}

// file returns the path of a file in the worktree of the task that a call belongs to.
func (c *cell) file(q model.Request, name string) string {
	for _, m := range q.Messages {
		for _, t := range m.Texts {
			if _, rest, ok := strings.Cut(t, "Task t"); ok {
				number, _, _ := strings.Cut(rest, " ")
				return c.workFile(event.TaskID("t"+number), c.name, name)
			}
		}
	}
	return name
}

// runs returns a step that runs commands, all of them in one answer.
func (c *cell) runs(commands ...string) model.Step {
	var r model.Reply
	for _, command := range commands {
		r = r.AndUse(c.a.use(command))
	}
	return model.Always(r)
}

// creates returns a step that writes a file by the agent's own tool.
func (c *cell) creates(name string) model.Step {
	return func(q model.Request) model.Reply { return c.a.write(c.file(q, name), "x") }
}

// called waits for the n-th call of the conversation.
func (c *cell) called(n int) model.Request {
	c.t.Helper()
	c.await(fmt.Sprintf("the model is called %d times", n), func() bool { return len(c.talk.Requests()) >= n })
	return c.talk.Requests()[n-1]
}

// told reports an error unless the n-th call has a text.
func (c *cell) told(n int, text string) {
	c.t.Helper()
	if q := c.called(n); !q.Contains(text) {
		c.t.Errorf("call %d does not have %q: %+v", n, text, q.Last())
	}
}

// said reports an error unless the texts are once each in what the agent was told in the end.
func (c *cell) said(texts ...string) {
	c.t.Helper()
	all := c.talk.Requests()
	last := all[len(all)-1]
	for _, text := range texts {
		n := 0
		for _, m := range last.Messages {
			if m.Role == "assistant" {
				continue
			}
			n += strings.Count(strings.Join(m.Texts, "\n"), text)
		}
		if n != 1 {
			c.t.Errorf("the agent was told %q %d times, want once", text, n)
		}
	}
}

// made reports whether the agent has made a file in its worktree.
func (c *cell) made(name string) bool {
	_, err := os.Stat(filepath.Join(home.Dir(c.home).Worktree(c.id, home.Slug(c.name)), name))
	return err == nil
}

// make makes a file in the worktree, for which a command of the agent waits.
func (c *cell) make(name string) {
	c.t.Helper()
	c.write(filepath.Join(home.Dir(c.home).Worktree(c.id, home.Slug(c.name)), name), "")
}

// path returns the states of the task in order, from its slot on.
func (c *cell) path() string {
	c.t.Helper()
	var out []string
	for _, p := range payloads[event.TaskMoved](c.Fleet, c.id) {
		out = append(out, string(p.To))
	}
	return strings.Join(out, " ")
}

// ends waits until the task is done, and compares its states from the first record on.
func (c *cell) ends(states string) life.Task {
	c.t.Helper()
	got := c.becomes(c.id, event.Done)
	c.went(states + " publishing done")
	return got
}

// went compares the states of the task from the first record on. Some agents ask for each command: a wait that a rule ends at once is
// left out.
func (c *cell) went(states string) {
	c.t.Helper()
	got := c.path()
	for _, p := range payloads[event.PermissionDecided](c.Fleet, c.id) {
		if p.By == "rule" {
			got = strings.Replace(got, " waiting working", "", 1)
		}
	}
	if want := "preparing starting " + states; got != want {
		c.t.Errorf("its states were %q, want %q", got, want)
	}
}

// decided reports an error unless the only decision is this one, as "allow by rule".
func (c *cell) decided(want string) {
	c.t.Helper()
	var got []string
	for _, p := range payloads[event.PermissionDecided](c.Fleet, c.id) {
		got = append(got, string(p.Action)+" by "+p.By)
	}
	if text := strings.Join(got, ", "); text != want {
		c.t.Errorf("it was decided %q, want %q", text, want)
	}
}

// acked waits until a message is acknowledged.
func (c *cell) acked(m event.MessageID) {
	c.t.Helper()
	c.await(string(m)+" is acknowledged", func() bool { return c.arrived(c.id, m) })
}

// types presses keys in the agent's terminal as a person does, each by itself: some agents take two at once for another key.
func (c *cell) types(keys ...string) {
	c.t.Helper()
	for _, key := range keys {
		c.tmux("send-keys", "-t", "="+c.task(c.id).Session+":agent", key)
		time.Sleep(500 * time.Millisecond)
	}
}

// escapes interrupts the turn as a person does.
func (c *cell) escapes() {
	c.t.Helper()
	ad, err := all.New(c.a.kind)
	if err != nil {
		c.t.Fatal(err)
	}
	c.types(ad.Facts().Interrupt.Keys...)
}

// leaves quits the agent as a person does, who presses Enter again if the program has swallowed the first one.
func (c *cell) leaves() {
	c.t.Helper()
	c.types(c.a.quit, "Enter")
	pressed := time.Now()
	c.await("the agent is gone", func() bool {
		live := c.task(c.id).Agent.Live
		if live && time.Since(pressed) > 5*time.Second {
			c.types("Enter")
			pressed = time.Now()
		}
		return !live
	})
}

// rests waits until the task rests for the n-th time, and returns it.
func (c *cell) rests(n int) life.Task {
	c.t.Helper()
	var got life.Task
	c.await(fmt.Sprintf("it rests for the %d. time", n), func() bool {
		got = c.task(c.id)
		return got.State == event.Limited && strings.Count(c.path(), string(event.Limited)) == n
	})
	return got
}

// situationRules are the checks and permissions of the table. A command that no rule names is asked for.
const situationRules = `
[checks]
edit = { run = "if test -e bad.txt; then echo 'bad.txt:1: it is bad'; exit 1; fi", on = "edit" }
round = "i=0; while test -e slow.txt && [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done; if test -e worse.txt; then echo 'worse.txt:1: it is worse'; exit 1; fi"
[[permission]]
tool = "run"
command = "touch denied.txt"
action = "deny"
reason = "not this file"
[[permission]]
tool = "run"
command = "touch late.txt"
action = "ask"
wait = "2s"
default = "deny"
[[permission]]
tool = "run"
command = "touch asked.txt"
action = "ask"
[[permission]]
tool = "question"
action = "ask"
wait = "2s"
default = "recommended"
[[permission]]
tool = "run"
action = "allow"
[[permission]]
tool = "edit"
action = "allow"
`

// patienceSituation is how long a situation waits for one thing that an agent does. Several agents start at the same time.
const patienceSituation = 10 * time.Minute

// newSituation makes a fleet whose user has set up an agent for the situations. more holds further lines of [task].
func newSituation(t *testing.T, a driver, more string) *agentRig {
	t.Helper()
	r := newAgentRig(t, a.program(t), map[string]string{
		"a.txt": "alpha\n", "b.txt": "beta\n",
		// It says that it runs, and waits until it may end.
		"tool.sh": "touch go-begun\ni=0\nwhile ! test -e go-on && [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done\n",
	})
	r.userConfig("[fleet]\nmax_agents = 3\nmax_checks = 3\nmin_free_disk = 1\nmin_free_memory = 1\n")
	r.patience = patienceSituation
	tables := a.setUp(r)
	r.commitConfig("[task]\nagent = \"" + a.kind + "\"\npublish = \"none\"\n" + more + situationRules + tables)
	return r
}
