package e2e

import (
	"os"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/testkit/model"
)

func TestClaudeRestsAfterAnErrorOfTheServiceAndIsParkedWithoutALogin(t *testing.T) {
	t.Parallel()
	r := newClaudeRig(t, "publish = \"none\"\n", map[string]string{"a.txt": "a\n"})
	r.model.Add(model.Error(529))
	id := r.queue("err", "Say hello.")
	limited := r.becomes(id, event.Limited)
	due, ok := limited.Deadline(event.DeadlineAPIRetry)
	if left := time.Until(due.At); !ok || left > time.Minute || left < 0 || limited.Reason != event.Reason(event.ErrorOverloaded) {
		t.Errorf("limited for %q until %v (%v)", limited.Reason, due.At, ok)
	}
	if !limited.Agent.Live || limited.Slot {
		t.Errorf("it rests alive: %v, with a slot: %v; want alive, without", limited.Agent.Live, limited.Slot)
	}
	r.model.Clear()
	r.model.Add(model.Error(403), model.Error(403), model.Error(403))
	parked := r.becomes(id, event.Parked) // a minute later it has continued by itself
	if parked.Reason != life.ReasonAuth {
		t.Errorf("parked for %q (%s), want %q", parked.Reason, parked.Detail, life.ReasonAuth)
	}
	r.await("the agent is gone", func() bool { p := r.task(id); return !p.Agent.Live && !p.Slot })
	r.once("[muster m1]")
	r.model.Clear()
	r.must("retry", string(id)) // a person has logged in
	got := r.becomes(id, event.Done)
	if got.Attempt != 1 || got.Gen != 2 || got.Conversation != limited.Conversation {
		t.Errorf("attempt %d, generation %d, conversation %s; want 1, 2, %s", got.Attempt, got.Gen, got.Conversation, limited.Conversation)
	}
	r.once("Say hello.")
}

func TestDispatchRefusesWhatWouldStopClaudeAtOnce(t *testing.T) {
	t.Parallel()
	r := newClaudeRig(t, "publish = \"none\"\n", map[string]string{"a.txt": "a\n"})
	config := r.user.Home + "/.claude.json"
	setUp, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	stranger := strings.Replace(string(setUp), r.repo, "/elsewhere", 1)
	whole := r.env
	for _, c := range []struct {
		name, says, hint string
		world            func()
	}{
		{"no set-up", "has not been set up", "Run: cd " + r.repo + " && claude", func() { r.remove(config) }},
		{"no trust", "told to trust " + r.repo, "answer Yes: cd " + r.repo + " && claude", func() { r.write(config, stranger) }},
		{"an unknown key", "told to use the ANTHROPIC_API_KEY", "&& claude", func() { r.setVar("ANTHROPIC_API_KEY", "another-key-that-nobody-approved") }},
		{"no key", "needs ANTHROPIC_API_KEY", "muster up", func() { r.setVar("ANTHROPIC_API_KEY", "") }},
		{"no program", "no program claude", "npm install -g @anthropic-ai/claude-code", func() { r.setVar("PATH", os.Getenv("PATH")) }},
	} {
		r.env = whole
		r.write(config, string(setUp))
		c.world()
		got := r.run("dispatch", "hello")
		if got.exit != 4 || got.out != "" || !strings.Contains(got.err, c.says) || !strings.Contains(got.err, c.hint) {
			t.Errorf("%s: exit %d, %q, %q; want 4, nothing, %q and %q", c.name, got.exit, got.out, got.err, c.says, c.hint)
		}
	}
	if n := len(r.events("")); n != 0 {
		t.Errorf("%d events were written for tasks that were refused", n)
	}
	// The user can give up the trust dialog by configuration, and then it is not shown.
	r.env = whole
	r.write(config, stranger)
	r.configure("publish = \"none\"", "trust = \"sandboxed\"")
	r.becomes(r.queue("sandboxed", "Say hello."), event.Done)
}

func (r *agentRig) remove(path string) {
	r.t.Helper()
	if err := os.Remove(path); err != nil {
		r.t.Fatal(err)
	}
}
