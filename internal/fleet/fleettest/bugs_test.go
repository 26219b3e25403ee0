package fleettest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bug is a mutation of the production code that the simulation must find. The code itself knows nothing of it: the file
// is replaced while the test is built.
type bug struct {
	name string
	file string // relative to internal
	old  string // occurs in the file once
	new  string
	by   string         // part of what the simulation says when it finds the bug
	odds map[string]int // see Plan
}

// bugs lists all mutations.
var bugs = []bug{
	{
		name: "drop an intent", file: "life/decide.go",
		old: "\ts.emit(event.ActionIntended{Action: a})\n",
		new: "\tif a.Kind() != event.ActAnswer {\n\t\ts.emit(event.ActionIntended{Action: a})\n\t}\n",
		by:  "the log does not intend it",
	},
	{
		name: "double a message", file: "fleet/hand_message.go",
		old: "\tif !again {\n\t\treturn s.paste(ctx, t, m)\n", new: "\tif true {\n\t\treturn s.paste(ctx, t, m)\n",
		by: "arrived 2 times", odds: map[string]int{"the supervisor dies after pasting": 100},
	},
	{
		name: "forget a deadline", file: "life/decide.go",
		old: "\ts.emit(event.DeadlineSet{Name: name, At: at, Instant: instant})\n",
		new: "\tif name != event.DeadlineWaiting {\n\t\ts.emit(event.DeadlineSet{Name: name, At: at, Instant: instant})\n\t}\n",
		by:  "nothing will ever happen to it",
	},
	{
		name: "ignore the generation", file: "life/turn.go",
		old: "\tcase in.Gen != s.t.Gen:\n", new: "\tcase true:\n\tcase in.Gen != s.t.Gen:\n",
		by: "is obeyed, and",
	},
	{
		name: "trust a failed probe", file: "fleet/hand_start.go",
		old: "\tpanes, err := s.cfg.Terminal.Panes(ctx)\n\tif err != nil {\n", new: "\tpanes, err := s.cfg.Terminal.Panes(ctx)\n\tif err != nil && false {\n",
		by: "was ended, and started once more", odds: map[string]int{
			"listing panes fails": 100, "the supervisor dies after opening a window": 50,
		},
	},
}

// plan is a world in which the bug shows.
func (b bug) plan(seed uint64) Plan {
	return Plan{Seed: seed, Tasks: 60, Slots: 6, Every: 5 * time.Minute, Faults: 100, Odds: b.odds}
}

// plant returns the path of the file and its text with the bug in it.
func (b bug) plant(t *testing.T) (path, text string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", b.file))
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(code), b.old); n != 1 {
		t.Fatalf("%q: its place occurs %d times in %s; write the mutation for the code as it is now:\n%s", b.name, n, b.file, b.old)
	}
	return path, strings.Replace(string(code), b.old, b.new, 1)
}

// A change of the code must not silently take away the place of a planted bug.
func TestEveryBugCanBePlanted(t *testing.T) {
	t.Parallel()
	for _, b := range bugs {
		b.plant(t)
	}
}
