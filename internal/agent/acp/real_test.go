package acp

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/testkit/gemini"
	"muster/internal/testkit/model"
	"muster/internal/testkit/opencode"
	testrig "muster/internal/testkit/rig"
)

// TestRealAgentsSpeakTheProtocol starts agents that have an adapter of their own by the protocol instead, against a scripted model: a turn
// with a tool, a login that is refused, and a kill after which the conversation is taken up.
func TestRealAgentsSpeakTheProtocol(t *testing.T) {
	testrig.Long(t)
	t.Parallel()
	for name, c := range map[string]struct {
		command []string
		env     func(t *testing.T, home, url, repo string) []string
		tool    model.Reply
	}{
		"opencode": {[]string{"opencode", "acp"}, func(t *testing.T, home, url, _ string) []string {
			t.Helper()
			u := opencode.User{Home: home}
			u.SetUp(t, url, map[string]any{"bash": "allow"})
			return u.Env(t)
		}, model.Use("bash", map[string]any{"command": "echo from-the-tool", "description": "say"})},
		"gemini": {[]string{"gemini", "--acp", "--model", gemini.Model, "--approval-mode", "yolo"}, func(t *testing.T, home, url, repo string) []string {
			t.Helper()
			u := gemini.User{Home: home, URL: url}
			u.SetUp(t, repo)
			return append(u.Env(t), "GEMINI_CLI_TRUST_WORKSPACE=true")
		}, model.Use("run_shell_command", map[string]any{"command": "echo from-the-tool"})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := model.Start(t)
			l := agenttest.NewLaunch(t, Kind)
			l.Conversation, l.Preamble, l.Prompt = "0f9a7c5e-52a5-4a8b-9d0e-6a6d2c1b3e4f", "preamble\n", "say hello"
			l.Spec.Command = c.command
			user := filepath.Join(agenttest.Root(l), "user")
			if err := os.Mkdir(user, 0o700); err != nil {
				t.Fatal(err)
			}
			l.Env = c.env(t, user, m.URL, l.Spec.Repo)
			m.Add(model.Always(c.tool), model.Text("hello"))
			st := start(t, l, nil)
			all := st.rests(1)
			if last := all[len(all)-1]; last.State != idle || !slices.ContainsFunc(all, func(r event.Record) bool { return r.Tool == "execute" }) {
				t.Fatalf("the records are %+v", all)
			}
			if r := m.Requests(); !r[len(r)-1].Contains("from-the-tool") {
				t.Error("the tool did not run")
			}
			m.Add(model.Always(model.Fail(401)))
			st.typed.WriteString("once more\n") //nolint:errcheck // a test's own pipe
			all = st.rests(2)
			if last := all[len(all)-1]; last.State != event.RecordError || last.Error != event.ErrorAuth {
				t.Errorf("a login that is refused is %+v", last)
			}
			m.Add(model.Hang())
			st.typed.WriteString("and hang\n") //nolint:errcheck // a test's own pipe
			st.await("the model is called", func([]event.Record) bool { return m.Left() == 0 })
			st.signals <- syscall.SIGKILL // as a signal that ends it at once
			st.ended(128 + int(syscall.SIGKILL))
			if !New(nil).Resumable(l) {
				t.Fatal("the conversation cannot be taken up")
			}
			m.Add(model.Text("I go on"))
			l = next(l, mail.Message{ID: "m1", Text: "the second word"})
			start(t, l, nil).rests(1)
			last := m.Requests()[len(m.Requests())-1]
			for _, text := range []string{"say hello", "the second word", "go on from here"} {
				n := 0
				for _, q := range last.Messages {
					n += strings.Count(strings.Join(q.Texts, "\n"), text)
				}
				if n != 1 {
					t.Errorf("the model has %q %d times", text, n)
				}
			}
			if d, err := New(nil).Delivered(l, "m1"); err != nil || d != agent.DeliveryAcknowledged {
				t.Errorf("m1 is %s (%v)", d, err)
			}
		})
	}
}
