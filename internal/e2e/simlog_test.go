package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

// simLine is a line that a scripted agent wrote outside of muster.
type simLine struct {
	word         string // begin, end, child:PID, or the word of `mark`
	pid, gen     int
	conversation string
	at           time.Time
	task         string // from the line that the harness wrote before it
}

// readSimLog reads the lines of all agents of a fleet.
func readSimLog(path string) []simLine {
	data, _ := os.ReadFile(path)
	tasks := map[int]string{} // by pid
	var out []simLine
	for line := range strings.Lines(string(data)) {
		w := strings.Fields(line)
		if len(w) == 3 && w[0] == "who" {
			pid, _ := strconv.Atoi(w[1])
			tasks[pid] = w[2]
		}
		if len(w) != 5 {
			continue
		}
		l := simLine{word: w[0], conversation: w[3]}
		l.pid, _ = strconv.Atoi(w[1])
		l.gen, _ = strconv.Atoi(w[2])
		l.at, _ = time.Parse(time.RFC3339Nano, w[4])
		l.task = tasks[l.pid]
		out = append(out, l)
	}
	return out
}

// begins returns the generations of a task that really began.
func (f *Fleet) begins(task event.TaskID) []simLine {
	return slices.DeleteFunc(readSimLog(f.simLog), func(l simLine) bool {
		return l.word != "begin" || l.task != string(task)
	})
}

// marked reports whether an agent of the task has passed a `mark`.
func (f *Fleet) marked(task event.TaskID, word string) bool {
	return slices.ContainsFunc(readSimLog(f.simLog), func(l simLine) bool { return l.word == word && l.task == string(task) })
}

// oneAtATime proves from the agents' own log that no task ever had two.
func (f *Fleet) oneAtATime(t *testing.T) {
	t.Helper()
	data, _ := os.ReadFile(f.simLog)
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "TWIN ") {
			t.Errorf("two agents at once: %s", line)
		}
	}
	last := map[string]simLine{} // by task: the newest begin
	ends := map[int]time.Time{}
	gens := map[string]bool{}
	for _, l := range readSimLog(f.simLog) {
		switch l.word {
		case "end":
			ends[l.pid] = l.at
		case "begin":
			key := l.task + "." + strconv.Itoa(l.gen)
			if gens[key] {
				t.Errorf("generation %s began twice", key)
			}
			gens[key] = true
			if before, ok := last[l.task]; ok {
				// A killed agent wrote no end. watchTwin has checked that it was gone by then.
				if end, ended := ends[before.pid]; ended && end.After(l.at) {
					t.Errorf("%s: generation %d began at %v, and %d ended at %v", l.task, l.gen, l.at, before.gen, end)
				}
			}
			last[l.task] = l
		}
	}
}

// transcripts returns the files of the task's conversations with scripted agents.
func (f *Fleet) transcripts(task event.TaskID) []string {
	var out []string
	for _, dir := range []string{"", "home"} { // the second one is that of fenced agents
		files, _ := filepath.Glob(filepath.Join(f.home, "attempts", string(task), dir, "sim", "*.jsonl"))
		out = append(out, files...)
	}
	return out
}

// prompts returns all prompts of the task's conversations, from the agent's own transcripts.
func (f *Fleet) prompts(task event.TaskID) []string {
	var out []string
	for _, name := range f.transcripts(task) {
		data, _ := os.ReadFile(name)
		for line := range strings.Lines(string(data)) {
			var l struct{ Kind, Text string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Kind == "prompt" {
				out = append(out, l.Text)
			}
		}
	}
	return out
}

// deliveries counts how often each message reached the conversation.
func (f *Fleet) deliveries(task event.TaskID) map[string]int {
	n := map[string]int{}
	for _, p := range f.prompts(task) {
		for part := range strings.SplitSeq(p, "[muster ") {
			if id, _, ok := strings.Cut(part, "]"); ok && event.MessageID(id).Tag() == "[muster "+id+"]" && strings.HasPrefix(id, "m") {
				n[id]++
			}
		}
	}
	return n
}
