package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/agent"
	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/mail"
	"muster/internal/testkit/model"
)

// How many messages are delivered to the agents of each kind. `make delivery` delivers many more.
var (
	deliverySim      = flag.Int("delivery.sim", 48, "messages to scripted agents")
	deliveryClaude   = flag.Int("delivery.claude", 0, "messages to Claude Code")
	deliveryCodex    = flag.Int("delivery.codex", 0, "messages to Codex")
	deliveryOpenCode = flag.Int("delivery.opencode", 0, "messages to OpenCode")
)

const (
	senders     = 20 // at the same time, to each task
	perSim      = 200
	perReal     = 50       // messages of one conversation with a real agent
	frameLimit  = 300      // bytes that an agent and its adapter put around a message
	longMessage = 90 << 10 // bytes; control accepts 100 KiB
)

// delivery is one task and the messages that were sent to it.
type delivery struct {
	id   event.TaskID
	mu   sync.Mutex
	sent map[event.MessageID]string
}

// words returns the text of the i-th message of a task. The texts begin and end with all that shells, terminals and the
// agents' own prompts would interpret.
func words(id event.TaskID, i int) string {
	own := fmt.Sprintf("message %d of %s", i, id)
	switch i % 12 {
	case 0:
		return "/cost " + own
	case 1:
		return "@a.txt " + own + ";"
	case 2:
		return "!id " + own + ` \`
	case 3:
		return "# " + own + "\n\n- not a list \\n;"
	case 4:
		return "~ " + own + "; exit"
	case 5:
		return "- " + own + "\n" + strings.Repeat("a line of thirty with \"quotes\" and $HOME\n", 29)
	case 6:
		return own + " ünïcödé 日本語 한국어 العربية עברית हिन्दी ไทย Ελληνικά Кириллица 👩‍💻 🇩🇪" // composed: Claude Code composes what is typed
	case 7:
		return own + " \x1b[201~\x1b[31mred\x1b[0m \x07\x7f\x01 \r\nnext line\u202e"
	case 8:
		return "[muster m1] " + own
	case 9:
		return "--help " + own + " </system-reminder> `id` $(id)"
	case 10:
		if i < 12 {
			return own + "\n" + strings.Repeat("long text; ", longMessage/11) + "end"
		}
		return own + " ?"
	}
	return own
}

// send sends n messages by many senders at once.
func (d *delivery) send(f *Fleet, n int) {
	f.t.Helper()
	d.sent = map[event.MessageID]string{}
	var wg sync.WaitGroup
	for s := range min(senders, n) {
		c := f.frontEnd()
		wg.Go(func() {
			for i := s; i < n; i += senders {
				text := words(d.id, i)
				out, err := c.Do(context.Background(), control.Send{Task: d.id, Text: text})
				if err != nil {
					f.t.Errorf("send %d to %s: %v", i, d.id, err)
					return
				}
				d.mu.Lock()
				d.sent[out.Message] = text
				d.mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(d.sent) != n {
		f.t.Errorf("%s: %d messages have ids of their own, want %d", d.id, len(d.sent), n)
	}
}

// counts says what became of messages.
type counts struct{ sent, lost, doubled, altered, misreported int }

func (c counts) String() string {
	return fmt.Sprintf("%d sent, %d lost, %d doubled, %d altered, %d reported wrongly", c.sent, c.lost, c.doubled, c.altered, c.misreported)
}

// count compares what was sent with what the agent got, and with what the log says. got are the texts of a conversation.
func (d *delivery) count(f *Fleet, got []string) (c counts) {
	f.t.Helper()
	state := map[event.MessageID]event.MessageState{}
	for _, m := range payloads[event.MessageMoved](f, d.id) {
		state[m.Message] = m.To
	}
	arrived := map[event.MessageID][]string{}
	for _, text := range got {
		if text = strings.TrimSpace(text); strings.HasPrefix(text, "[muster m") {
			for _, id := range agent.Tags(text) {
				arrived[id] = append(arrived[id], text)
			}
		}
	}
	for id, sent := range d.sent {
		c.sent++
		body := strings.TrimSpace(agent.Words(mail.Message{ID: id, Text: sent}))
		switch texts := arrived[id]; {
		case len(texts) == 0:
			c.lost++
			f.t.Errorf("%s of %s is lost: %.60q", id, d.id, sent)
		case len(texts) > 1:
			c.doubled++
			f.t.Errorf("%s of %s arrived %d times", id, d.id, len(texts))
		case !strings.HasPrefix(texts[0], id.Tag()) || !strings.Contains(texts[0], body) || len(texts[0]) > len(id.Tag())+len(body)+frameLimit:
			c.altered++
			f.t.Errorf("%s of %s was altered: sent %.200q, arrived %.300q", id, d.id, body, texts[0])
		}
		if state[id] != event.MessageAcked {
			c.misreported++
			f.t.Errorf("%s of %s is said to be %q", id, d.id, state[id])
		}
	}
	for id, texts := range arrived {
		if _, ours := d.sent[id]; !ours {
			c.altered++
			f.t.Errorf("%s got a message that was not sent: %.100q", d.id, texts[0])
		}
	}
	return c
}

func (c *counts) add(more counts) {
	c.sent += more.sent
	c.lost += more.lost
	c.doubled += more.doubled
	c.altered += more.altered
	c.misreported += more.misreported
}

// TestDelivery sends messages to agents of each kind, by many senders at once, while their first turn runs. Each must
// arrive once and as it is, in the agent's transcript or at the model, and be reported as acknowledged.
func TestDelivery(t *testing.T) {
	t.Parallel()
	if *deliverySim > 0 {
		t.Run("sim", func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			f.userConfig("[fleet]\nmax_agents = 12\nmax_checks = 3\nmin_free_disk = 1\nmin_free_memory = 1\n")
			var all counts
			for left := *deliverySim; left > 0; {
				var wave []*delivery
				for range 12 {
					if n := min(left, perSim); n > 0 {
						d := &delivery{id: f.dispatch("mark here\nawait-file go-on\nappend a.txt x\nidle", "--no-checks")}
						f.marks(d.id, "here")
						if _, err := f.control().Do(t.Context(), control.Send{Task: d.id, Text: strings.Repeat("x", 200<<10)}); !fault.Is(err, fault.Usage) {
							t.Errorf("200 KiB, which is too long for a message: %v", err)
						}
						d.send(f, n)
						wave, left = append(wave, d), left-n
					}
				}
				for _, d := range wave {
					f.release(d.id, "go-on")
				}
				for _, d := range wave {
					f.within(time.Hour, string(d.id)+" is done", func() bool { return f.task(d.id).State == event.Done })
					all.add(d.count(f, f.prompts(d.id)))
				}
				t.Logf("so far: %v", all)
			}
		})
	}
	program := func(name string, n int, rig func(*testing.T) *agentRig, tool func(command string) model.Reply) {
		if n <= 0 {
			return
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deliverToReal(t, rig(t), n, tool)
		})
	}
	files := map[string]string{"a.txt": "a\n", "hold.sh": "echo begun >> \"$TMPDIR/begun-$MUSTER_TASK\"\nwhile ! test -e \"$TMPDIR/go-$MUSTER_TASK\"; do sleep 0.2; done\n"}
	program("claude", *deliveryClaude, func(t *testing.T) *agentRig {
		r := newClaudeRig(t, "publish = \"none\"\n", files)
		r.configure("publish = \"none\"\n", `args = ["--allowedTools", "Bash(sh hold.sh)"]`)
		return r
	}, func(command string) model.Reply {
		return model.Use("Bash", map[string]any{"command": command, "description": "wait"})
	})
	program("codex", *deliveryCodex, func(t *testing.T) *agentRig {
		r, _ := newCodexRig(t, "publish = \"none\"\n", files)
		return r
	}, func(command string) model.Reply {
		return model.Use("exec_command", map[string]any{"cmd": command, "yield_time_ms": 30000})
	})
	program("opencode", *deliveryOpenCode, func(t *testing.T) *agentRig {
		return newOpenCodeRig(t, "publish = \"none\"\n", map[string]any{"bash": "allow"}, files)
	}, func(command string) model.Reply {
		return model.Use("bash", map[string]any{"command": command, "description": "wait"})
	})
}

// deliverToReal delivers n messages to real agents, of which each has one conversation.
func deliverToReal(t *testing.T, r *agentRig, n int, tool func(command string) model.Reply) {
	t.Helper()
	r.patience = time.Hour
	r.model.Otherwise(func(q model.Request) model.Reply {
		for _, m := range q.Messages {
			if len(m.ToolUses) > 0 {
				return model.Say("I have heard.")
			}
		}
		return tool("sh hold.sh")
	})
	var all counts
	for left := n; left > 0; left -= perReal {
		d := &delivery{id: r.queue("talk", "Wait, and listen.")}
		r.await("the tool runs", func() bool { return linesOf(r.tmp(d.id, "begun-"+string(d.id))) > 0 })
		d.send(r.Fleet, min(left, perReal))
		if err := os.WriteFile(r.tmp(d.id, "go-"+string(d.id)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r.becomes(d.id, event.Done)
		all.add(d.count(r.Fleet, r.conversation(d.id)))
		t.Logf("so far: %v", all)
	}
}

// conversation returns the texts of a task's longest conversation at the model that are not the model's own.
func (r *agentRig) conversation(id event.TaskID) (texts []string) {
	var longest model.Request
	for _, q := range r.model.Requests() {
		if q.Contains("Task "+string(id)+" (muster)") && len(q.Messages) >= len(longest.Messages) {
			longest = q
		}
	}
	for _, m := range longest.Messages {
		if m.Role != "assistant" {
			texts = append(texts, m.Texts...)
		}
	}
	return texts
}
