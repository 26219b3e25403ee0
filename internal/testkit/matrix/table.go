package matrix

import (
	"maps"

	"muster/internal/testkit/claude"
	"muster/internal/testkit/codex"
	"muster/internal/testkit/copilot"
	"muster/internal/testkit/gemini"
	"muster/internal/testkit/opencode"
)

// The situations, which are the names of subtests, too. The first eight are run for each change; `make agents` runs all.
const (
	Plain       = "plain task"
	TwoTools    = "two tool calls"
	EditCheck   = "edit check"
	Feedback    = "failing check fed back"
	Allowed     = "permission allowed by a rule"
	Denied      = "permission denied by a rule"
	Unanswered  = "permission that nobody answers"
	Question    = "question"
	Idle        = "message while idle"
	Busy        = "message while busy"
	Dialog      = "message during a request"
	Escape      = "turn interrupted by a person"
	Limit       = "usage limit with its end, met twice"
	RateLimit   = "429 without an end"
	Overloaded  = "529, then fine"
	NoLogin     = "401"
	Cut         = "connection cut in the middle of an answer"
	ServerGone  = "server gone for two minutes"
	Hang        = "model hangs"
	Killed      = "killed in a turn and resumed"
	SessionGone = "tmux session killed and resumed"
	Quit        = "quit by a person, and brought back"
	QuitChecked = "quit by a person while checks run"
	OtherDialog = "dialog that nobody knows, at the start"
)

// Situations returns the situations in the order of the table. Each begins in a worktree that the agent has never seen.
func Situations() []string {
	return []string{
		Plain, TwoTools, EditCheck, Feedback, Allowed, Denied, Unanswered, Question,
		Idle, Busy, Dialog, Escape, Limit, RateLimit, Overloaded, NoLogin, Cut, ServerGone, Hang, Killed, SessionGone, Quit, QuitChecked, OtherDialog,
	}
}

// kind is one kind of agent of the table.
type kind struct {
	name    string // as configuration has it
	product string
	version string // the version that tests run with
	// tests has tests of the kind's own that show a situation, by situations.
	tests map[string]string
	// exempt has the situations that are not run for the kind, with the reason.
	exempt map[string]string
}

// by returns the situations that one test shows.
func by(test string, situations ...string) map[string]string {
	out := map[string]string{}
	for _, s := range situations {
		out[s] = test
	}
	return out
}

// all joins what several tests show.
func all(parts ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, p := range parts {
		maps.Copy(out, p)
	}
	return out
}

// kinds returns the agents of the table.
func kinds() []kind {
	return []kind{
		{
			name: "claude", product: "Claude Code", version: claude.Newest,
			tests: all(
				by("TestClaudeFirstTurnNeedsNoKeyAndACheckSpeaksWithinIt", Plain, EditCheck),
				by("TestClaudeFromDispatchToDone", TwoTools, Feedback),
				by("TestRulesAnswerForAPerson", Allowed, Denied, Unanswered, Question),
				by("TestClaudeTakesMessagesWhileIdleAndWhileAToolRuns", Idle, Busy),
				by("TestClaudeSaysWhetherItTakesWhatIsTyped", Dialog),
				by("TestClaudeTellsOfATurnThatAPersonBrokeOff", Escape),
				by("TestClaudeTellsWhenAUsageLimitEndsAndIsWokenTwice", Limit),
				by("TestClaudeErrorsOfTheModelEndTheTurnAsWhatTheyAre", RateLimit),
				by("TestClaudeRestsAfterAnErrorOfTheServiceAndIsParkedWithoutALogin", Overloaded, NoLogin),
				by("TestClaudeThatHangsIsInterruptedAndGoesOn", Hang),
				by("TestClaudeIsResumedInItsConversationAfterItWasKilledInATool", Killed),
			),
		},
		{
			name: "codex", product: "Codex CLI", version: codex.Version,
			tests: all(
				by("TestCodexFirstTurnNeedsNoKeyAndACheckSpeaksWithinIt", Plain, TwoTools, EditCheck),
				by("TestCodexFromDispatchToDone", Feedback, Denied),
				by("TestCodexTakesMessagesAndSaysWhetherItTakesWhatIsTyped", Idle, Escape),
				by("TestCodexIsStoppedAndGoesOn", Busy, Killed),
				by("TestCodexTellsWhyATurnEnded", RateLimit, NoLogin, Cut),
			),
			exempt: map[string]string{Question: "the program asks questions with options in its plan mode only"},
		},
		{
			name: "opencode", product: "OpenCode", version: opencode.Version,
			tests: all(
				by("TestOpenCodeDoesATask", Plain, TwoTools, Idle, Busy, Killed),
				by("TestOpenCodeSituations", EditCheck, Question, Overloaded, NoLogin, Cut, Escape),
			),
		},
		{
			name: "gemini", product: "Gemini CLI", version: gemini.Version,
			tests: all(
				by("TestGeminiDoesATurnAsksAndIsTakenUpAgain", Plain, EditCheck, Idle, Escape, NoLogin, Killed),
				by("TestGeminiFromDispatchToDone", Feedback),
			),
			exempt: map[string]string{RateLimit: "the program itself calls again without end, and each ten calls take four minutes"},
		},
		{
			name: "copilot", product: "Copilot CLI", version: copilot.Version,
			tests: by("TestCopilotWorksAndIsTakenUpAgain", Plain, EditCheck, Idle, Killed),
			exempt: map[string]string{
				Question: "the tool is switched off, because no hook can answer it",
				Limit:    "no record of the program has the end of a limit; it counts as a 429 without an end",
			},
		},
	}
}

// Kinds returns the names of the agents in the order of the table.
func Kinds() []string {
	var out []string
	for _, k := range kinds() {
		out = append(out, k.name)
	}
	return out
}

// Exempt returns why a situation is not run for a kind of agent; "" if it is.
func Exempt(name, situation string) string {
	for _, k := range kinds() {
		if k.name == name {
			return k.exempt[situation]
		}
	}
	return ""
}
