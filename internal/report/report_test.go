package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/words"
)

var update = flag.Bool("update", false, "write the golden files")

// evening is when the nights of these tests begin.
var evening = time.Date(2026, 11, 26, 20, 0, 0, 0, time.UTC)

// add adds an event at a time after the evening.
func (n *Night) at(after time.Duration, task event.TaskID, p event.Payload) {
	n.Add(event.Event{Time: evening.Add(after), Subject: event.OfTask(task), Gen: 1, Data: p})
}

// example returns a report in which everything occurs.
func example() Report {
	var n Night
	n.at(0, "", event.SupervisorStarted{PID: 1, Adopted: 2})
	for i := range 6 {
		id := event.TaskID(fmt.Sprintf("t%d", i+1))
		n.at(0, id, event.DispatchRequested{})
		n.at(0, id, event.SlotGranted{})
		n.at(0, id, event.TaskMoved{From: event.Queued, To: event.Preparing})
	}
	n.at(time.Hour, "t1", event.RoundFinished{Round: 1, Changed: true, Results: []event.CheckResult{{Name: "test", Exit: 1}, {Name: "lint"}}})
	n.at(time.Hour, "t1", event.MessageQueued{Message: "m1", Why: event.WhyFeedback, Text: "Your work does not pass its checks yet.\n\ntest failed: `go test` exited with status 1\n"})
	n.at(90*time.Minute, "t2", event.TaskMoved{From: event.Working, To: event.Limited, Detail: "You've hit your limit, resets 11pm"})
	n.at(2*time.Hour, "t3", event.GenerationStarted{Attempt: 2, Why: event.WhyCrash, Resume: true})
	n.at(2*time.Hour, "t4", event.StallStaged{Stage: event.StageNudge})
	n.at(3*time.Hour, "t4", event.PermissionDecided{Tool: "Bash", What: "git push <b>origin</b>", Action: event.Deny, By: event.DecidedByRule, Rule: "muster.toml:4", Text: "muster publishes"})
	n.at(3*time.Hour, "t5", event.ActionPutOff{ID: "a3", What: event.ActCheck, Why: "no space left on device"})
	n.at(3*time.Hour, "t5", event.ActionPutOff{ID: "a3", What: event.ActCheck, Why: "no space left on device"})
	n.at(3*time.Hour, "", event.GateClosed{Reason: "only 8 MiB of disk are free"})
	n.at(4*time.Hour, "", event.GateOpened{})
	n.at(4*time.Hour, "t6", event.AnswerRequested{Front: event.FrontPage})
	for _, id := range []event.TaskID{"t1", "t5", "t6"} {
		n.at(4*time.Hour, id, event.SlotReleased{})
	}
	at := func(h float64) *time.Time {
		t := evening.Add(time.Duration(h * float64(time.Hour)))
		return &t
	}
	tasks := []Task{
		{
			ID: "t4", Name: "publish|docs", Group: words.NeedsYouGroup, State: event.Waiting, Detail: "permission for Bash: terraform plan \x1b[31m*red*", ChangedAt: at(11),
			Next: []string{"muster answer t4 allow --hash 0123456789ab", "muster answer t4 deny --reason TEXT"}, When: []string{"", ""},
		},
		{
			ID: "t3", Name: "race", Group: words.NeedsYouGroup, State: event.Parked, Reason: life.ReasonAuth, Detail: "not logged in", ChangedAt: at(3),
			Next: []string{"muster retry t3"}, When: []string{"once the account is in order"},
		},
		{
			ID: "t1", Name: "greet", Group: words.DoneGroup, State: event.Done, Branch: "muster/t1-greet", Checks: "all 2 checks passed", ChangedAt: at(4),
			Size: &Size{Files: 2, Added: 12, Removed: 3}, Usage: Usage{InputTokens: 1_234_567, OutputTokens: 45_678, CostUSD: 1.25}, Configures: []string{"muster.toml", ".envrc"},
			Next: []string{"muster diff t1"}, When: []string{""},
		},
		{ID: "t5", Name: "plain", Group: words.DoneGroup, State: event.Done, Branch: "muster/t5-plain", Unchecked: true, ChangedAt: at(4), Size: &Size{Files: 1, Added: 1}},
		{ID: "t2", Name: "limits", Group: words.RunningGroup, State: event.Working, ChangedAt: at(5)},
		{ID: "t6", Name: "old", Group: words.CancelledGroup, State: event.Cancelled, Detail: "stopped by a person", ChangedAt: at(4)},
	}
	return n.Report(World{
		Since: evening, Until: evening.Add(12 * time.Hour), Slots: 8, Used: 3,
		Counts: map[event.State]int{event.Queued: 1, event.Done: 2}, Running: true, Trouble: []string{"the upgrade to v9 was rolled back: it did not start"},
		Merges: []Merge{{
			Branch: "main", GitDir: "/src/widget/.git", Waits: event.MergeWaitBase, Since: evening.Add(6 * time.Hour), Tasks: []event.TaskID{"t7", "t8"},
			Why: "the base is red, and nobody is blamed: test failed on main itself \x1b[31m<b>",
		}},
	}, tasks)
}

// TestForms compares each form with a golden file.
func TestForms(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(*bytes.Buffer, Report) error{
		"report.txt":  func(b *bytes.Buffer, r Report) error { return Text(b, r, 100) },
		"narrow.txt":  func(b *bytes.Buffer, r Report) error { return Text(b, r, 60) },
		"report.md":   func(b *bytes.Buffer, r Report) error { return Markdown(b, r) },
		"report.html": func(b *bytes.Buffer, r Report) error { return HTML(b, r) },
		"nothing.txt": func(b *bytes.Buffer, _ Report) error {
			return Text(b, new(Night).Report(World{Since: evening, Until: evening.Add(time.Hour), Slots: 2, Running: true}, nil), 80)
		},
		"report.json.txt": func(b *bytes.Buffer, r Report) error {
			e := json.NewEncoder(b)
			e.SetIndent("", "  ")
			return e.Encode(r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := write(&b, example()); err != nil {
				t.Fatal(err)
			}
			if strings.ContainsRune(b.String(), 0x1b) {
				t.Error("an escape of an agent is in the report")
			}
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("%s differs; run with -update and look at the difference:\n%s", path, b.String())
			}
		})
	}
}

// TestHTML_EscapesWhatAgentsWrote checks that a name cannot become markup.
func TestHTML_EscapesWhatAgentsWrote(t *testing.T) {
	t.Parallel()
	r := example()
	r.Tasks[0].Name, r.Tasks[0].Detail = "<script>alert(1)</script>", `<img src=x onerror="alert(1)">`
	r.Tasks[0].Next[0] = "muster answer t4 '</code><script>'"
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", `"alert`} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
}

// TestSlots_AreBusyOrFreeForOneReason checks that the slot-hours of a night add up, and to which reason free ones go.
func TestSlots_AreBusyOrFreeForOneReason(t *testing.T) {
	t.Parallel()
	const h = time.Hour
	queue := func(n *Night, after time.Duration, id event.TaskID) { n.at(after, id, event.DispatchRequested{}) }
	grant := func(n *Night, after time.Duration, id event.TaskID) {
		n.at(after, id, event.SlotGranted{})
		n.at(after, id, event.TaskMoved{From: event.Queued, To: event.Preparing})
	}
	for name, c := range map[string]struct {
		happens func(n *Night)
		world   World
		busy    float64
		free    map[string]float64
	}{
		"nothing happens":                       {func(*Night) {}, World{Running: true}, 0, map[string]float64{whyEmpty: 20}},
		"one is busy from before until the end": {func(*Night) {}, World{Running: true, Used: 1}, 10, map[string]float64{whyEmpty: 10}},
		"one begins and ends": {func(n *Night) {
			queue(n, h, "t1")
			grant(n, h, "t1")
			n.at(4*h, "t1", event.SlotReleased{})
		}, World{Running: true}, 3, map[string]float64{whyEmpty: 17}},
		"the gate is closed": {func(n *Night) {
			n.at(2*h, "", event.GateClosed{Reason: "disk"})
			queue(n, 3*h, "t1")
			n.at(5*h, "", event.GateOpened{})
			grant(n, 5*h, "t1")
		}, World{Running: true, Used: 1}, 5, map[string]float64{"disk": 4, whyEmpty: 11}},
		"a gate that was closed before": {func(*Night) {}, World{Running: true, Gate: "disk", Counts: map[event.State]int{event.Queued: 1}}, 0, map[string]float64{"disk": 20}},
		"others are waited for": {func(n *Night) {
			n.at(h, "t2", event.DispatchRequested{})
			n.at(h, "t2", event.TaskMoved{From: event.Queued, To: event.Blocked})
		}, World{Running: true, Counts: map[event.State]int{event.Blocked: 1}}, 0, map[string]float64{whyBlocked: 18, whyEmpty: 2}},
		"the fleet is down for a while": {func(n *Night) {
			queue(n, 0, "t1")
			n.at(h, "", event.SupervisorStopped{Why: "down"})
			n.at(3*h, "", event.SupervisorStarted{})
			grant(n, 4*h, "t1")
		}, World{Running: true, Used: 1}, 6, map[string]float64{whyUnsupervised: 4, whyQueued: 4, whyEmpty: 6}},
		"an account rests": {func(n *Night) {
			queue(n, 0, "t1")
			n.at(0, "", event.AccountRested{})
			n.at(5*h, "", event.AccountWoke{})
		}, World{Running: true, Counts: map[event.State]int{event.Queued: 1}}, 0, map[string]float64{whyRests: 10, whyQueued: 10}},
		"the clock goes back": {func(n *Night) {
			n.at(5*h, "t1", event.SlotGranted{})
			n.at(2*h, "t1", event.SlotReleased{})
		}, World{Running: true}, 0, map[string]float64{whyEmpty: 20}},
		"more slots were in use than there are now": {func(*Night) {}, World{Running: true, Used: 5}, 20, map[string]float64{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n Night
			c.happens(&n)
			c.world.Since, c.world.Until, c.world.Slots = evening, evening.Add(10*h), 2
			got := n.Report(c.world, nil).Slots
			if math.Abs(got.Busy-c.busy) > 1e-6 {
				t.Errorf("busy for %v slot-hours, want %v", got.Busy, c.busy)
			}
			if len(got.Idle) != len(c.free) {
				t.Errorf("free: %v, want %v", got.Idle, c.free)
			}
			for _, i := range got.Idle {
				if math.Abs(i.Hours-c.free[i.Why]) > 1e-6 {
					t.Errorf("%s: %v slot-hours, want %v", i.Why, i.Hours, c.free[i.Why])
				}
			}
		})
	}
}
