package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/status"
)

// firstRecord is the timeout for the first record, a thousand times what the program needs.
const firstRecord = 10 * time.Second

// adapter embeds the mailbox for answers; messages are pasted.
type adapter struct{ agent.Mailbox }

// New returns the adapter for the built-in scripted agent, a verb of the program itself.
func New() agent.Adapter { return adapter{} }

// Facts implements agent.Adapter.
func (adapter) Facts() agent.Facts {
	return agent.Facts{
		Kind:      "sim",
		Traits:    event.Traits{Door: event.DoorPaste, FirstRecord: firstRecord, Resumes: true},
		Interrupt: agent.Interrupt{Keys: []string{"C-c"}},
		End:       agent.End{Signal: syscall.SIGTERM, Grace: 3 * time.Second},
	}
}

// Check implements agent.Adapter. The program is muster itself, so it exists.
func (adapter) Check(_ context.Context, p agent.Preflight) error { return agent.CheckEnvFrom(p) }

// Use implements agent.Describer. Scripts name tools as real agents do, and the text of a request is its command.
func (adapter) Use(tool string, input []byte) event.ToolUse {
	if name := agent.MCPName("mcp__", tool); name != "" {
		return event.ToolUse{Class: event.ToolMCP, Names: []string{name}}
	}
	var in struct {
		Command string `json:"command"`
	}
	_ = json.Unmarshal(input, &in)
	switch tool {
	case "Bash":
		return event.ToolUse{Class: event.ToolRun, Command: in.Command}
	case "Edit":
		return event.ToolUse{Class: event.ToolEdit, Paths: []string{in.Command}}
	}
	return event.ToolUse{Class: event.ToolOther}
}

// Plan implements agent.Adapter. It leaves out the preamble, which a script does not use.
func (adapter) Plan(l agent.Launch) (agent.Plan, error) {
	if !filepath.IsAbs(l.Exe) {
		return agent.Plan{}, fault.New(fault.Failed, "start sim: %q is not an absolute path of muster", l.Exe)
	}
	text := l.Prompt
	if l.Resume {
		if text = l.GoOn; strings.TrimSpace(text) == "" {
			text = "Go on."
		}
	}
	text = agent.WithMessages(text, l.Messages)
	argv := []string{l.Exe, "sim", "--conversation", l.Conversation, "--state", stateDir(l)}
	if l.Resume {
		argv = append(argv, "--resume")
	}
	return agent.Plan{
		Argv:  append(argv, l.Spec.Args...),
		Env:   []string{environ.PromptFile + "=" + agent.PromptPath(l)},
		Files: []agent.File{agent.PromptFile(text)},
	}, nil
}

// stateDir returns the directory of the transcripts of a task. It is beside the generations' directories, which are
// removed. A fenced agent can write in its private home only.
func stateDir(l agent.Launch) string {
	if l.Spec.Fence != nil {
		return filepath.Join(l.Home.PrivateHome(l.Task), "sim")
	}
	return filepath.Join(l.Home.TaskDir(l.Task), "sim")
}

func transcriptOf(l agent.Launch) string { return TranscriptPath(stateDir(l), l.Conversation) }

// Sources implements agent.Adapter. There are none, because sim writes its records itself.
func (adapter) Sources(agent.Launch, int) []status.Source { return nil }

// Hook implements agent.Adapter. Plan registers no hooks.
func (adapter) Hook(context.Context, agent.HookCall) int { return 0 }

// Resumable implements agent.Adapter. A transcript with a prompt can be resumed.
func (adapter) Resumable(l agent.Launch) bool { return Resumable(transcriptOf(l)) }

// Delivered implements agent.Adapter. It reads the transcript.
func (adapter) Delivered(l agent.Launch, m event.MessageID) (agent.Delivery, error) {
	taken, queued, err := Trace(transcriptOf(l), func(prompt string) bool { return agent.HasTag(prompt, m) })
	switch {
	case err != nil:
		return agent.DeliveryUnknown, fmt.Errorf("look for message %s: %w", m, err)
	case taken:
		return agent.DeliveryAcknowledged, nil
	case queued:
		return agent.DeliveryEnqueued, nil
	}
	return agent.DeliveryAbsent, nil
}
