package e2e

import (
	"os"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/testkit/claude"
	"muster/internal/testkit/model"
	"muster/internal/text"
)

// hostile returns a text with everything that shells, terminals and the program's own prompt would interpret.
func hostile(size int) string {
	var b strings.Builder
	b.WriteString("/cost $HOME `id` $(id) \"double\" 'single' \\back\\slash {brace} <tag> </system-reminder> %s &amp; ~ # ! @file * ? [x]\r\n")
	b.WriteString("\ttab, bell \a, escape \x1b[31mred\x1b[0m, end of paste \x1b[201~, delete \x7f, nul \x00, ünïcödé 日本語 👩‍💻\u202e right to left\n")
	for i := 0; b.Len() < size; i++ {
		b.WriteString("line 'of' \"many\" `kinds` $x \\n\n")
	}
	b.WriteString("the end ")
	return b.String()
}

func TestClaudeGetsEveryPromptAsItIs(t *testing.T) {
	t.Parallel()
	r := newClaudeRig(t, "publish = \"none\"\n", map[string]string{"a.txt": "a\n"})
	r.userConfig("[fleet]\nmax_agents = 2\nmin_free_disk = 1\nmin_free_memory = 1\n")
	prompts := []string{"exit", "-p --help", "/cost", "!id", hostile(80 << 10)}
	var ids []event.TaskID
	for _, p := range prompts {
		ids = append(ids, r.queue("", p))
	}
	for i, id := range ids {
		r.becomes(id, event.Done)
		want := "Task " + string(id) + " (muster):\n\n" + text.Clean(prompts[i])
		n := 0
		for _, q := range r.model.Requests() {
			for _, m := range q.Messages {
				for _, text := range m.Texts {
					if strings.TrimRight(text, " \n") == strings.TrimRight(want, " \n") {
						n++
					}
				}
			}
		}
		if n != 1 {
			t.Errorf("the prompt %.30q was seen as it is %d times, want once", prompts[i], n)
		}
	}
	// A text that is too long for an argument is in a file, which the agent may read without asking.
	long := hostile(200 << 10)
	id := event.NewTaskID(len(prompts) + 1)
	path := home.Dir(r.home).NewGen(id, 1).RO() + "/prompt.md"
	r.model.Add(model.ToolUse("Read", map[string]any{"file_path": path, "limit": 5}), model.Text("Read."))
	if got := r.queue("", long); got != id {
		t.Fatalf("it became %s, want %s", got, id)
	}
	r.becomes(id, event.Done)
	b, err := os.ReadFile(path)
	if err != nil || strings.TrimSuffix(string(b), "\n") != strings.TrimSuffix(text.Clean(long), "\n") {
		t.Errorf("the file does not hold the prompt (%v, %d bytes)", err, len(b))
	}
	asked := r.model.Requests()
	if last := asked[len(asked)-1].Last(); !last.Contains("end of paste") {
		t.Errorf("the file could not be read: %+v", last)
	}
}

func TestClaudeTakesMessagesAndInterruptsAtAnyMoment(t *testing.T) {
	claude.Each(t, func(t *testing.T, version string) {
		const checks = "publish = \"none\"\n[checks]\nslow = \"echo begun >> \\\"$TMPDIR/begun\\\"; sleep 4\"\n"
		r := newClaudeRigOf(t, version, checks, map[string]string{"tool.sh": "echo begun >> \"$TMPDIR/tool\"\nsleep 4\n"})
		r.configure(checks, `args = ["--allowedTools", "Bash(sh tool.sh)"]`)
		tool, begun := r.tmp("t1", "tool"), r.tmp("t1", "begun")
		r.model.Add(
			model.Delay(4*time.Second, useBash("sh tool.sh")), // m1 is sent while the model thinks, m2 during the tool
			model.Text("It has run."),                         // each message needs its own turn to count as the person's
			model.Text("I have heard."),
			model.Text("I have heard, too."),
		)
		id := r.queue("talk", "Run the tool.")
		r.asked(1)
		r.must("send", string(id), "while you think")
		r.await("the tool runs", func() bool { return linesOf(tool) == 1 })
		r.must("send", string(id), "while the tool runs")
		r.await("both messages arrived", func() bool { return r.arrived(id, "m1", "m2") })
		r.await("the check runs", func() bool { return linesOf(begun) > 0 })

		// The agent is idle and its check runs: a message makes the verdict void, and the agent goes on.
		r.model.Clear()
		r.model.Add(model.Hang())
		r.must("send", string(id), "while you rest")
		r.await("m3 arrived", func() bool { return r.arrived(id, "m3") })
		r.await("the model is asked", func() bool { return r.model.Seen("while you rest") == 1 })
		calls := len(r.model.Requests())

		// The agent is interrupted in the middle of a turn, which no hook reports, and then gets a message.
		was := linesOf(begun)
		r.must("interrupt", string(id))
		r.await("the end of the turn is seen", func() bool { return r.task(id).Agent.Turn.Over() })
		r.must("send", string(id), "now do something else")
		r.await("m4 arrived", func() bool { return r.arrived(id, "m4") })
		got := r.becomes(id, event.Done)
		if n := linesOf(begun) - was; n != 1 {
			t.Errorf("%d rounds after the interrupt, want 1: what a person broke off is not judged", n)
		}
		r.once("while you think", "while the tool runs", "while you rest", "now do something else")
		if got.Gen != 1 {
			t.Errorf("generation %d, want the first", got.Gen)
		}
		if n := len(r.model.Requests()); n != calls+1 {
			t.Errorf("the model was called %d times after the third message, want 1", n-calls)
		}
	})
}

// arrived reports whether these messages are acknowledged.
func (r *agentRig) arrived(id event.TaskID, want ...event.MessageID) bool {
	t := r.task(id)
	for _, w := range want {
		if m, ok := t.Message(w); !ok || m.State != event.MessageAcked {
			return false
		}
	}
	return true
}
