package sim

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/proof/prooftest"
)

func TestAPromptWithoutAScriptIsWorkedOn(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start("\n  Write a poem.\nAnd more.\n")
	p.idle(1)
	if got, want := p.file("sim-t1.txt"), "Write a poem.\n"; got != want {
		t.Errorf("file %q, want %q", got, want)
	}
	var states []string
	for _, r := range p.records() {
		states = append(states, fmt.Sprintf("%s %v", r.State, r.Prompted))
		if r.Src != "sim" || r.Gen != 1 || r.SessionID != conversation || r.Transcript == "" || r.Time.IsZero() {
			t.Errorf("record %+v", r)
		}
	}
	if d := cmp.Diff([]string{"working false", "working true", "working false", "idle false"}, states); d != "" {
		t.Error(d)
	}
	p.shows("sim t1.1  c-1")
	p.shows("  idle")
}

func TestTheStepsOfAScript(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	if err := os.WriteFile(filepath.Join(p.worktree, "old"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.start(script(
		"# a comment", "", "work 10ms reading", "tool Bash 10ms", `write a/b.txt <<one\ntwo`, "append a/b.txt three", "delete old",
		"run echo out; echo err >&2; pwd > where; exit 3", "say hello there", "usage 100 20 0.5", "mark here", "stale", "garbage", "done", "idle", "say never",
	))
	p.idle(1)
	if got, want := p.file("a/b.txt"), "one\ntwo\nthree\n"; got != want {
		t.Errorf("a/b.txt %q, want %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(p.worktree, "old")); err == nil {
		t.Error("old is still there")
	}
	if got := strings.TrimSpace(p.file("where")); filepath.Base(got) != "w" {
		t.Errorf("run was in %q", got)
	}
	for _, text := range []string{"out", "err", "exit status 3", "hello there"} {
		p.shows(text)
	}
	if strings.Contains(p.screen(), "never") {
		t.Error("a step behind idle was done")
	}
	begin := p.record(1, "tool begins", func(r event.Record) bool { return r.Tool == "Bash" })
	p.record(2, "tool ends", func(r event.Record) bool { return r.ToolUseID == begin.ToolUseID })
	p.record(1, "note", func(r event.Record) bool { return r.Note == "reading" })
	u := p.record(1, "usage", func(r event.Record) bool { return r.Usage != nil }).Usage
	if d := cmp.Diff(&event.Usage{InputTokens: 100, OutputTokens: 20, CostUSD: 0.5, Turns: 1}, u); d != "" {
		t.Error(d)
	}
	p.record(1, "note behind the garbage", func(r event.Record) bool { return r.Note == "after the garbage" })
	p.record(2, "stale and done", func(r event.Record) bool { return r.State == event.RecordDone })
	if !strings.Contains(p.read(p.statusFile()), "not json\n") {
		t.Error("no garbage")
	}
	if !slices.ContainsFunc(p.marks(), func(l string) bool { return strings.HasPrefix(l, "here ") }) {
		t.Errorf("marks %q", p.marks())
	}
}

func TestStaleRecordsBelongToTheGenerationBefore(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.gen = 4
	p.start(script("stale"))
	p.record(1, "stale", func(r event.Record) bool { return r.Gen == 3 && r.State == event.RecordDone })
}

func TestAPathOutsideTheWorktreeIsRefused(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("write ../x <<y", "write z <<z"))
	p.record(1, "error", func(r event.Record) bool { return r.State == event.RecordError && r.Error == event.ErrorOther })
	if _, err := os.Stat(filepath.Join(p.dir, "x")); err == nil || p.file("z") != "" {
		t.Error("it was written, or the turn went on")
	}
}

func TestAPasteIsOnePromptAndEnterAloneSubmits(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("work 10ms", "---", "say second", "---", "say third"))
	p.idle(1)
	text := "[muster m7]\nline one\nline two\n\n" + strings.Repeat("x", 20000) + "END"
	p.paste(text)
	p.shows("xxxEND")
	if n := len(p.records()); n == 0 || p.records()[n-1].State != event.RecordIdle {
		t.Fatal("submitted without Enter")
	}
	p.keys("Enter")
	p.record(1, "m7", func(r event.Record) bool {
		return r.State == event.RecordWorking && r.Prompted && r.Message == "m7"
	})
	p.idle(2)
	p.shows("second")
	if taken, _, err := Trace(TranscriptPath(p.state(), conversation), func(prompt string) bool { return strings.Contains(prompt, text) }); err != nil || !taken {
		t.Errorf("the transcript does not hold the text byte for byte (%v)", err)
	}
	// One write holds the text and Enter: the Enter is part of the text, as in real agents.
	p.tmux("send-keys", "-t", p.target(), "-H", "68", "69", "0d")
	p.shows("> hi⏎")
	p.keys("Enter")
	p.idle(3)
	p.shows("third")
	p.submit("again")
	p.idle(4) // the last turn repeats
}

func TestSeveralMessagesAreAcknowledgedEach(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start("[muster m1] do this\n\n[muster m2]\nand that, see [muster m1]\n```sim\nwork 1ms\n```")
	p.idle(1)
	var ids []event.MessageID
	for _, r := range p.records() {
		if r.Message != "" {
			ids = append(ids, r.Message)
		}
	}
	if d := cmp.Diff([]event.MessageID{"m1", "m2"}, ids); d != "" {
		t.Error(d)
	}
}

func TestAMessageMayBringItsOwnScript(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("write one <<1", "---", "write two <<2"))
	p.idle(1)
	p.submit(script("write own <<own"))
	p.idle(2)
	if p.file("own") != "own\n" || p.file("two") != "" {
		t.Error("the message's script was not used")
	}
}

func TestWhatIsSubmittedWhileWorkingWaits(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("await-file go", "---", "write second <<2"))
	p.shows("working")
	p.submit("[muster m3] more")
	path := TranscriptPath(p.state(), conversation)
	p.until("queued", func() bool {
		taken, queued, _ := Trace(path, func(prompt string) bool { return agent.HasTag(prompt, "m3") })
		return queued && !taken
	})
	if slices.ContainsFunc(p.records(), func(r event.Record) bool { return r.Message == "m3" }) {
		t.Fatal("acknowledged while it only waits")
	}
	if err := os.WriteFile(filepath.Join(p.worktree, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.record(1, "m3", func(r event.Record) bool { return r.Message == "m3" })
	p.idle(2)
	if p.file("second") != "2\n" {
		t.Error("no second turn")
	}
}

func TestCtrlCInterruptsTheTurnAndNothingElse(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("work 1h", "---", "write second <<2"))
	p.shows("working")
	p.keys("C-c")
	if r := p.idle(1); r.Note != "interrupted" {
		t.Errorf("note %q", r.Note)
	}
	p.keys("C-c", "go")
	p.shows("> go")
	p.keys("Enter")
	p.idle(2)
	if p.file("second") != "2\n" {
		t.Error("no second turn")
	}
}

func TestQuestionsAreAnsweredByMailOrByKey(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("ask permission Bash rm -rf build", `ask question "Which colour?" red|green`, "ask permission Edit x"))
	open := p.record(1, "permission", func(r event.Record) bool { return r.Reason == event.WaitPermission })
	if open.State != event.RecordWaiting || open.Tool != "Bash" || open.Note != "rm -rf build" || open.Request == "" {
		t.Errorf("record %+v", open)
	}
	answer := mail.Answer{Request: open.Request, Decision: mail.Deny, Text: "too dangerous", Gen: p.gen}
	prooftest.Intend(t, p.home, "t1", p.gen, answer)
	if err := p.box().Answer(answer); err != nil {
		t.Fatal(err)
	}
	p.record(1, "answer", func(r event.Record) bool { return r.State == event.RecordWorking && r.Request == open.Request })
	p.shows("answer by mail: deny too dangerous")
	q := p.record(1, "question", func(r event.Record) bool { return r.Reason == event.WaitQuestion })
	if d := cmp.Diff([]string{"red", "green"}, q.Options); d != "" || q.Note != "Which colour?" {
		t.Errorf("question %+v", q)
	}
	p.paste("text goes nowhere while a question is open")
	time.Sleep(300 * time.Millisecond) // the text is dropped unseen, and Enter must not arrive in the same read
	p.keys("Enter")
	p.shows("answer by key: allow red")
	p.record(2, "second permission", func(r event.Record) bool { return r.Reason == event.WaitPermission })
	p.keys("C-c")
	p.idle(1)
	if strings.Contains(p.screen(), "nowhere") {
		t.Error("text was taken while a question was open")
	}
}

func TestTurnsEndByErrorsLimitsAndBackground(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("error overloaded", "---", "limited 1m", "---", "background 300ms"))
	p.record(1, "error", func(r event.Record) bool {
		return r.State == event.RecordError && r.Error == event.ErrorOverloaded
	})
	p.shows("idle")
	p.submit("more")
	limited := p.record(1, "limited", func(r event.Record) bool { return r.State == event.RecordLimited })
	if d := time.Until(limited.Until); d < 10*time.Second || d > time.Minute {
		t.Errorf("until in %v", d)
	}
	p.shows("limited")
	p.submit("more")
	if r := p.idle(1); !r.Background {
		t.Errorf("no background: %+v", r)
	}
	if r := p.idle(2); r.Background {
		t.Errorf("still background: %+v", r)
	}
}

func TestHowItEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		step         string
		exit, signal string
		end          bool
	}{{"exit 7", "7", "", true}, {"fail", "1", "", true}, {"crash", "", "9", false}} {
		t.Run(c.step, func(t *testing.T) {
			t.Parallel()
			p := newPane(t)
			p.start(script("work 1ms", c.step))
			exit, signal := p.dead()
			if exit != c.exit || signal != c.signal {
				t.Errorf("exit %q signal %q", exit, signal)
			}
			if got := strings.Contains(p.read(p.log()), "end "); got != c.end {
				t.Errorf("end line %v: %q", got, p.marks())
			}
		})
	}
}

func TestSIGTERMEndsItPolitely(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"run echo $$ >pid; exec sleep 1000", "work 1h", "hang", "work 1ms"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			p := newPane(t)
			p.start(script(step))
			p.record(1, "prompt", func(r event.Record) bool { return r.Prompted })
			if strings.HasPrefix(step, "run") {
				p.until("pid", func() bool { return p.file("pid") != "" })
			}
			if err := syscall.Kill(p.pid(), syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if exit, signal := p.dead(); exit != "143" || signal != "" {
				t.Errorf("exit %q signal %q", exit, signal)
			}
			marks := p.marks()
			if len(marks) != 2 || !strings.HasPrefix(marks[0], fmt.Sprintf("begin %d 1 c-1 ", p.pid())) ||
				!strings.HasPrefix(marks[1], fmt.Sprintf("end %d 1 c-1 ", p.pid())) {
				t.Errorf("marks %q", marks)
			}
		})
	}
}

func TestAResumedConversationGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("append log one", "crash-once", "append log two", "---", "append log three"))
	if _, signal := p.dead(); signal != "9" {
		t.Fatalf("signal %q", signal)
	}
	p.resume("Go on.\n[muster m1]")
	p.record(1, "m1", func(r event.Record) bool { return r.Message == "m1" && r.Gen == 2 })
	p.idle(1)
	if got, want := p.file("log"), "one\ntwo\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	_ = syscall.Kill(p.pid(), syscall.SIGTERM)
	p.dead()
	p.resume("[muster m2] the check failed")
	p.idle(1)
	if got, want := p.file("log"), "one\ntwo\nthree\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	if !Resumable(TranscriptPath(p.state(), conversation)) || Resumable(TranscriptPath(p.state(), "other")) {
		t.Error("resumable")
	}
}

func TestAConversationBegunAnewStartsItsScriptAgain(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("append log one", "crash-once", "append log two"))
	p.dead()
	p.gen++
	p.start(script("append log one", "crash-once", "append log two"))
	p.idle(1)
	if got, want := p.file("log"), "one\none\ntwo\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

func TestAHangIgnoresEverythingButTheEnd(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("once hang hard", "write went-on <<x"))
	p.shows("(hangs)")
	before := p.read(p.statusFile())
	p.keys("C-c", "text")
	p.keys("Enter")
	if err := syscall.Kill(p.pid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // nothing must happen, so the test can only wait
	if p.read(p.statusFile()) != before || strings.Contains(p.screen(), "text") {
		t.Error("it reacted")
	}
	if err := syscall.Kill(p.pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.dead()
	p.resume("Go on.")
	p.idle(1)
	if p.file("went-on") != "x\n" {
		t.Error("it did not go on behind what happens once")
	}
}

// TestStopSelfStopsUntilContinued runs without tmux, which at once continues a stopped process of a pane. So the
// program has no terminal.
func TestStopSelfStopsUntilContinued(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, script("stop-self", "write went-on <<x"))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SIM_UNDER_TEST=1", "MUSTER_STATUS_FILE="+filepath.Join(dir, "status"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	p := &pane{t: t, dir: dir}
	p.until("stopped", func() bool { return strings.HasPrefix(ps(t, cmd.Process.Pid, "stat"), "T") })
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	p.until("idle", func() bool { return strings.Contains(p.read(filepath.Join(dir, "status")), `"state":"idle"`) })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var failed *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &failed) || failed.ExitCode() != 143 {
		t.Errorf("end: %v", err)
	}
}

func TestLostEntersAndMissingRecords(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("ignore-enter 2", "---", "no-record", "write silent <<x"))
	p.idle(1)
	p.paste("once more")
	p.shows("> once more")
	p.keys("Enter")
	p.keys("Enter")
	p.shows("> once more")
	before := len(p.records())
	p.keys("Enter")
	p.until("silent turn", func() bool { return p.file("silent") != "" })
	p.shows("turn over")
	if got := len(p.records()); got != before {
		t.Errorf("%d records more", got-before)
	}
}

func TestNoFirstRecord(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("slow-start 300ms", "no-record", "write silent <<x"))
	if text := p.screen(); strings.Contains(text, "sim t1.1") {
		t.Error("it did not start slowly")
	}
	p.until("silent turn", func() bool { return p.file("silent") != "" })
	p.shows("turn over")
	if p.read(p.statusFile()) != "" {
		t.Errorf("records: %s", p.read(p.statusFile()))
	}
}

func TestFloodFillsTheTerminal(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("flood 2MB"))
	p.idle(1)
	p.shows("turn over")
	if n := strings.TrimSpace(p.tmux("display-message", "-p", "-t", p.target(), "#{history_size}")); n == "0" {
		t.Error("no history: nothing was printed")
	}
}

func TestForkLeavesOrphans(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("fork 2", "fork 1 setsid clearenv"))
	p.idle(1)
	var pids []int
	for _, l := range p.marks() {
		var pid int
		if _, err := fmt.Sscanf(l, "child:%d", &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	if len(pids) != 3 {
		t.Fatalf("children %v in %q", pids, p.marks())
	}
	for i, pid := range pids {
		if err := syscall.Kill(pid, 0); err != nil {
			t.Errorf("child %d: %v", pid, err)
		}
		if i == 2 { // its line is written before its program has made the session
			p.until("the child has a session of its own", func() bool { session, _ := unix.Getsid(pid); return session == pid })
		}
		session, _ := unix.Getsid(pid)
		if own := session == pid; own != (i == 2) {
			t.Errorf("child %d: session %d", pid, session)
		}
	}
}

func TestABrokenScriptIsAnError(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("wrk 3s"))
	r := p.record(1, "error", func(r event.Record) bool { return r.State == event.RecordError })
	if r.Error != event.ErrorInvalidRequest || !strings.Contains(r.Note, `line 1: unknown verb "wrk"`) {
		t.Errorf("record %+v", r)
	}
}

func TestCheckRunsTheProgramOnThePath(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	bin := filepath.Join(p.dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "muster"), []byte("#!/bin/sh\necho \"called $*\"; exit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	p.start(script("check"))
	p.idle(1)
	p.shows("called check")
	p.shows("exit status 1")
}

func TestAScriptMayLieInAFile(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	file := filepath.Join(p.dir, "script")
	if err := os.WriteFile(file, []byte("write f <<given\n---\nwrite g <<second"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.env = []string{"MUSTER_SIM_SCRIPT=" + file}
	p.start("just a prompt")
	p.idle(1)
	if p.file("f") != "given\n" || p.file("g") != "" {
		t.Error("the script was not used")
	}
}

func TestIdleCostsNothing(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.start(script("work 10ms"))
	p.idle(1)
	p.shows("turn over")
	p.shows("  idle")
	pid := p.pid()
	p.until("quiet second", func() bool { // the first second may include the last drawing
		before := activity(t, pid)
		time.Sleep(time.Second)
		return activity(t, pid) == before
	})
}
