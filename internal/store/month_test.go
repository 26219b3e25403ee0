package store_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/store"
)

// fullMonth writes a whole month. Without it a twentieth is written, and its size is multiplied by twenty.
var fullMonth = flag.Bool("store.month", false, "write the whole of a simulated month")

const (
	monthTasks = 20 * 30   // twenty a night
	monthLimit = 100 << 20 // bytes, of database and write-ahead log together, as in docs/reliability.md
)

// TestAMonthOfNightsFitsOnTheDisk writes twenty tasks a night, each with seventy uses of tools, three rounds and all
// other events of a task. Nothing of the log is ever removed.
func TestAMonthOfNightsFitsOnTheDisk(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	now := time.Date(2026, 11, 1, 22, 0, 0, 0, time.UTC)
	s := openAt(t, path, store.Options{Now: func() time.Time { now = now.Add(10 * time.Second); return now }})
	w, err := s.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tasks, times := monthTasks/20, int64(20)
	if *fullMonth {
		tasks, times = monthTasks, 1
	}
	var wal int64
	for i := range tasks {
		playTask(t, s, w, i)
		if st, err := os.Stat(path + "-wal"); err == nil {
			wal = max(wal, st.Size())
		}
	}
	seq, err := s.LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	size := st.Size() * times
	t.Logf("a month: %d events, %.1f MiB; the write-ahead log took up to %.1f MiB", seq*times, float64(size)/(1<<20), float64(wal)/(1<<20))
	if size+wal > monthLimit {
		t.Errorf("%d bytes and %d", size, wal)
	}
	if wal > 24<<20 {
		t.Errorf("the write-ahead log has grown to %d bytes", wal)
	}
	whole(t, s)
}

// playTask writes the events of one task as a supervisor does, a few per transaction.
func playTask(t *testing.T, s *store.Store, w *store.Writer, number int) {
	t.Helper()
	id := dispatchAs(t, s, fmt.Sprintf("Make part %d of the parser faster", number), strings.Repeat("Do it well, and run the tests. ", 60))
	for _, batch := range taskEvents(id) {
		if err := w.Update(t.Context(), false, func(tx *store.Tx) error {
			for _, p := range batch {
				if _, err := tx.Append(id, 1, p); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func dispatchAs(t *testing.T, s *store.Store, name, prompt string) (id event.TaskID) {
	t.Helper()
	spec := event.Spec{
		Name: name, Slug: "make-part-of-the-parser-faster", Summary: name, Repo: "/home/somebody/src/project", Agent: "claude", Kind: "claude",
		Base: "main", Timeout: 3 * time.Hour, Attempts: 3, Respawns: 20, Rounds: 5,
		Checks: []event.Check{{Name: "build", Run: "go build ./..."}, {Name: "test", Run: "go test ./...", Timeout: 20 * time.Minute}},
	}
	if err := s.Request(t.Context(), func(tx *store.Tx) error {
		id = tx.NewTaskID()
		_, err := tx.Append(id, 0, event.DispatchRequested{Spec: spec, Prompt: prompt})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

// taskEvents returns the events of a task that is done in its third round, by transaction.
func taskEvents(id event.TaskID) (batches [][]event.Payload) {
	add := func(p ...event.Payload) { batches = append(batches, p) }
	action := 0
	act := func(args event.Args, facts ...event.Payload) {
		action++
		a := event.Action{ID: event.ActionID(fmt.Sprint("a", action)), Gen: 1, Args: args}
		add(event.ActionIntended{Action: a})
		add(append(facts, event.ActionFinished{ID: a.ID, What: a.Kind()})...)
	}
	conversation := "7f9c2ba4-e88f-8271-ad64-" + fmt.Sprintf("%012d", id.Number())
	add(event.DepsMet{}, event.SlotGranted{}, event.TaskMoved{From: event.Queued, To: event.Preparing, Rule: "slot granted"})
	act(event.PrepareArgs{}, event.WorktreeReady{Path: "/home/somebody/.local/state/muster/worktrees/" + string(id), Branch: "muster/" + string(id), Base: strings.Repeat("ab", 20)})
	add(event.TaskMoved{From: event.Preparing, To: event.Starting, Rule: "launch"}, event.GenerationStarted{Attempt: 1, Why: event.WhyFirst, Conversation: conversation})
	act(event.StartArgs{}, event.AgentLaunched{Process: event.ProcessRef{PID: 4711, Start: 1 << 40}, Pane: "%12", Session: string(id) + "-make-part"})
	add(event.TaskMoved{From: event.Starting, To: event.Working, Rule: "first record"})
	calls := 0
	for round := 1; round <= 3; round++ {
		for range 23 {
			calls++
			use := event.Record{
				V: 1, Gen: 1, Src: "hook", State: event.RecordWorking, Tool: "Bash", ToolUseID: fmt.Sprintf("toolu_01A%020d", calls), SessionID: conversation,
				Note: "go test ./internal/parser -run TestEverything -count=1", PermissionMode: "acceptEdits",
			}
			after := use
			after.Tool, after.Note = "", ""
			add(event.AgentReported{Record: use}, event.DeadlineSet{Name: event.DeadlineStall})
			add(event.AgentReported{Record: after}, event.DeadlineSet{Name: event.DeadlineStall})
			add(event.UsageRecorded{Conversation: conversation, Usage: event.Usage{InputTokens: int64(calls) * 1e4, OutputTokens: int64(calls) * 500, CacheReadTokens: int64(calls) * 1e6, Turns: calls}})
		}
		add(event.AgentReported{Record: event.Record{V: 1, Gen: 1, Src: "hook", State: event.RecordIdle, SessionID: conversation}}, event.TaskMoved{From: event.Working, To: event.Checking, Rule: "turn over"})
		result := event.CheckResult{Name: "test", Run: "go test ./...", Duration: time.Minute, Log: "/home/somebody/.local/state/muster/attempts/" + string(id) + "/round/test.log"}
		if round < 3 {
			result.Exit, result.Excerpt = 1, strings.Repeat("parser_test.go:120: got 1, want 2\n", 100)
		}
		act(event.CheckArgs{}, event.RoundFinished{Round: round, Commit: strings.Repeat("cd", 20), Tree: strings.Repeat("ef", 20), Changed: true, Results: []event.CheckResult{result}})
		if round < 3 {
			m := event.MessageID(fmt.Sprint("m", round))
			add(event.MessageQueued{Message: m, Text: "A check is red.\n" + result.Excerpt, Why: event.WhyFeedback}, event.TaskMoved{From: event.Checking, To: event.Working, Rule: "red"})
			act(event.DeliverArgs{}, event.MessageMoved{Message: m, To: event.MessageAcked, Evidence: "hook"})
		}
	}
	add(event.TaskMoved{From: event.Checking, To: event.Publishing, Rule: "green"})
	act(event.PublishArgs{}, event.WorkPublished{Mode: "branch", Branch: "muster/" + string(id), Commit: strings.Repeat("cd", 20), Tree: strings.Repeat("ef", 20)})
	act(event.EndArgs{}, event.AgentExited{Cause: event.CauseEnded, Signal: 15, Known: true})
	act(event.CleanArgs{}, event.WorktreeRemoved{})
	add(event.SlotReleased{}, event.TaskMoved{From: event.Publishing, To: event.Done, Rule: "published"})
	act(event.RemoveArgs{}, event.TaskRemoved{})
	return batches
}
