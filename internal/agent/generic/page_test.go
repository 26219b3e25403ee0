package generic_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/agent"
	"muster/internal/agent/generic"
	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/proof/prooftest"
	"muster/internal/run"
	"muster/internal/testkit/files"
	testrig "muster/internal/testkit/rig"
)

// crane plays the program that docs/adapters.md describes: it calls the hooks that its configuration names, runs what stands
// behind "run:" in a prompt if its hook allows it, and takes further prompts as lines. It returns its exit status.
func crane(args []string) int {
	var session, file string
	for i, a := range args {
		switch a {
		case "--session", "--resume":
			session = args[i+1]
		case "--config":
			file = args[i+1]
		}
	}
	var settings struct {
		Hooks map[string]string `json:"hooks"`
	}
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &settings)
	}
	if err != nil {
		fmt.Println("crane:", err)
		return 1
	}
	ctx, end := context.WithTimeout(context.Background(), 10*time.Minute)
	defer end()
	hook := func(word string, payload map[string]any) map[string]string {
		payload["session"] = session
		in, _ := json.Marshal(payload)
		res, _ := run.Do(ctx, run.Cmd{Argv: []string{"/bin/sh", "-c", settings.Hooks[word]}, Env: os.Environ(), Stdin: strings.NewReader(string(in))})
		var said map[string]string
		_ = json.Unmarshal(res.Stdout, &said)
		return said
	}
	take := func(prompt string) {
		fmt.Printf("> %s\n", prompt)
		hook("prompt", map[string]any{"text": prompt})
		for line := range strings.Lines(prompt) {
			_, command, ok := strings.Cut(strings.TrimSpace(line), "run: ")
			if !ok {
				continue
			}
			use := map[string]any{"tool": "shell", "input": map[string]any{"command": command}}
			if said := hook("ask", use); said["answer"] != "yes" {
				fmt.Println("not allowed:", said["why"])
				continue
			}
			_, _ = run.Do(ctx, run.Cmd{Argv: []string{"/bin/sh", "-c", command}, Env: os.Environ()})
		}
		hook("end", map[string]any{})
	}
	take(args[len(args)-1])
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() != "" {
			take(in.Text())
		}
	}
	return 0
}

// pageAgent returns the agent that docs/adapters.md describes, read as a project's file.
func pageAgent(t *testing.T) config.Agent {
	t.Helper()
	page := files.Read(t, filepath.Join("..", "..", "..", "docs", "adapters.md"))
	_, block, ok := strings.Cut(page, "```toml\n[agents.crane]\n")
	block, _, closed := strings.Cut(block, "\n```")
	if !ok || !closed {
		t.Fatal("docs/adapters.md does not describe the agent crane")
	}
	path := files.Write(t, filepath.Join(t.TempDir(), "muster.toml"), "[agents.crane]\n"+block+"\n")
	c, err := config.Load("", path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Agent("crane")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAgentOfThePageWorks(t *testing.T) {
	t.Parallel()
	described := pageAgent(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	files.Script(t, home, "crane", `exec "`+exe+`" crane "$@"`)
	spec := event.Spec{Command: described.Command, Recipe: described.Recipe}
	r := testrig.New(t, generic.New(described.Recipe), "run: echo one > one.txt\nrun: echo two > two.txt", spec, func(string, string) []string {
		return []string{"HOME=" + home, "LANG=C.UTF-8", "PATH=" + home + ":" + os.Getenv("PATH")}
	})
	if err := r.Adapter.Check(t.Context(), agent.Preflight{Spec: r.Launch.Spec, Env: r.Launch.Env, Home: r.Launch.Home}); err != nil {
		t.Fatal(err)
	}
	r.Start()
	answer := func(what, decision, text string) {
		t.Helper()
		ask := r.Record(what+" is asked", func(rec event.Record) bool { return rec.State == waiting && strings.Contains(rec.Note, what) })
		shown, err := r.Box().Asked(ask.Request, ask.Tool)
		if err != nil {
			t.Fatal(err)
		}
		a := mail.Answer{Request: ask.Request, Decision: decision, Text: text, Hash: shown.Hash, Gen: 1}
		prooftest.Intend(t, r.Launch.Home, "t1", 1, a)
		if err := r.Adapter.Answer(r.Launch, a); err != nil {
			t.Fatal(err)
		}
	}
	answer("one.txt", mail.Allow, "")
	answer("two.txt", mail.Deny, "not this file")
	idles := func(n int) {
		t.Helper()
		r.Until("the turn is over", func() bool {
			return testrig.Count(r.Records(), func(rec event.Record) bool { return rec.State == idle }) >= n
		})
	}
	idles(1)
	if !files.Exists(filepath.Join(r.Launch.Worktree, "one.txt")) || files.Exists(filepath.Join(r.Launch.Worktree, "two.txt")) {
		t.Error("what was allowed did not run, or what was denied did")
	}
	r.Paste(r.Adapter.Typed(mail.Message{ID: "m1", Text: "one more thing"})...)
	time.Sleep(150 * time.Millisecond)
	r.Tmux("send-keys", "-t", r.Pane(), "Enter")
	r.Record("m1 is acknowledged", func(rec event.Record) bool { return rec.Message == "m1" && rec.Prompted })
	idles(2)
	r.Kill()
	next := r.Launch
	next.Gen, next.Resume, next.GoOn = 2, true, "go on"
	if d, err := r.Adapter.Delivered(next, "m1"); err != nil || d != agent.DeliveryAcknowledged || !r.Adapter.Resumable(next) {
		t.Fatalf("m1 is %s (%v), resumable: %v", d, err, r.Adapter.Resumable(next))
	}
	r.Launch = next
	r.Start()
	r.Record("it goes on", func(rec event.Record) bool {
		return rec.Prompted && rec.Gen == 2 && rec.SessionID == r.Launch.Conversation
	})
	idles(1)
}
