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

// send sends the messages from the first one up to the end by many senders at once.
func (d *delivery) send(f *Fleet, first, end int) {
	f.t.Helper()
	if d.sent == nil {
		d.sent = map[event.MessageID]string{}
	}
	var wg sync.WaitGroup
	for s := range min(senders, end-first) {
		c := f.frontEnd()
		wg.Go(func() {
			for i := first + s; i < end; i += senders {
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
	if len(d.sent) != end {
		f.t.Errorf("%s: %d messages have ids of their own, want %d", d.id, len(d.sent), end)
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
		for _, id := range agent.Tags(text) {
			arrived[id] = append(arrived[id], strings.TrimSpace(text))
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
		case !holds(texts[0], id, body):
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

// holds reports whether a text of the conversation is the message, in a frame, or has it among others: as the prompt of a
// generation does, or behind a prompt that the program put back into its input after an interrupt.
func holds(text string, id event.MessageID, body string) bool {
	alone := strings.HasPrefix(text, id.Tag()) && strings.Contains(text, body) && len(text) <= len(id.Tag())+len(body)+frameLimit
	behind := strings.HasSuffix(text, "\n"+id.Tag()+" "+body)
	return alone || behind || strings.Contains(text+"\n", id.Tag()+"\n"+body+"\n")
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
						d.send(f, 0, n)
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
	if *deliveryClaude > 0 {
		t.Run("moments", deliverAtEachMoment)
	}
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
		d.send(r.Fleet, 0, min(left, perReal))
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

// deliverAtEachMoment sends 50 messages to one Claude Code: while a tool runs, while it is idle and its check runs, while a
// dialog is open, before it is interrupted, and before it is killed. The supervisor is killed twice.
func deliverAtEachMoment(t *testing.T) {
	t.Parallel()
	const config = "publish = \"none\"\nrounds = 20\n[checks]\nidle = \"while ! test -e \\\"$TMPDIR/over\\\" && ! test -e \\\"$TMPDIR/next\\\"; do sleep 0.2; done; rm -f \\\"$TMPDIR/next\\\"\"\n"
	hold := func(n string) string {
		return "echo begun >> \"$TMPDIR/tool" + n + "\"\nwhile ! test -e \"$TMPDIR/go\"; do sleep 0.2; done\n"
	}
	r := newClaudeRig(t, config, map[string]string{"a.txt": "a\n", "first.sh": hold("1"), "last.sh": hold("2")})
	r.configure(config, `args = ["--allowedTools", "Bash(sh first.sh)", "Bash(sh last.sh)"]`)
	r.patience = 5 * time.Minute
	r.model.Add(useBash("sh first.sh"))
	d := &delivery{id: r.queue("talk", "Wait, and listen.")}
	acknowledged := func(n int) {
		t.Helper()
		r.await(fmt.Sprintf("%d messages are acknowledged", n), func() bool {
			got := 0
			for id := range d.sent {
				if r.arrived(d.id, id) {
					got++
				}
			}
			return got == n
		})
	}
	file := func(name string) {
		t.Helper()
		if err := os.WriteFile(r.tmp(d.id, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	r.await("the tool runs", func() bool { return linesOf(r.tmp(d.id, "tool1")) > 0 })
	d.send(r.Fleet, 0, 10)
	file("go")
	acknowledged(10)

	// The agent is idle and its check runs. A message makes the verdict void, and arrives when the check has ended.
	idle := func(first, end int, script ...model.Step) {
		t.Helper()
		r.await("the check runs", func() bool { return r.task(d.id).State == event.Checking })
		r.model.Add(script...)
		d.send(r.Fleet, first, end)
	}
	idle(10, 20)
	r.kill(r.only("supervise"))
	file("next")
	acknowledged(20)

	idle(20, 21, useBash("python3 -c 'print(6*7)'"))
	file("next")
	r.asks(d.id, nil)
	d.send(r.Fleet, 21, 30)
	r.must("answer", string(d.id), "allow")
	acknowledged(30)

	idle(30, 31, model.Hang())
	file("next")
	r.await("the model thinks", func() bool { return r.model.Left() == 0 })
	d.send(r.Fleet, 31, 40)
	r.must("interrupt", string(d.id))
	r.kill(r.only("supervise"))
	acknowledged(40)

	if err := os.Remove(r.tmp(d.id, "go")); err != nil {
		t.Fatal(err)
	}
	idle(40, 41, useBash("sh last.sh"))
	file("next")
	r.await("the last tool runs", func() bool { return linesOf(r.tmp(d.id, "tool2")) > 0 })
	d.send(r.Fleet, 41, 50)
	r.kill(r.task(d.id).Agent.Process.PID)
	file("go")
	acknowledged(50)
	file("over")
	got := r.becomes(d.id, event.Done)
	if n := len(payloads[event.SupervisorStarted](r.Fleet, "")); n != 3 || got.Gen != 2 {
		t.Errorf("%d supervisors and %d generations, want 3 and 2", n, got.Gen)
	}
	t.Logf("%v", d.count(r.Fleet, r.conversation(d.id)))
}
