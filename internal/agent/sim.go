package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"muster/internal/agent/sim"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/status"
)

// simFirstRecord is a thousand times what the program needs.
const simFirstRecord = 10 * time.Second

type simulated struct{}

// Sim is the adapter for the built-in scripted agent, a verb of the program itself.
func Sim() Adapter { return simulated{} }

// Kind implements Adapter.
func (simulated) Kind() string { return "sim" }

// Traits implements Adapter.
func (simulated) Traits() event.Traits {
	return event.Traits{Door: event.DoorPaste, FirstRecord: simFirstRecord, Resumes: true}
}

// Check implements Adapter: the program is the one that asks.
func (simulated) Check(_ context.Context, p Preflight) error { return checkEnvFrom(p) }

// Plan implements Adapter. The preamble is left out: a script has no use for it.
func (simulated) Plan(l Launch) (Plan, error) {
	if !filepath.IsAbs(l.Exe) {
		return Plan{}, fault.New(fault.Failed, "start sim: %q is no absolute path of muster", l.Exe)
	}
	text := l.Prompt
	if l.Resume {
		if text = l.GoOn; strings.TrimSpace(text) == "" {
			text = "Go on."
		}
	}
	text = withMessages(text, l.Messages)
	argv := []string{l.Exe, "sim", "--conversation", l.Conversation, "--state", simState(l)}
	if l.Resume {
		argv = append(argv, "--resume")
	}
	return Plan{
		Argv:  append(argv, l.Spec.Args...),
		Env:   []string{"MUSTER_PROMPT_FILE=" + promptPath(l)},
		Files: []File{{Path: promptName, Data: []byte(text + ending(text)), Mode: 0o600}},
	}, nil
}

// simState is where the transcripts of a task's conversations lie: beside its generations, which come and go.
func simState(l Launch) string { return filepath.Join(l.Home.TaskDir(l.Task), "sim") }

func simTranscript(l Launch) string { return sim.TranscriptPath(simState(l), l.Conversation) }

// Sources implements Adapter: it writes its records itself.
func (simulated) Sources(Launch, int) []status.Source { return nil }

// Hook implements Adapter: nothing was registered.
func (simulated) Hook(context.Context, HookCall) int { return 0 }

// Resumable implements Adapter: the transcript holds a prompt.
func (simulated) Resumable(l Launch) bool { return sim.Resumable(simTranscript(l)) }

// Delivered implements Adapter, by the transcript.
func (simulated) Delivered(l Launch, m event.MessageID) (Delivery, error) {
	taken, queued, err := sim.Trace(simTranscript(l), m.Tag())
	switch {
	case err != nil:
		return DeliveryUnknown, fmt.Errorf("look for message %s: %w", m, err)
	case taken:
		return DeliveryAcknowledged, nil
	case queued:
		return DeliveryEnqueued, nil
	}
	return DeliveryAbsent, nil
}

// Interrupt implements Adapter.
func (simulated) Interrupt() Interrupt { return Interrupt{Keys: []string{"C-c"}} }

// End implements Adapter.
func (simulated) End() End { return End{Signal: syscall.SIGTERM, Grace: 3 * time.Second} }
