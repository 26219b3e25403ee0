package life

import (
	"slices"

	"muster/internal/event"
)

// rule names a row of the table.
type rule string

// Transition is a row: by this rule a task may move from these states to that one.
type Transition struct {
	Rule string
	From []event.State
	To   event.State
	When string // in plain words, for `muster why` and the documentation
}

// The states in which an agent's generation belongs to the task.
var running = []event.State{
	event.Preparing, event.Starting, event.Working, event.Waiting, event.Stalled, event.Limited, event.Checking, event.Publishing,
}

// unfinished lists all states that are not final.
var unfinished = append([]event.State{event.Queued, event.Blocked, event.InReview, event.Parked}, running...)

// The rules. Each constant is used in one place of this package.
const (
	ruleDepsWait       rule = "deps.wait"
	ruleDepsMet        rule = "deps.met"
	ruleDepsFailed     rule = "deps.failed"
	ruleSlotGranted    rule = "slot.granted"
	rulePrepareFailed  rule = "prepare.failed"
	ruleLaunch         rule = "launch"
	ruleLaunchFailed   rule = "launch.failed"
	ruleLaunchMode     rule = "launch.mode"
	ruleLaunchStuck    rule = "launch.stuck"
	ruleRelaunch       rule = "relaunch"
	ruleFirstRecord    rule = "record.first"
	ruleWentOn         rule = "agent.went_on"
	ruleTurnEnded      rule = "turn.ended"
	ruleRequestOpened  rule = "request.opened"
	ruleRequestClosed  rule = "request.closed"
	ruleRequestExpired rule = "request.expired"
	ruleSilent         rule = "agent.silent"
	ruleSilenceEnded   rule = "silence.ended"
	ruleStallEnd       rule = "stall.end"
	ruleFlooded        rule = "records.flooded"
	ruleQuit           rule = "agent.quit"
	ruleAccountRests   rule = "account.rests"
	ruleAccountBack    rule = "account.back"
	ruleAPIError       rule = "api.error"
	ruleAPIRetry       rule = "api.retry"
	ruleAPIEnd         rule = "api.end"
	ruleRoundGreen     rule = "round.green"
	ruleRoundRed       rule = "round.red"
	ruleRoundVoid      rule = "round.void"
	ruleRoundsUsed     rule = "rounds.used"
	ruleNoProgress     rule = "no.progress"
	ruleNoChange       rule = "no.change"
	ruleWorkRefused    rule = "work.refused"
	ruleChecksBroken   rule = "checks.broken"
	ruleTreeMoved      rule = "tree.moved"
	ruleInReview       rule = "review.opened"
	ruleMergeQueued    rule = "merge.queued"
	ruleMergeReturned  rule = "merge.returned"
	ruleMergeRefused   rule = "merge.refused"
	rulePublishRefused rule = "publish.refused"
	rulePublished      rule = "published"
	ruleReviewEnd      rule = "review.end"
	ruleReviewFeedback rule = "review.feedback"
	ruleReviewClosed   rule = "review.closed"
	ruleReviewStuck    rule = "review.stuck"
	ruleReviewRounds   rule = "review.rounds"
	ruleReviewWaits    rule = "review.waits"
	ruleReviewAgain    rule = "review.again"
	ruleReviewNews     rule = "review.news"
	ruleReturned       rule = "returned"
	ruleShelved        rule = "shelved"
	ruleAttemptsUsed   rule = "attempts.used"
	ruleRespawnsUsed   rule = "respawns.used"
	ruleTimeout        rule = "timeout"
	ruleBudgetSpent    rule = "budget.spent"
	ruleStopped        rule = "stopped"
	ruleVerdict        rule = "review.verdict"
	ruleReviewBroken   rule = "review.broken"
	ruleRaceWaits      rule = "race.waits"
	ruleRaceWon        rule = "race.won"
	ruleRaceLost       rule = "race.lost"
)

// table has every transition of a task.
var table = map[rule]Transition{
	ruleDepsWait:       {From: []event.State{event.Queued}, To: event.Blocked, When: "a task that it comes after is not done yet"},
	ruleDepsMet:        {From: []event.State{event.Blocked}, To: event.Queued, When: "everything that it comes after is done"},
	ruleDepsFailed:     {From: []event.State{event.Queued, event.Blocked}, To: event.Parked, When: "a task that it comes after failed or was cancelled"},
	ruleSlotGranted:    {From: []event.State{event.Queued}, To: event.Preparing, When: "a slot is free and the task is the first in line that can start"},
	rulePrepareFailed:  {From: []event.State{event.Preparing}, To: event.Parked, When: "its worktree could not be made ready"},
	ruleLaunch:         {From: []event.State{event.Preparing}, To: event.Starting, When: "its worktree is ready"},
	ruleLaunchStuck:    {From: []event.State{event.Starting}, To: event.Parked, When: "the agent did not report after its start, and its screen stands still, as at a dialog"},
	ruleLaunchFailed:   {From: []event.State{event.Starting}, To: event.Parked, When: "its agent could not be started"},
	ruleLaunchMode:     {From: []event.State{event.Starting, event.Working, event.Waiting, event.Stalled}, To: event.Parked, When: "the agent reports another permission mode than its configuration asks for"},
	ruleRelaunch:       {From: []event.State{event.Working, event.Waiting, event.Stalled, event.Limited, event.Checking}, To: event.Starting, When: "a further generation is started"},
	ruleFirstRecord:    {From: []event.State{event.Starting}, To: event.Working, When: "the agent reported for the first time"},
	ruleWentOn:         {From: []event.State{event.Limited}, To: event.Working, When: "the agent went on by itself"},
	ruleTurnEnded:      {From: []event.State{event.Working}, To: event.Checking, When: "the agent ended its turn, and nothing waits to be told to it"},
	ruleRequestOpened:  {From: []event.State{event.Starting, event.Working, event.Stalled, event.Checking}, To: event.Waiting, When: "the agent asks for a permission or an answer"},
	ruleRequestClosed:  {From: []event.State{event.Waiting}, To: event.Working, When: "its request was answered"},
	ruleRequestExpired: {From: []event.State{event.Waiting}, To: event.Parked, When: "nobody answered its request in time"},
	ruleSilent:         {From: []event.State{event.Working}, To: event.Stalled, When: "the agent has been silent for too long"},
	ruleSilenceEnded:   {From: []event.State{event.Stalled}, To: event.Working, When: "the agent reported again"},
	ruleStallEnd:       {From: []event.State{event.Stalled}, To: event.Parked, When: "the agent stayed silent through every stage"},
	ruleQuit:           {From: []event.State{event.Starting, event.Working, event.Waiting, event.Stalled, event.Checking}, To: event.Parked, When: "somebody quit the agent at its terminal"},
	ruleFlooded:        {From: []event.State{event.Starting, event.Working, event.Waiting, event.Stalled, event.Checking}, To: event.Parked, When: "its status file grows without end"},
	ruleAccountRests:   {From: []event.State{event.Starting, event.Working}, To: event.Limited, When: "its account rests, so its agent is neither started nor told anything"},
	ruleAccountBack:    {From: []event.State{event.Parked}, To: event.Limited, When: "the account that parked it may be used again"},
	ruleAPIError:       {From: []event.State{event.Starting, event.Working, event.Waiting, event.Stalled, event.Checking}, To: event.Limited, When: "its turn ended by an error of the model's service"},
	ruleAPIRetry:       {From: []event.State{event.Limited}, To: event.Working, When: "the pause after the error is over and a slot is free"},
	ruleAPIEnd:         {From: []event.State{event.Starting, event.Working, event.Waiting, event.Stalled, event.Checking}, To: event.Parked, When: "the error will not go away by itself, or came too often"},
	ruleRoundGreen:     {From: []event.State{event.Checking}, To: event.Publishing, When: "all checks passed"},
	ruleRoundRed:       {From: []event.State{event.Checking}, To: event.Working, When: "a check failed, and its output goes back to the agent"},
	ruleRoundVoid:      {From: []event.State{event.Checking}, To: event.Working, When: "the agent works again, so the verdict does not count"},
	ruleRoundsUsed:     {From: []event.State{event.Checking}, To: event.Parked, When: "checks failed and all rounds are used"},
	ruleNoProgress:     {From: []event.State{event.Checking}, To: event.Parked, When: "the same failure twice, and nothing was changed in between"},
	ruleNoChange:       {From: []event.State{event.Checking}, To: event.Parked, When: "the agent ended its turn without having changed anything, and has been told once, if it was to be told"},
	ruleWorkRefused:    {From: []event.State{event.Checking}, To: event.Parked, When: "the work is green, and has what the task does not allow"},
	ruleChecksBroken:   {From: []event.State{event.Checking}, To: event.Parked, When: "the checks could not be run"},
	ruleTreeMoved:      {From: []event.State{event.Publishing}, To: event.Checking, When: "the work changed after its verdict"},
	ruleInReview:       {From: []event.State{event.Publishing}, To: event.InReview, When: "the work waits for review"},
	ruleMergeQueued:    {From: []event.State{event.Publishing}, To: event.InReview, When: "the work waits to be merged into its base"},
	ruleMergeReturned:  {From: []event.State{event.InReview}, To: event.Queued, When: "the work cannot be merged as it is, and goes back to the agent"},
	ruleMergeRefused:   {From: []event.State{event.InReview}, To: event.Parked, When: "the work cannot be merged as it is, and all rounds are used"},
	rulePublishRefused: {From: []event.State{event.Publishing}, To: event.Parked, When: "the work could not be published"},
	rulePublished:      {From: []event.State{event.Publishing, event.InReview}, To: event.Done, When: "the work is published"},
	ruleReviewEnd:      {From: []event.State{event.InReview}, To: event.Parked, When: "the review did not end in time"},
	ruleReviewFeedback: {From: []event.State{event.InReview}, To: event.Queued, When: "its review brought something to mend, which goes back to the agent"},
	ruleReviewClosed:   {From: []event.State{event.InReview}, To: event.Parked, When: "its change was closed without being merged, or is gone"},
	ruleReviewStuck:    {From: []event.State{event.InReview}, To: event.Parked, When: "its review goes on to fail, and the agent makes no progress"},
	ruleReviewRounds:   {From: []event.State{event.InReview}, To: event.Parked, When: "its review brought something to mend, and all rounds are used"},
	ruleReviewWaits:    {From: []event.State{event.InReview}, To: event.Parked, When: "a check of its change has had no verdict for too long"},
	ruleReviewAgain:    {From: []event.State{event.Parked}, To: event.InReview, When: "a person has it wait for the checks of its change again"},
	ruleReviewNews:     {From: []event.State{event.Parked}, To: event.InReview, When: "it was parked because checks of its change gave no verdict, and by now there is one, or something else has happened to the change"},
	ruleReturned:       {From: []event.State{event.Parked}, To: event.Queued, When: "a person brought it back"},
	ruleShelved:        {From: running, To: event.Queued, When: "the fleet went down and took the agent along"},
	ruleAttemptsUsed:   {From: unfinished, To: event.Failed, When: "all attempts are used"},
	ruleRespawnsUsed:   {From: unfinished, To: event.Failed, When: "all generations are used"},
	ruleBudgetSpent:    {From: []event.State{event.Queued, event.Starting, event.Working, event.Waiting, event.Stalled, event.Limited}, To: event.Parked, When: "its budget is spent"},
	ruleVerdict:        {From: []event.State{event.Checking}, To: event.Publishing, When: "it is a review, and the reviewer has given its verdict"},
	ruleReviewBroken:   {From: unfinished, To: event.Failed, When: "it is a review, and the reviewer cannot go on without a person"},
	ruleRaceWaits:      {From: []event.State{event.Checking}, To: event.InReview, When: "it races, and all checks passed"},
	ruleRaceWon:        {From: []event.State{event.InReview}, To: event.Publishing, When: "it races, and its work is the best of those that passed"},
	ruleRaceLost:       {From: unfinished, To: event.Cancelled, When: "it races, and the work of another racer is published"},
	ruleTimeout:        {From: unfinished, To: event.Failed, When: "its time is over"},
	ruleStopped:        {From: unfinished, To: event.Cancelled, When: "a person stopped it"},
}

// Rules returns the table, sorted by name.
func Rules() []Transition {
	out := make([]Transition, 0, len(table))
	for name, tr := range table {
		tr.Rule = string(name)
		out = append(out, tr)
	}
	slices.SortFunc(out, func(a, b Transition) int { return cmpString(a.Rule, b.Rule) })
	return out
}

// RuleText describes a rule of the log; "" for a rule of another version.
func RuleText(name string) string { return table[rule(name)].When }

// Reasons of parked and failed tasks, for scripts.
const (
	ReasonDependency   event.Reason = "dependency_failed"
	ReasonPrepare      event.Reason = "prepare_failed"
	ReasonLaunch       event.Reason = "launch_failed"
	ReasonPermission   event.Reason = "permission"
	ReasonQuestion     event.Reason = "question"
	ReasonDialog       event.Reason = "dialog"
	ReasonSilent       event.Reason = "silent"
	ReasonFlood        event.Reason = "flood"
	ReasonQuit         event.Reason = "quit"
	ReasonAPI          event.Reason = "api_error"
	ReasonAuth         event.Reason = "auth"
	ReasonBilling      event.Reason = "billing"
	ReasonContextFull  event.Reason = "context_full"
	ReasonRounds       event.Reason = "rounds_used"
	ReasonNoProgress   event.Reason = "no_progress"
	ReasonNoChange     event.Reason = "no_change"
	ReasonChecksBroken event.Reason = "checks_broken"
	ReasonPublish      event.Reason = "publish_refused"
	ReasonReview       event.Reason = "review"
	ReasonClosed       event.Reason = "review_closed"
	ReasonCI           event.Reason = "ci_waits"
	ReasonAttempts     event.Reason = "attempts_used"
	ReasonRespawns     event.Reason = "respawns_used"
	ReasonTimeout      event.Reason = "timeout"
	ReasonBudget       event.Reason = "budget"
	ReasonStopped      event.Reason = "stopped"
	ReasonNoVerdict    event.Reason = "no_verdict"
	ReasonRaced        event.Reason = "raced"
)
