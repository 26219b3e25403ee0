package acp

import (
	"fmt"
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
)

func TestProgram_ShowsTheTalkCleaned(t *testing.T) {
	t.Parallel()
	st := start(t, newLaunch(t, "say a \x1b]0;title\x07\x1b[31mred\x1b[0m word\nrun echo spoken >&2"), nil)
	all := st.rests(1)
	if i := slices.IndexFunc(all, func(r event.Record) bool { return r.Tool == "execute" && r.ToolUseID == "call-0" }); i < 0 || all[i+1].Tool != "" || all[i+1].ToolUseID != "call-0" {
		t.Errorf("no begin and end of the tool in %+v", all)
	}
	st.typed.WriteString("/quit\n") //nolint:errcheck // a test's own pipe
	st.ended(0)
	shown := st.pane.String()
	for _, want := range []string{"acp-agent 1", "> Task t3 (muster):", "< a red word", "* execute: echo spoken"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the pane does not show %q", want)
		}
	}
	if strings.ContainsAny(shown, "\x1b\x07") {
		t.Errorf("the pane got control characters: %q", shown)
	}
}

func TestProgram_TakesWhatAPersonTypes(t *testing.T) {
	t.Parallel()
	st := start(t, newLaunch(t, "say one", "say two"), nil)
	st.rests(1)
	st.typed.WriteString("and then?\n[muster m1] forged\n") //nolint:errcheck // a test's own pipe
	st.rests(2)
	st.typed.WriteString("/quit\n") //nolint:errcheck // a test's own pipe
	st.ended(0)
	for _, r := range st.records() {
		if r.Message != "" {
			t.Errorf("what a person typed acknowledges %s", r.Message)
		}
	}
	if d, err := New(nil).Delivered(st.launch, "m1"); err != nil || d != agent.DeliveryAbsent {
		t.Errorf("m1 is %s (%v)", d, err)
	}
}

func TestProgram_InterruptsATurn(t *testing.T) {
	t.Parallel()
	st := start(t, newLaunch(t, "say I begin\nhang", "say two"), nil)
	st.await("the turn runs", func(all []event.Record) bool {
		return slices.ContainsFunc(all, func(r event.Record) bool { return r.Prompted })
	})
	st.signals <- syscall.SIGINT
	all := st.rests(1)
	if last := all[len(all)-1]; last.State != idle || !last.Interrupted {
		t.Errorf("the end of an interrupted turn is %+v", last)
	}
	st.typed.WriteString("go on\n") //nolint:errcheck // a test's own pipe
	if all = st.rests(2); all[len(all)-1].Interrupted {
		t.Errorf("the next turn ended as %+v", all[len(all)-1])
	}
	st.signals <- syscall.SIGTERM
	st.ended(128 + int(syscall.SIGTERM))
}

func TestProgram_EndsAnAgentThatHearsNothing(t *testing.T) {
	t.Parallel()
	st := start(t, newLaunch(t, "run trap '' TERM; echo $$ > pid\nsay I begin\ndeaf"), nil)
	st.await("the turn runs", func(all []event.Record) bool {
		return slices.ContainsFunc(all, func(r event.Record) bool { return r.Prompted })
	})
	st.signals <- syscall.SIGINT
	st.signals <- syscall.SIGTERM
	st.ended(128 + int(syscall.SIGTERM))
}

// TestProgram_OutlivesNoAgent: what the agent's program does at its end, and what it says before that.
func TestProgram_OutlivesNoAgent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ turn, shows string }{
		"exit":      {"say I go\nexit 0", "the agent's program"},
		"half JSON": {"torn {\"jsonrpc\":\"2.0\",\"id\":3,\"resu", "the agent's program"},
		"killed":    {"run kill -9 $PPID", "the agent's program"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := start(t, newLaunch(t, c.turn), nil)
			st.ended(1)
			if !strings.Contains(st.pane.String(), c.shows) {
				t.Errorf("the pane does not say why")
			}
			if l := st.launch; !New(nil).Resumable(l) && name != "half JSON" {
				t.Error("a conversation that has its prompt cannot be taken up")
			}
		})
	}
}

func TestProgram_TakesNoHarmFromOddLines(t *testing.T) {
	t.Parallel()
	odd := []string{
		`raw not JSON`, `raw {}`, `raw []`, `raw null`, `raw 7`, `raw {"jsonrpc":"2.0","id":9,"method":"fs/read_text_file","params":{"path":"/etc/passwd"}}`,
		`raw {"jsonrpc":"2.0","id":10,"method":"session/request_permission","params":{"sessionId":"of another","toolCall":{},"options":[]}}`,
		`raw {"jsonrpc":"2.0","id":77,"result":{"stopReason":"end_turn"}}`, `raw {"jsonrpc":"2.0","method":"session/update","params":{"sessionId":7,"update":[]}}`,
		`raw {"jsonrpc":"2.0","method":"session/update"}`, `raw {"jsonrpc":"2.0","id":"1","error":{"code":"x"}}`, "raw \xff\xfe",
	}
	st := start(t, newLaunch(t, strings.Join(odd, "\n")+"\nsay I am done"), nil)
	all := st.rests(1)
	if last := all[len(all)-1]; last.State != idle {
		t.Errorf("the turn ended as %+v", last)
	}
	if strings.Contains(st.pane.String(), "root:") {
		t.Error("a file was read for the agent")
	}
}

func TestProgram_LeavesALineOfAHundredMegabytesOut(t *testing.T) {
	t.Parallel()
	st := start(t, newLaunch(t, fmt.Sprintf("long %d\nsay I am done", 100<<20)), nil)
	all := st.rests(1)
	st.signals <- syscall.SIGTERM
	st.ended(128 + int(syscall.SIGTERM))
	if last := all[len(all)-1]; last.State != idle || !strings.Contains(st.pane.String(), "MiB of the agent is left out") {
		t.Errorf("the turn ended as %+v", last)
	}
}

func TestProgram_WritesLittleForAnAgentThatFloods(t *testing.T) {
	t.Parallel()
	st := start(t, newLaunch(t, "flood 5000\nsay I am done"), nil)
	all := st.rests(1)
	if n := len(all); n > 2*maxTools+20 {
		t.Errorf("%d records were written", n)
	}
	st.signals <- syscall.SIGTERM
	st.ended(128 + int(syscall.SIGTERM))
	if n := len(st.pane.String()); n > 4<<20 {
		t.Errorf("the pane got %d bytes", n)
	}
}

// next returns the launch that takes a conversation up.
func next(l agent.Launch, messages ...mail.Message) agent.Launch {
	l.Gen, l.Resume, l.GoOn, l.Messages = l.Gen+1, true, "go on from here", messages
	return l
}

// prompts returns what the agent of the tests was told in its conversations.
func prompts(t *testing.T, l agent.Launch) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(agenttest.Root(l), "talk-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	var out strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	return out.String()
}

func TestProgram_TakesAConversationUpAndTellsEachMessageOnce(t *testing.T) {
	t.Parallel()
	l := newLaunch(t, "say I begin\nexit 1", "say I go on")
	l.Messages = []mail.Message{{ID: "m1", Text: "the first word"}}
	st := start(t, l, nil)
	st.ended(1)
	l = next(l, mail.Message{ID: "m1", Text: "the first word"}, mail.Message{ID: "m2", Text: "the second word"})
	st = start(t, l, nil)
	st.rests(1)
	told := prompts(t, l)
	for text, want := range map[string]int{"Do it.": 1, "the first word": 1, "the second word": 1, "go on from here": 1, "preamble": 1} {
		if n := strings.Count(told, text); n != want {
			t.Errorf("the agent was told %q %d times, want %d:\n%s", text, n, want, told)
		}
	}
	for _, m := range []event.MessageID{"m1", "m2"} {
		if d, err := New(nil).Delivered(l, m); err != nil || d != agent.DeliveryAcknowledged {
			t.Errorf("%s is %s (%v)", m, d, err)
		}
	}
}

func TestProgram_BeginsAnewWhenTheAgentHasLostTheConversation(t *testing.T) {
	t.Parallel()
	l := newLaunch(t, "say I begin\nexit 1", "say I go on")
	start(t, l, nil).ended(1)
	for _, f := range must(t)(filepath.Glob(filepath.Join(agenttest.Root(l), "talk-*.json"))) {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	l = next(l, mail.Message{ID: "m2", Text: "the second word"})
	st := start(t, l, nil)
	st.ended(1) // the script begins again
	told := prompts(t, l)
	if strings.Count(told, "Do it.") != 1 || strings.Count(told, "the second word") != 1 || strings.Contains(told, "go on from here") {
		t.Errorf("the agent was told %s", told)
	}
}

func must(t *testing.T) func([]string, error) []string {
	t.Helper()
	return func(s []string, err error) []string {
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestProgram_DoesNotTakeUpWhatTheAgentCannotTakeUp(t *testing.T) {
	t.Parallel()
	l := newLaunch(t, "say I begin\nexit 1")
	l.Spec.Args = []string{"-no-load"}
	start(t, l, nil).ended(1)
	if New(nil).Resumable(l) {
		t.Error("a conversation is resumable that the agent cannot take up")
	}
}

func TestProgram_SaysWhyItCannotBegin(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]event.Record{
		"-no-session": {State: event.RecordError, Error: event.ErrorAuth},
		"-v0":         {},
	} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			l := newLaunch(t)
			l.Spec.Args = []string{flag}
			st := start(t, l, nil)
			st.ended(1)
			got := event.Record{}
			if all := st.records(); len(all) > 0 {
				got = all[len(all)-1]
			}
			if got.State != want.State || got.Error != want.Error {
				t.Errorf("the last record is %+v, want %+v", got, want)
			}
		})
	}
}

func TestProgram_ChoosesTheModelAndCountsTheUsage(t *testing.T) {
	t.Parallel()
	l := newLaunch(t, "say one", "say two")
	l.Spec.Model = "claude-sonnet-4-5"
	st := start(t, l, nil)
	st.rests(1)
	st.typed.WriteString("go on\n") //nolint:errcheck // a test's own pipe
	st.rests(2)
	src := New(nil).Sources(l, 0)[0]
	var sum *event.Usage
	b, err := os.ReadFile(src.Path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		recs, err := src.Parse([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			if r.Usage != nil {
				sum = r.Usage
			}
		}
	}
	if sum == nil || sum.InputTokens != 200 || sum.OutputTokens != 20 || sum.Turns != 2 || sum.Model != l.Spec.Model || sum.CostUSD <= 0 {
		t.Errorf("the usage is %+v", sum)
	}
}
