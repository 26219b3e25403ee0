package sim

import (
	"os"
	"path/filepath"
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/event"
	"muster/internal/home"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	write := func(t *testing.T, l agent.Launch, ln line) {
		t.Helper()
		if err := os.MkdirAll(stateDir(l), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := (transcript{path: transcriptOf(l), gen: l.Gen}).write(ln); err != nil {
			t.Fatal(err)
		}
	}
	turn := 0
	agenttest.Run(t, agenttest.Subject{
		Adapter: New(),
		Launch: func(t *testing.T) agent.Launch {
			t.Helper()
			dir := t.TempDir()
			return agent.Launch{
				Home: home.Dir(filepath.Join(dir, "state")), Task: "t1", Gen: 1, Exe: "/bin/muster-1", Worktree: filepath.Join(dir, "work"),
				Spec: event.Spec{Agent: "sim", Kind: "sim"}, Prompt: "Do it.", Conversation: "c-1",
			}
		},
		Book: &agenttest.Book{
			Open: func(t *testing.T, l agent.Launch) { t.Helper(); write(t, l, line{Kind: lineBegin}) },
			Queue: func(t *testing.T, l agent.Launch, prompt string) {
				t.Helper()
				write(t, l, line{Kind: lineQueued, Text: prompt})
			},
			Take: func(t *testing.T, l agent.Launch, prompt string) {
				t.Helper()
				turn++
				write(t, l, line{Kind: linePrompt, Turn: turn, Text: prompt})
			},
			Quote: func(t *testing.T, l agent.Launch, text string) {
				t.Helper()
				write(t, l, line{Kind: lineStep, Text: text})
			},
		},
	})
}
