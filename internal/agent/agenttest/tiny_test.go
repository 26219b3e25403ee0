package agenttest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/run"
	"muster/internal/status"
)

// The adapter between the two marks is the one of docs/adapters.md.

// begin of the page's adapter

// tiny is the adapter of an imaginary agent. It is started as `tiny --id ID PROMPT` or `tiny --resume ID PROMPT`,
// calls `muster hook tiny EVENT` when a turn starts and ends, and writes what it was told to ~/.tiny/ID.jsonl, a
// JSON string on each line.
type tiny struct{ agent.Mailbox }

func (tiny) Facts() agent.Facts {
	return agent.Facts{
		Kind:      "tiny",
		Traits:    event.Traits{Door: event.DoorMailbox, FirstRecord: 20 * time.Second, Resumes: true},
		Interrupt: agent.Interrupt{Keys: []string{"Escape"}},
		End:       agent.End{Signal: syscall.SIGTERM, Grace: 3 * time.Second},
	}
}

func (tiny) Check(_ context.Context, p agent.Preflight) error {
	if err := agent.CheckEnvFrom(p); err != nil {
		return err
	}
	if _, err := run.LookPath("tiny", agent.FullEnv(p)); err != nil {
		return fault.Wrap(fault.Conflict, err, "agent %s: no program tiny", p.Spec.Agent).WithHint("Run: npm install -g tiny")
	}
	return nil
}

func (tiny) Plan(l agent.Launch) (agent.Plan, error) {
	program, err := run.LookPath("tiny", l.Env)
	if err != nil {
		return agent.Plan{}, fault.Wrap(fault.Conflict, err, "agent %s: no program tiny", l.Spec.Agent).WithHint("Run: npm install -g tiny")
	}
	text, id := l.Prompt, "--id"
	if l.Resume {
		text, id = l.GoOn, "--resume"
	}
	text = agent.WithMessages(text, l.Messages)
	// The agent gets the name of the file: an argument has a limit, and a prompt may look like an option.
	return agent.Plan{
		Argv:  []string{program, id, l.Conversation, "Do what " + agent.PromptPath(l) + " says."},
		Env:   []string{"MUSTER_PROMPT_FILE=" + agent.PromptPath(l)},
		Files: []agent.File{agent.PromptFile(text)},
	}, nil
}

func (tiny) Sources(agent.Launch, int) []status.Source { return nil } // its hooks say all there is

func (tiny) Hook(_ context.Context, h agent.HookCall) int {
	if h.Getenv == nil {
		return 0
	}
	gen, err := strconv.Atoi(h.Getenv("MUSTER_GEN"))
	file := h.Getenv("MUSTER_STATUS_FILE")
	if err != nil || !filepath.IsAbs(file) {
		return 0
	}
	states := map[string]event.RecordState{"turn-start": event.RecordWorking, "turn-end": event.RecordIdle}
	if state, ok := states[h.Event]; ok {
		r := event.Record{State: state, Prompted: h.Event == "turn-start", Gen: gen, Src: event.SrcHook, Time: time.Now().UTC()}
		_ = status.Append(file, r) // a status file that cannot be written must not stop the agent
	}
	return 0
}

func (tiny) Resumable(l agent.Launch) bool { return len(told(l)) > 0 }

func (tiny) Delivered(l agent.Launch, m event.MessageID) (agent.Delivery, error) {
	for _, prompt := range told(l) {
		for _, id := range agent.Tags(prompt) {
			if id == m {
				return agent.DeliveryAcknowledged, nil
			}
		}
	}
	return agent.DeliveryAbsent, nil
}

// told returns the prompts of the conversation, from the agent's own record of it.
func told(l agent.Launch) []string {
	b, _ := os.ReadFile(record(l))
	var out []string
	for line := range bytes.Lines(b) {
		var prompt string
		if json.Unmarshal(line, &prompt) == nil {
			out = append(out, prompt)
		}
	}
	return out
}

func record(l agent.Launch) string {
	dir, _ := environ.Lookup(l.Env, "HOME")
	return filepath.Join(dir, ".tiny", l.Conversation+".jsonl")
}

// end of the page's adapter

func TestTinyAdapterConforms(t *testing.T) {
	t.Parallel()
	if broken := os.Getenv("AGENTTEST_BROKEN"); broken != "" {
		agenttest.Run(t, subject(brokenAdapters()[broken]))
		return
	}
	agenttest.Run(t, subject(tiny{}))
}

func subject(a agent.Adapter) agenttest.Subject {
	write := func(t *testing.T, l agent.Launch, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(record(l)), 0o700); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(record(l), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // a test's own file
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	return agenttest.Subject{
		Adapter: a,
		Launch: func(t *testing.T) agent.Launch {
			t.Helper()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "tiny"), []byte("#!/bin/sh\n"), 0o700); err != nil { //nolint:gosec // a program
				t.Fatal(err)
			}
			return agent.Launch{
				Home: home.Dir(filepath.Join(dir, "state")), Task: "t1", Gen: 1, Worktree: dir, Exe: "/bin/muster-1", Prompt: "do it",
				Env: []string{"HOME=" + dir, "PATH=" + dir}, Spec: event.Spec{Agent: "tiny", Kind: "tiny"}, Conversation: "c1", Preamble: "p",
			}
		},
		Scenes: []agenttest.Scene{{
			Name:  "a turn",
			Calls: []agenttest.Call{{Event: "turn-start", Payload: `{"a":1}`}, {Event: "turn-end", Payload: `{}`}},
			Want:  []event.RecordState{event.RecordWorking, event.RecordIdle},
		}},
		Book: &agenttest.Book{
			Open: func(t *testing.T, l agent.Launch) { t.Helper(); write(t, l, "") },
			Take: func(t *testing.T, l agent.Launch, prompt string) {
				t.Helper()
				b, err := json.Marshal(prompt)
				if err != nil {
					t.Fatal(err)
				}
				write(t, l, string(b)+"\n")
			},
			Quote: func(t *testing.T, l agent.Launch, text string) {
				t.Helper()
				write(t, l, fmt.Sprintf("{%q:%q}\n", "tool", text))
			},
		},
	}
}

// changed is tiny with some of its methods replaced.
type changed struct {
	tiny
	plan      func(agent.Launch) (agent.Plan, error)
	hook      func(agent.HookCall) int
	delivered func(agent.Launch, event.MessageID) (agent.Delivery, error)
	resumable func(agent.Launch) bool
}

func (c changed) Plan(l agent.Launch) (agent.Plan, error) {
	if c.plan == nil {
		return c.tiny.Plan(l)
	}
	return c.plan(l)
}

func (c changed) Hook(ctx context.Context, h agent.HookCall) int {
	if c.hook == nil {
		return c.tiny.Hook(ctx, h)
	}
	return c.hook(h)
}

func (c changed) Delivered(l agent.Launch, m event.MessageID) (agent.Delivery, error) {
	if c.delivered == nil {
		return c.tiny.Delivered(l, m)
	}
	return c.delivered(l, m)
}

func (c changed) Resumable(l agent.Launch) bool {
	if c.resumable == nil {
		return c.tiny.Resumable(l)
	}
	return c.resumable(l)
}

// brokenAdapters are adapters with one fault each. The name of each is the demand that it does not meet.
func brokenAdapters() map[string]agent.Adapter {
	plan := func(change func(*agent.Plan, agent.Launch)) agent.Adapter {
		return changed{plan: func(l agent.Launch) (agent.Plan, error) {
			p, err := tiny{}.Plan(l)
			if err == nil {
				change(&p, l)
			}
			return p, err
		}}
	}
	return map[string]agent.Adapter{
		"PlanIsPure": plan(func(p *agent.Plan, l agent.Launch) { _ = os.WriteFile(filepath.Join(l.Worktree, "x"), nil, 0o600) }),
		"PlanIsComplete": plan(func(p *agent.Plan, l agent.Launch) {
			p.Files = []agent.File{agent.PromptFile(l.Prompt)} // the messages are missing
		}),
		"PlanTakesAnyPrompt":            plan(func(p *agent.Plan, l agent.Launch) { p.Argv = append(p.Argv, l.Prompt) }),
		"PlanLeavesTheEnvironmentAlone": plan(func(p *agent.Plan, _ agent.Launch) { p.Env = append(p.Env, "TINY_MODE=1") }),
		"PlanResumes":                   plan(func(p *agent.Plan, _ agent.Launch) { p.Argv[2] = "new" }),
		"HookTakesAnything": changed{hook: func(h agent.HookCall) int {
			var v struct{ A int }
			_ = json.NewDecoder(h.Stdin).Decode(&v)
			return []int{0}[v.A-v.A*v.A] // panics unless the field is 0 or 1
		}},
		"Hook":   changed{hook: func(h agent.HookCall) int { _, _ = fmt.Fprintln(h.Stdout, "hello"); return 0 }},
		"Scenes": changed{hook: func(agent.HookCall) int { return 0 }},
		"Delivered": changed{delivered: func(l agent.Launch, m event.MessageID) (agent.Delivery, error) {
			b, _ := os.ReadFile(record(l))
			if strings.Contains(string(b), string(m)) { // m34 looks like m3, and what a tool quotes counts
				return agent.DeliveryAcknowledged, nil
			}
			return agent.DeliveryAbsent, nil
		}},
		"ForeignTagsCountForNothing": plan(func(p *agent.Plan, l agent.Launch) {
			text := l.Prompt
			for _, m := range l.Messages {
				text += "\n\n" + m.ID.Tag() + "\n" + m.Text
			}
			p.Files = []agent.File{agent.PromptFile(text)}
		}),
		"ResumesAfterAKill": changed{resumable: func(l agent.Launch) bool { _, err := os.Stat(record(l)); return err == nil }},
	}
}

func TestSuiteFindsABrokenAdapter(t *testing.T) {
	t.Parallel()
	for name := range brokenAdapters() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			res, err := run.Do(t.Context(), run.Cmd{
				Argv: []string{exe, "-test.run", "^TestTinyAdapterConforms$/^" + name + "$", "-test.v"},
				Env:  append(os.Environ(), "AGENTTEST_BROKEN="+name), Timeout: time.Minute,
			})
			if out := string(res.Stdout); err == nil || !strings.Contains(out, "--- FAIL: TestTinyAdapterConforms/"+name) {
				t.Errorf("the suite did not find the fault: %v\n%s", err, out)
			}
		})
	}
}

func TestPageHasTheTinyAdapter(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("tiny_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(source), "\n// begin of the page's adapter\n")
	code, _, ok := strings.Cut(code, "\n// end of the page's adapter\n")
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "adapters.md"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "```go\n" + strings.TrimSpace(code) + "\n```"; !ok || !strings.Contains(string(page), want) {
		t.Errorf("docs/adapters.md does not have the adapter of tiny_test.go; put this there:\n%s", want)
	}
}
