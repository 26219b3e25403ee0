package tui

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/intake"
	"muster/internal/life"
	"muster/internal/report"
	"muster/internal/store"
)

var update = flag.Bool("update", false, "write the golden screens")

var start = time.Date(2026, 11, 26, 22, 10, 0, 0, time.UTC)

// bench is a model with a clock of its own, and the effects that it wanted.
type bench struct {
	t     testing.TB
	m     *Model
	now   time.Time
	wants []effect
	frame []string
}

func newBench(t testing.TB, look Look, width, height int) *bench {
	b := &bench{t: t, m: New(look, start.Add(-12*time.Hour)), now: start}
	b.send(Size{width, height})
	return b
}

// send updates the model and draws, as the terminal's program does.
func (b *bench) send(msgs ...any) {
	b.t.Helper()
	for _, msg := range msgs {
		b.now = b.now.Add(time.Millisecond)
		b.wants = append(b.wants, b.m.update(msg, b.now)...)
		b.frame = b.m.Frame(b.now)
	}
}

// keys presses keys, each a while after the one before.
func (b *bench) keys(names ...string) {
	b.t.Helper()
	for _, n := range names {
		b.pause(time.Second)
		b.send(keyNamed(n))
	}
}

func keyNamed(n string) Key {
	switch {
	case n == "space":
		return Key{n, " "}
	case len([]rune(n)) == 1:
		return Key{n, n}
	}
	return Key{Name: n}
}

// pause lets time pass.
func (b *bench) pause(d time.Duration) {
	b.now = b.now.Add(d)
	b.frame = b.m.Frame(b.now)
}

// take returns the effects of a type that were wanted since the last call, and forgets all.
func take[E any](b *bench) (out []E) {
	for _, e := range b.wants {
		if e, ok := e.(E); ok {
			out = append(out, e)
		}
	}
	b.wants = nil
	return out
}

func (b *bench) text() string { return ansi.Strip(strings.Join(b.frame, "\n")) }

func ago(d time.Duration) *time.Time { at := start.Add(-d); return &at }

// fleet returns a change with the tasks of the golden screens.
func fleet() Changed {
	tasks := []control.Summary{
		{
			ID: "t4", Name: "infra-plan", State: event.Waiting, Detail: "Bash: terraform plan -out plan.bin", Agent: "sim", Attempt: 1, Gen: 1, Session: "t4-infra-plan", ChangedAt: ago(12 * time.Minute),
			Request: &control.Request{ID: "r4", Reason: event.WaitPermission, Until: ago(-3 * time.Minute)},
		},
		{
			ID: "t12", Name: "rename-account", State: event.Waiting, Detail: "Which name shall the column have?", Agent: "sim", Attempt: 1, Gen: 1, Session: "t12-rename-account", ChangedAt: ago(3 * time.Minute),
			Request: &control.Request{ID: "r12", Reason: event.WaitQuestion, Until: ago(-12 * time.Minute)}, Usage: usage(0.8),
		},
		{ID: "t7", Name: "race-detector", State: event.Parked, Detail: "rounds used: test failed with 1", Agent: "sim", Attempt: 1, Gen: 2, Rounds: 5, ChangedAt: ago(41 * time.Minute), Usage: usage(4.1)},
		{ID: "t9", Name: "store-flake", State: event.Working, Note: "go test -race ./store", Agent: "sim", Attempt: 2, Gen: 3, Rounds: 2, Session: "t9-store-flake", ChangedAt: ago(5 * time.Minute), Usage: usage(2.95)},
		{ID: "t10", Name: "docs-links", State: event.Checking, Note: "links", Agent: "sim", Attempt: 1, Gen: 1, Rounds: 1, Session: "t10", ChangedAt: ago(20 * time.Second)},
		{ID: "t15", Name: "next-one", State: event.Queued, Summary: "make the list faster", Agent: "sim", ChangedAt: ago(2 * time.Hour)},
		{ID: "t16", Name: "after-that", State: event.Blocked, Detail: "waits for t9", Agent: "sim", ChangedAt: ago(2 * time.Hour)},
		{ID: "t1", Name: "greet", State: event.Done, Agent: "sim", Attempt: 1, Gen: 1, Rounds: 1, ChangedAt: ago(time.Hour), FinishedAt: ago(time.Hour), Summary: "greet the world"},
		{ID: "t2", Name: "manual", State: event.Done, Agent: "sim", Attempt: 1, Gen: 1, Rounds: 1, ChangedAt: ago(2 * time.Hour), FinishedAt: ago(2 * time.Hour)},
		{ID: "t3", Name: "dropped", State: event.Cancelled, Agent: "sim", ChangedAt: ago(3 * time.Hour), FinishedAt: ago(3 * time.Hour)},
	}
	c := control.Change{Seq: 100, All: true, Tasks: tasks, Waiting: 7, Seen: map[event.TaskID]time.Time{"t2": *ago(2 * time.Hour)}}
	c.Fleet = control.FleetStatus{Healthy: true, Slots: 8, SlotsUsed: 4, Live: 5}
	c.Fleet.Supervisor.Running = true
	return Changed{c}
}

func usage(usd float64) (u store.SummaryUsage) {
	u.CostUSD = usd
	return u
}

// question is the task t12 as it is read.
func question() asked {
	ask := event.NewAsk("Ask", []byte(`{"q":1}`)).WithQuestions([]event.Question{{
		Text: "Which name shall the column have?", Options: []event.Option{{Label: "account_id", Description: "as in the API"}, {Label: "user_id", Description: "as in the UI"}},
	}})
	return asked{id: "t12", task: life.Task{ID: "t12", State: event.Waiting, Request: &event.RequestOpened{Request: "r12", Reason: event.WaitQuestion, Ask: &ask}}}
}

// permission is the task t4 as it is read.
func permission(command string) asked {
	ask := event.NewAsk("Bash", []byte(fmt.Sprintf(`{"command":%q}`, command)))
	return asked{id: "t4", task: life.Task{ID: "t4", State: event.Waiting, Request: &event.RequestOpened{Request: "r4", Reason: event.WaitPermission, Tool: "Bash", Ask: &ask}}}
}

func TestFrame_LooksAsItDid(t *testing.T) {
	t.Parallel()
	wide, mono := Look{Colour: false}, Look{ASCII: true}
	screenOf := func(b *bench) {
		b.send(settled{b.m.preview.at})
		b.send(screen{id: b.m.preview.id, text: "\x1b[32m⏺\x1b[0m Read(db/schema.sql)\n⏺ Update(db/rename.sql)\n  ⎿ 12 additions, 3 removals\n"})
	}
	for _, tt := range []struct {
		name          string
		look          Look
		width, height int
		do            func(b *bench)
	}{
		{"fleet-80x24", wide, 80, 24, func(*bench) {}},
		{"fleet-120x40", wide, 120, 40, screenOf},
		{"fleet-200x50-colour", Look{Colour: true}, 200, 50, screenOf},
		{"fleet-60x15-ascii", mono, 60, 15, func(*bench) {}},
		{"question-80x24", wide, 80, 24, func(b *bench) { b.keys("n", "n"); b.send(question()); b.pause(time.Second) }},
		{"permission-120x40", wide, 120, 40, func(b *bench) {
			b.keys("n")
			b.send(permission("terraform plan -out plan.bin -var-file=prod.tfvars && cat plan.bin | base64\nrm -rf \u202e/tmp"))
			b.pause(time.Second)
		}},
		{"answered-80x24", wide, 80, 24, func(b *bench) {
			b.keys("n", "n")
			b.send(question())
			b.keys("1")
			b.send(ordered{id: "t12", task: life.Task{ID: "t12", State: event.Working}})
		}},
		{"stop-80x24", wide, 80, 24, func(b *bench) { b.keys("j", "x") }},
		{"trouble-80x24", wide, 80, 24, func(b *bench) {
			c := fleet()
			c.Fleet.Supervisor.Running, c.Fleet.Healthy, c.Trouble = false, false, []string{"no supervisor runs, and 5 live tasks are unattended: muster up"}
			b.send(c)
		}},
		{"checks-120x40", wide, 120, 40, func(b *bench) {
			b.keys("G", "enter", "3")
			b.send(page{id: b.m.task.id, tab: checksTab, lines: []string{"Round 1, 1h ago: all 2 checks passed", "  build: passed, 4s   go build ./..."}, marks: []int{0}})
		}},
		{"night-120x40", wide, 120, 40, func(b *bench) { b.keys("T"); b.send(aNight()) }},
		{"help-80x24", wide, 80, 24, func(b *bench) { b.keys("?") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tt.look, tt.width, tt.height)
			b.send(fleet())
			tt.do(b)
			var lines []string
			for _, l := range b.frame {
				lines = append(lines, strings.TrimRight(l, " "))
			}
			golden(t, tt.name, strings.Join(lines, "\n")+"\n")
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the screen is another one (-want +got; -update writes it):\n%s", diff)
	}
}

func aNight() night {
	since, until := start.Add(-9*time.Hour), start
	at := func(h float64) time.Time { return since.Add(time.Duration(h * float64(time.Hour))) }
	line := control.Timeline{Since: since, Until: until, Gaps: []report.Gap{{From: at(3), Until: at(3.7)}}}
	line.Lanes = []report.Lane{
		{Task: "t7", Name: "race-detector", State: event.Parked, Red: 5, Cost: 4.1, Gens: 1, Spans: []report.Span{
			{State: event.Queued, From: at(0), Until: at(1)},
			{State: event.Working, From: at(1), Until: at(4)},
			{State: event.Checking, From: at(4), Until: at(4.01)},
			{State: event.Working, From: at(4.01), Until: at(6)},
			{State: event.Parked, From: at(6), Until: at(9)},
		}},
		{Task: "t1", Name: "greet", State: event.Done, Gens: 1, Spans: []report.Span{{State: event.Working, From: at(2), Until: at(3)}, {State: event.Done, From: at(3), Until: at(3)}}},
	}
	line.Report.Acts = []report.Act{{Time: at(4.5), Task: "t7", Kind: report.ActFeedback, Text: "told the agent: test failed with 1"}}
	line.Report.Totals.Spared = 1
	return night{line: line}
}

func TestFrame_HasTheSizeOfTheTerminal(t *testing.T) {
	t.Parallel()
	for _, look := range []Look{{}, {Colour: true}, {ASCII: true}} {
		for _, size := range [][2]int{{1, 1}, {3, 2}, {20, 5}, {60, 15}, {80, 24}, {99, 11}, {100, 12}, {300, 100}} {
			b := newBench(t, look, size[0], size[1])
			hostile := fleet()
			hostile.Tasks[0].Name = "\x1b[2J\x1b]0;x\x07👩‍👩‍👧🫨é\u202e漢字\u200b\tz"
			hostile.Tasks[1].Detail = strings.Repeat("漢\x1b[31m", 300)
			b.send(hostile)
			check := func(what string) {
				t.Helper()
				if len(b.frame) != size[1] {
					t.Errorf("%v, %s: %d lines", size, what, len(b.frame))
				}
				for i, line := range b.frame {
					if w := ansi.StringWidth(line); w != size[0] {
						t.Errorf("%v, %s: line %d is %d wide: %q", size, what, i, w, line)
					}
					if rest := sgr.ReplaceAllString(line, ""); strings.ContainsAny(rest, "\x1b\x07\r\n\t\u202e\u200b") || !look.Colour && rest != line {
						t.Errorf("%v, %s: line %d obeys what others wrote: %q", size, what, i, line)
					}
				}
			}
			check("fleet")
			b.send(screen{id: b.m.preview.id, text: "\x1b[1;31mred\x1b[2J \x1b]8;;x\x07link\x1b[5n\ttab"})
			check("preview")
			b.keys("n")
			b.send(permission("a\x1b[2J\nb" + strings.Repeat("🫨", 200)))
			check("strip")
			b.keys("t", "ä", "👩‍👩‍👧")
			check("prompt")
			b.keys("esc", "esc", "x")
			check("confirmation")
			b.keys("esc", "enter", "2")
			b.send(page{id: b.m.task.id, tab: diffTab, lines: look.rows("+\x1b[2Ja\tb\n" + strings.Repeat("x", 500))})
			check("page")
			b.keys("esc", "T")
			b.send(aNight())
			check("night")
			b.keys("?")
			check("help")
		}
	}
}

func TestTwoKeysAnswer(t *testing.T) {
	t.Parallel()
	for _, view := range []string{"", "enter", "T"} { // from anywhere
		b := newBench(t, Look{}, 80, 24)
		b.send(fleet())
		if view != "" {
			b.keys(view)
		}
		b.keys("n")
		b.send(permission("make"))
		b.keys("y")
		orders := take[order](b)
		if len(orders) != 1 {
			t.Fatalf("%q: %d orders:\n%s", view, len(orders), b.text())
		}
		want := control.Answer{Task: "t4", Request: "r4", Decision: event.Allow, Hash: event.NewAsk("Bash", []byte(`{"command":"make"}`)).Hash}
		if diff := cmp.Diff(control.Command(want), orders[0].cmd); diff != "" {
			t.Error(diff)
		}
		if !strings.Contains(b.text(), "muster answer t4 allow --request r4 --hash "+want.Hash[:12]) {
			t.Errorf("the command is not shown:\n%s", b.text())
		}
		b.keys("y") // a second press is no second answer
		if n := len(take[order](b)); n != 0 {
			t.Errorf("%d more orders", n)
		}
	}
}

func TestHunksAreReachedByKeys(t *testing.T) {
	t.Parallel()
	b := newBench(t, Look{}, 80, 24)
	b.send(fleet())
	b.keys("enter", "2")
	b.send(page{id: b.m.task.id, tab: diffTab, lines: make([]string, 100), marks: []int{2, 60}, hunks: []int{5, 20, 62}})
	for i, want := range []int{5, 20, 62, 62, 20, 5, 5} {
		b.keys([]string{"}", "}", "}", "}", "{", "{", "{"}[i])
		if b.m.task.top != want {
			t.Errorf("after key %d the page begins at %d, want %d", i+1, b.m.task.top, want)
		}
	}
}

func TestRoundsAreChosenByKeys(t *testing.T) {
	t.Parallel()
	b := newBench(t, Look{}, 120, 24)
	b.send(fleet())
	b.keys("enter", "3", "<")
	if len(take[readPage](b)) != 1 || !strings.Contains(b.text(), "the diff and the log are those of a round") {
		t.Errorf("the checks are those of a round:\n%s", b.text())
	}
	b.keys("2")
	steps := []struct {
		key   string
		round int
		said  string
	}{
		{"<", 4, ""}, {"<", 1, ""}, {"<", 1, "no round was judged before"}, {">", 4, ""}, {"6", 4, ""}, {">", 0, ""}, {">", 0, "this is the newest state"},
	}
	for i, step := range steps {
		b.send(page{id: b.m.task.id, tab: b.m.task.tab, round: b.m.task.round, rounds: []int{1, 4}, lines: []string{"x"}})
		take[readPage](b)
		b.keys(step.key)
		read := take[readPage](b)
		switch {
		case b.m.task.round != step.round || !strings.Contains(b.text(), step.said):
			t.Errorf("after key %d round %d is shown:\n%s", i+1, b.m.task.round, b.text())
		case step.said == "" && (len(read) != 1 || read[0].round != step.round):
			t.Errorf("after key %d %+v is read", i+1, read)
		}
	}
	b.keys("2", "<")
	b.pause(time.Minute) // what was said goes
	if !strings.Contains(b.text(), "muster diff "+string(b.m.task.id)+" --round 4") {
		t.Errorf("the command is not shown:\n%s", b.text())
	}
	b.send(page{id: b.m.task.id, tab: diffTab, lines: []string{"of another round"}})
	if strings.Contains(b.text(), "of another round") {
		t.Errorf("a late page is shown:\n%s", b.text())
	}
}

func TestATaskIsQueuedFromTheWorkOfAnother(t *testing.T) {
	t.Parallel()
	b := newBench(t, Look{}, 120, 40)
	c := fleet()
	for i := range c.Tasks {
		if c.Tasks[i].ID == "t9" {
			c.Tasks[i].Branch, c.Tasks[i].Repo = "muster/t9-store-flake", "/src/my project"
		}
	}
	b.send(c)
	b.keys("b") // the selected task has no branch
	if b.m.ask != nil || !strings.Contains(b.text(), "has no branch") {
		t.Fatalf("a task without work is a base:\n%s", b.text())
	}
	b.send(Key{Name: "esc"})
	b.m.selectTask("t9")
	b.keys("b")
	b.send(Paste{"go on with it"})
	b.keys("enter")
	want := dispatch{order: intake.Order{Prompt: "go on with it", Options: intake.Options{Repo: "/src/my project", Base: "@t9"}}}
	if d := cmp.Diff([]dispatch{want}, take[dispatch](b), cmp.AllowUnexported(dispatch{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := b.m.command; got != "muster dispatch --repo '/src/my project' --base @t9 'go on with it'" {
		t.Errorf("the command is %s", got)
	}
	b.send(dispatched{id: "t20"})
	if !strings.Contains(b.text(), "t20 is queued") {
		t.Errorf("the outcome is not shown:\n%s", b.text())
	}
	b.keys("b", "enter") // nothing was typed
	if n := len(take[dispatch](b)); n != 0 {
		t.Errorf("%d tasks without words", n)
	}
}

func TestATaskIsWrittenInTheEditor(t *testing.T) {
	t.Parallel()
	b := newBench(t, Look{}, 120, 40)
	b.send(fleet())
	b.keys("c")
	if n := len(take[edit](b)); n != 1 {
		t.Fatalf("the editor was opened %d times", n)
	}
	b.send(edited{text: "", draft: ""}, edited{err: errors.New("exit status 1")})
	if n := len(take[dispatch](b)); n != 0 {
		t.Errorf("%d tasks without words", n)
	}
	b.send(edited{text: "do it\n", draft: "/tmp/draft"})
	want := dispatch{order: intake.Order{Prompt: "do it\n"}, draft: "/tmp/draft"}
	if d := cmp.Diff([]dispatch{want}, take[dispatch](b), cmp.AllowUnexported(dispatch{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestAnswer_OfSeveralQuestionsIsSentAfterTheLast(t *testing.T) {
	t.Parallel()
	b := newBench(t, Look{}, 80, 24)
	b.send(fleet())
	b.keys("n", "n")
	q := question()
	ask := q.task.Request.Ask.WithQuestions(append(q.task.Request.Ask.Questions, event.Question{Text: "What else?", Multi: true, Options: []event.Option{{Label: "x"}, {Label: "y"}, {Label: "z"}}}))
	q.task.Request.Ask = &ask
	b.send(q)
	b.keys("2", "1", "3", "1", "2", "enter")
	orders := take[order](b)
	if len(orders) != 1 {
		t.Fatalf("%d orders:\n%s", len(orders), b.text())
	}
	want := control.Answer{Task: "t12", Request: "r12", Hash: ask.Hash, Answers: []string{"2", "3,2"}}
	if diff := cmp.Diff(control.Command(want), orders[0].cmd); diff != "" {
		t.Error(diff)
	}
}

func TestAllow_WaitsUntilTheWholeRequestWasOnTheScreen(t *testing.T) {
	t.Parallel()
	b := newBench(t, Look{}, 80, 24)
	b.send(fleet())
	b.keys("n")
	b.send(permission(strings.Repeat("echo long;\n", 40) + "rm -rf /"))
	b.keys("y")
	if n := len(take[order](b)); n != 0 || strings.Contains(b.text(), "y allow") {
		t.Fatalf("%d orders for a request of which only the beginning was shown:\n%s", n, b.text())
	}
	for range 10 {
		b.keys("space")
	}
	b.pause(time.Second)
	if !strings.Contains(b.text(), "y allow") {
		t.Errorf("y is not named:\n%s", b.text())
	}
	b.send(Size{70, 20}) // what was read is laid out anew
	b.send(keyNamed("y"))
	if n := len(take[order](b)); n != 0 {
		t.Errorf("%d orders right after a resize", n)
	}
	for range 12 {
		b.keys("space")
	}
	b.keys("y")
	if n := len(take[order](b)); n != 1 {
		t.Errorf("%d orders after all of it was read:\n%s", n, b.text())
	}
}

func TestAnswer_IsRefusedWhenTheRequestHasGone(t *testing.T) {
	t.Parallel()
	b := newBench(t, Look{}, 80, 24)
	b.send(fleet())
	b.keys("n")
	b.send(permission("make"))
	b.pause(time.Second)
	c := fleet()
	c.All, c.Tasks = false, c.Tasks[:1]
	c.Tasks[0].Request = &control.Request{ID: "r5", Reason: event.WaitPermission}
	b.send(c)
	b.keys("y", "d")
	if n := len(take[order](b)); n != 0 || !strings.Contains(b.text(), "t4 asks something else now") {
		t.Errorf("%d orders:\n%s", n, b.text())
	}
}

func TestNothingDestructiveHappensOnOneKey(t *testing.T) {
	t.Parallel()
	for _, k := range []string{"x", "D", "i"} {
		b := newBench(t, Look{}, 80, 24)
		b.send(fleet())
		b.keys(k)
		b.send(Paste{k + k})
		b.keys("j", k, "esc", k)
		b.pause(time.Minute)
		b.keys(k)
		if n := len(take[order](b)); n != 0 {
			t.Errorf("%s: %d orders", k, n)
		}
		b.keys(k, k)
		if n := len(take[order](b)); n == 0 {
			t.Errorf("%s twice does nothing:\n%s", k, b.text())
		}
	}
}

func TestCursorStaysOnItsTask(t *testing.T) {
	t.Parallel()
	b := newBench(t, Look{}, 80, 24)
	b.send(fleet())
	b.keys("j", "j", "j")
	if b.m.list.cursor != "t9" {
		t.Fatalf("the cursor is on %s", b.m.list.cursor)
	}
	line := func() int {
		return slices.IndexFunc(b.frame, func(l string) bool { return strings.Contains(l, "▌") })
	}
	was := line()
	c := fleet()
	for i := range 3 { // three more need a person, above
		c.Tasks = append(c.Tasks, control.Summary{ID: event.NewTaskID(30 + i), Name: "late", State: event.Failed, ChangedAt: ago(0)})
	}
	b.send(c)
	if b.m.list.cursor != "t9" || line() < was {
		t.Errorf("the cursor is on %s in line %d, was in line %d:\n%s", b.m.list.cursor, line(), was, b.text())
	}
	c.Tasks = slices.DeleteFunc(c.Tasks, func(s control.Summary) bool { return s.ID == "t9" })
	b.send(c)
	if b.m.list.cursor == "t9" || b.m.list.selected() == nil {
		t.Errorf("the cursor is on %q", b.m.list.cursor)
	}
}

func TestPreview_IsReadOnlyWhileSomebodySeesIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, Look{}, 120, 40)
	b.send(fleet())
	b.send(settled{b.m.preview.at}, look{}, look{})
	if n := len(take[readScreen](b)); n != 1 {
		t.Fatalf("%d looks under way", n)
	}
	b.send(Focus{false}, screen{id: "t4", text: "x"}, look{}, look{}, second{}, fleet())
	if n := len(take[readScreen](b)); n != 0 {
		t.Errorf("%d looks without the focus", n)
	}
	b.send(Size{80, 24}, Focus{true}, look{})
	if n := len(take[readScreen](b)); n != 0 {
		t.Errorf("%d looks without a preview", n)
	}
	b.send(Size{120, 40})
	if n := len(take[readScreen](b)); n != 1 {
		t.Errorf("%d looks after all", n)
	}
}

func TestMarkedAsSeen_IsNoLongerNew(t *testing.T) {
	t.Parallel()
	b := newBench(t, Look{}, 80, 24)
	b.send(fleet())
	b.m.list.show("t1")
	if !strings.Contains(b.text(), "(1 new)") {
		t.Errorf("t1 is not new:\n%s", b.text())
	}
	b.keys("m")
	if got := take[markSeen](b); len(got) != 1 || got[0].id != "t1" || strings.Contains(b.text(), "new)") {
		t.Errorf("%v\n%s", got, b.text())
	}
}

func TestEveryKeyIsInTheHelpOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range bindings() {
		for _, name := range k.keys {
			if seen[name] {
				t.Errorf("%s has two meanings", name)
			}
			seen[name] = true
		}
		if k.help == "" {
			t.Errorf("%v has no help", k.keys)
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := newBench(b, Look{Colour: true}, 200, 50)
			c := fleet()
			for i := range n {
				c.Tasks = append(c.Tasks, control.Summary{ID: event.NewTaskID(100 + i), Name: "many", State: event.Queued, ChangedAt: ago(0)})
			}
			for b.Loop() {
				f.send(c, Key{Name: "j", Text: "j"})
			}
		})
	}
}

// TestLook_IsNotedWhileAPersonIsThere: a screen that is left open over night does not keep messages back.
func TestLook_IsNotedWhileAPersonIsThere(t *testing.T) {
	t.Parallel()
	b := newBench(t, Look{}, 120, 40)
	b.send(fleet(), second{}, second{})
	if n := len(take[noteLook](b)); n != 1 {
		t.Errorf("%d notes within a moment, want 1", n)
	}
	b.now = b.now.Add(noteEvery)
	b.send(Focus{false}, second{})
	if n := len(take[noteLook](b)); n != 0 {
		t.Errorf("%d notes without the focus", n)
	}
	b.send(Focus{true}, second{})
	if n := len(take[noteLook](b)); n != 1 {
		t.Errorf("%d notes with the focus", n)
	}
	b.now = b.now.Add(control.Attention)
	b.send(second{})
	if n := len(take[noteLook](b)); n != 0 {
		t.Errorf("%d notes, and nobody has touched it for %s", n, control.Attention)
	}
	b.send(Key{Name: "j"}, second{})
	if n := len(take[noteLook](b)); n != 1 {
		t.Errorf("%d notes after a key", n)
	}
}
