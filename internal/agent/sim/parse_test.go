package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEveryVerbHasAnExampleThatIsUnderstood(t *testing.T) {
	t.Parallel()
	examples := []string{
		"work 2s", "work 2s reading files", "tool Bash 1s", `write a/b <<x\ny`, "append a x y", "delete a", "run go test ./...", "check",
		"ask permission Bash rm -rf x", `ask question "a \"b\" c" yes|no`, `ask question "open"`, "say x", "done", "idle", "error rate_limit",
		"limited 5s", "fail", "exit 3", "crash", "crash-once", "once crash", "hang", "hang hard", "stop-self", "flood 10MB", "ignore-enter 2",
		"no-record", "fork 2", "fork 2 setsid clearenv", "usage 1 2 0.5", "garbage", "stale", "slow-start 2s", "background 3s", "mark begin",
		"await-file go",
	}
	var seen []string
	for _, text := range examples {
		s, err := parseStep(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		seen = append(seen, s.verb)
	}
	for _, v := range verbs() {
		if !slices.Contains(seen, v.name) {
			t.Errorf("no example of %s", v.name)
		}
	}
}

func TestWhatIsNoStep(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "fly", "work", "work soon", "work -1s", "tool Bash", "write", "append", "delete", "run", "check now", "ask", "ask nicely x", "ask permission",
		"ask question bare", `ask question ""`, "say", "done now", "error", "error odd", "limited", "exit", "exit -1", "exit x", "hang soft", "flood", "flood 1X",
		"flood MB", "ignore-enter", "fork", "fork 1 more", "fork 1000", "usage 1 2", "usage a b c", "mark", "once", "once once crash", "await-file",
	} {
		if s, err := parseStep(text); err == nil {
			t.Errorf("%q is understood as %+v", text, s)
		}
	}
}

func TestTurnsAndBlocks(t *testing.T) {
	t.Parallel()
	text, ok := block("a\n```go\nx\n```\n  ```sim  \nwork 1s\r\n---\n# c\n\n\tdone\n```\nmore\n```sim\nfail\n```\n")
	if !ok {
		t.Fatal("no block")
	}
	turns, err := parseScript(text)
	if err != nil {
		t.Fatal(err)
	}
	want := []turn{{{verb: "work", wait: time.Second}}, {{verb: "done"}}}
	if d := cmp.Diff(want, turns, cmp.AllowUnexported(step{})); d != "" {
		t.Error(d)
	}
	if _, ok := block("no script"); ok {
		t.Error("a block was found")
	}
	if _, err := parseScript("done\n\nfly"); err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("got %v", err)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	text := func(s string) key { return key{kind: keyText, text: s} }
	enter := key{kind: keyEnter}
	for _, c := range []struct {
		name  string
		reads []string
		want  []key
	}{
		{"typed", []string{"a", "b", "\r"}, []key{text("a"), text("b"), enter}},
		{"one read", []string{"ab\r"}, []key{text("ab\n")}},
		{"paste", []string{"\x1b[200~a\rb\r\nc\nd\x1b[201~", "\r"}, []key{text("a\nb\nc\nd"), enter}},
		{"paste and Enter in one read", []string{"\x1b[200~a\x1b[201~\r"}, []key{text("a\n")}},
		{"paste in pieces", []string{"\x1b[20", "0~a", "\r", "b\x1b[2", "01~", "\r"}, []key{text("a"), text("\n"), text("b"), enter}},
		{"interrupt", []string{"a\x03"}, []key{text("a"), {kind: keyInterrupt}}},
		{"control characters in a paste", []string{"\x1b[200~a\x03\x7f\x15b\x1b[201~"}, []key{text("ab")}},
		{"erase and clear", []string{"a\x7f", "\x15"}, []key{text("a"), {kind: keyErase}, {kind: keyClear}}},
		{"arrows", []string{"\x1b[A\x1bOBx\x1b[1;5C"}, []key{text("x")}},
		{"Escape, then Enter", []string{"\x1b", "\r"}, []key{enter}},
		{"a character in pieces", []string{"\xe2\x82", "\xac"}, []key{text("€")}},
		{"broken characters", []string{"\xff\xfea"}, []key{text("\xff\xfea")}},
		{"two Enters", []string{"\r\r"}, []key{enter, enter}},
		{"endless sequence", []string{"\x1b[" + strings.Repeat("1", 62) + "a"}, []key{text("a")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var k keyboard
			var got []key
			for _, r := range c.reads {
				got = append(got, k.read([]byte(r))...)
			}
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(key{})); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"MUSTER_PROMPT_FILE": "/p", "MUSTER_TASK": "t3", "MUSTER_GEN": "2", "MUSTER_HOME": "/h", "MUSTER_STATUS_FILE": "/s", "MUSTER_WORKTREE": "/w",
	}
	o, err := parse([]string{"--conversation", "c", "--resume", "--state", "/st", "--script", "/sc"}, func(n string) string { return env[n] })
	if err != nil {
		t.Fatal(err)
	}
	want := options{
		promptFile: "/p", conversation: "c", resume: true, stateDir: "/st", script: "/sc", task: "t3", gen: 2, statusFile: "/s", worktree: "/w",
		home: "/h",
	}
	if d := cmp.Diff(want, o, cmp.AllowUnexported(options{})); d != "" {
		t.Error(d)
	}
	o, err = parse([]string{"--", "-do", "it"}, func(string) string { return "" })
	if err != nil || o.prompt != "-do it" || o.task != "t0" || o.worktree == "" {
		t.Errorf("%+v, %v", o, err)
	}
	for _, args := range [][]string{{"--fly"}, {"--conversation", "../x"}, {"--conversation", ""}} {
		if _, err := parse(args, func(string) string { return "" }); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("\x1b[200~a\rb\x1b[201~"), []byte("\r"))
	f.Add([]byte("\xe2\x82"), []byte("\xac\x1b"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var k keyboard
		for _, read := range [][]byte{a, b, a} {
			for _, key := range k.read(read) {
				if key.kind == keyText && strings.ContainsAny(key.text, "\x03\x1b\r") {
					t.Fatalf("text %q", key.text)
				}
			}
		}
		if len(k.held) > 64 {
			t.Fatalf("holds %q", k.held)
		}
	})
}

func FuzzScript(f *testing.F) {
	f.Add("```sim\nwork 1s\nask question \"x\" a|b\n---\nfork 1 setsid\n```")
	f.Fuzz(func(_ *testing.T, text string) {
		if s, ok := block(text); ok {
			_, _ = parseScript(s)
		}
		_, _ = parseScript(text)
	})
}
