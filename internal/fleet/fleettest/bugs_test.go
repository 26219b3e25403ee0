package fleettest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bug is a mutation of the production code that the simulation must find. The production code does not contain it:
// the file is replaced while the test is built.
type bug struct {
	name string
	file string // relative to internal
	old  string // occurs in the file once
	new  string
	by   string         // part of the simulation's message when it finds the bug
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
		name: "judge a turn that was interrupted for its silence", file: "life/apply.go",
		old: "\t\tif p.Stage == event.StageInterrupt {\n", new: "\t\tif false {\n",
		by: "a turn is judged that was interrupted", odds: map[string]int{"the agent hangs": 200, "the supervisor dies after pasting": 200},
	},
	{
		name: "trust a failed probe", file: "fleet/hand_start.go",
		old: "\tpanes, err := s.cfg.Terminal.Panes(ctx)\n\tif err != nil {\n", new: "\tpanes, err := s.cfg.Terminal.Panes(ctx)\n\tif err != nil && false {\n",
		by: "was ended, and started once more", odds: map[string]int{
			"listing panes fails": 100, "the supervisor dies after opening a window": 50,
		},
	},
	{
		name: "forget the fence of a launch that was found", file: "fleet/hand_start.go",
		old: "\t\treturn s.launchedIn(pane, facts)\n", new: "\t\treturn s.launchedIn(pane, facts[:0])\n",
		by: "in which fence generation", odds: map[string]int{"the supervisor dies after opening a window": 100},
	},
	{
		name: "publish green work, whatever else it has", file: "life/check.go",
		old: "\tcase park != nil:\n", new: "\tcase false:\n",
		by: "it has what nobody allowed",
	},
	{
		name: "a shortage of one repository is everybody's", file: "life/shortage.go",
		old: "\tif p.Place == event.PlaceMachine {\n", new: "\tif true {\n",
		by: "the machine lacks nothing", odds: onlyRepositories(),
	},
	{
		name: "stop leaves the setup running", file: "life/end.go",
		old: "\tcase s.t.Agent.Live || s.open(event.ActStart, event.ActCheck, event.ActPrepare):\n\t\ts.endAll()\n",
		new: "\tcase s.t.Agent.Live || s.open(event.ActStart, event.ActCheck):\n\t\ts.endAll()\n",
		by:  "its job ran on", odds: map[string]int{"a job takes hours": 300},
	},
	{
		name: "red is never asked again", file: "life/check.go",
		old: "return !r.Moved && allGreen(r.Results) }", new: "return !r.Moved }",
		by: "a red verdict was taken from the round before",
	},
	{
		name: "a limit uses the time up", file: "life/decide.go",
		old: "s.in(event.Limited, event.Waiting, event.Checking)", new: "s.in(event.Waiting, event.Checking)",
		by: "its time is said to be over", odds: map[string]int{"the service fails": 300},
	},
	{
		name: "a person's words go by the mailbox", file: "life/message.go",
		old: "\tif t.Spec.Traits.Aside && (m.Why == event.WhyNudge || m.Why == event.WhyBudget) {\n", new: "\tif t.Spec.Traits.Aside {\n",
		by: "framed as a notice",
	},
	{
		name: "a message of which there is no sign has arrived", file: "fleet/hand_message.go",
		old: "\treturn failed(life.FailUnknown, \"no sign of it in the conversation\")\n",
		new: "\treturn done(nil, event.MessageMoved{Message: a.Message(), To: event.MessageAcked})\n",
		by:  "is said to have arrived", odds: map[string]int{"the agent drops a message": 300},
	},
	{
		name: "what could not be ended is forgotten", file: "life/end.go",
		old: "\t\ts.setDeadline(event.DeadlineEnd, s.now.Add(LeftPause), false)\n", new: "",
		by: "is not at rest", odds: map[string]int{"ending an agent fails": 500},
	},
	{
		name: "work is merged by its own verdict, whatever the base has become", file: "life/queue.go",
		old: "\treturn n > 0 && s.q.Entries[n-1].Tree == b.Tree && b.Environment", new: "\treturn n > 0 && b.Environment",
		by: "and it is not green",
	},
	{
		name: "who passes first wins the race", file: "life/race.go",
		old: "\tif s.t.Spec.Race == nil || s.t.Race != nil {\n\t\treturn false\n", new: "\tif s.t.Spec.Race == nil || s.t.Race == nil {\n\t\treturn false\n",
		by: "work of a race is published, and it has not won",
	},
	{
		name: "git has two minutes", file: "fleet/hands.go",
		old: "return max(actLimit, t.Spec.Timeout)", new: "return actLimit",
		by: "because git took its time",
	},
	{
		name: "what hangs is waited for", file: "fleet/workers.go",
		old: "\t\tif over > lostGrace {\n", new: "\t\tif over > lostGrace && false {\n",
		by: "is not at rest", odds: map[string]int{"making a worktree never returns": 50},
	},
	{
		name: "a worktree is removed unkept", file: "fleet/hand_check.go",
		old: "\tr := s.keep(ctx, t)\n", new: "\tr := result{}\n",
		by: "and nothing keeps",
	},
	{
		name: "the setup's files are thought to be there", file: "fleet/hand_start.go",
		old: "\tif (t.Gen > 0 || t.Setup != nil) && !s.cfg.Worktrees.There(t) {", new: "\tif t.Gen < 0 && !s.cfg.Worktrees.There(t) {",
		by: "works where nothing was set up",
	},
	{
		name: "an agent starts where its worktree was", file: "fleet/hand_start.go",
		old: "\tif !s.cfg.Worktrees.There(t) {", new: "\tif t.Gen < 0 && !s.cfg.Worktrees.There(t) {",
		by: "an agent was started where its worktree was", odds: map[string]int{"the agent crashes": 200},
	},
	{
		name: "a held agent is told something", file: "life/hold.go",
		old: "\tif s.t.Held == nil || m.State != event.MessageWaiting {\n", new: "\tif s.t.Held == nil || m.State != \"\" {\n",
		by: "a prompt is sent although its account rests", odds: map[string]int{"the service fails": 200},
	},
	{
		name: "a rest of the fleet stops nobody", file: "life/place.go",
		old: "night.Resting() || night.keepsFrom(t) {", new: "night.keepsFrom(t) {",
		by: "on account budget:night, which rests", odds: map[string]int{"the agent crashes": 200},
	},
	{
		name: "a hard budget waits for the end of the turn", file: "life/decide.go",
		old: "\ts.mindHold()\n", new: "",
		by: "a hard budget is spent",
	},
	{
		name: "a task's budget is looked at between its turns", file: "life/budget.go",
		old: "s.t.State == event.Working && s.t.Agent.toJudge()\n",
		new: "s.t.State == event.Working && (s.t.Agent.Turn == TurnBusy || s.t.Agent.toJudge())\n",
		by:  "its budget is spent",
	},
}

// onlyRepositories returns the odds of a world in which only actions on repositories meet a shortage.
func onlyRepositories() map[string]int {
	odds := map[string]int{"it is for what the machine lacks": 0, "a launch lacks something": 0}
	for _, op := range []string{
		"opening a window", "listing panes", "asking for a status", "pasting", "pressing Enter", "pressing Escape", "closing a session",
		"making an agent ready", "looking at the input", "posting", "looking for a message", "answering", "looking for an open tool",
		"looking at a screen", "putting files away", "ending an agent", "ending a job", "looking at a job", "making a job ready",
		"taking a count back", "noting", "reading a note",
	} {
		odds[op+" lacks something"] = 0
	}
	return odds
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

// A change of the code must not silently remove the place of a planted bug.
func TestEveryBugCanBePlanted(t *testing.T) {
	t.Parallel()
	for _, b := range bugs {
		b.plant(t)
	}
}
