package words

import (
	"fmt"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/text"
)

// Why describes the reason for a generation or a message.
func Why(w event.Why) string {
	text, ok := map[event.Why]string{
		event.WhyFirst: "the first", event.WhyCrash: "the one before crashed", event.WhySilent: "the one before never reported",
		event.WhyStall: "the one before stalled", event.WhyFeedback: "checks failed", event.WhyMessage: "there is a message for it",
		event.WhyLost: "tmux or the machine went away", event.WhyRetry: "a person brought it back", event.WhyAPI: "the model's service failed",
		event.WhyNudge: "it was silent", event.WhyBudget: "its budget",
	}[w]
	if !ok {
		return string(w)
	}
	return text
}

// Record describes a status record.
func Record(r event.Record) string {
	text := string(r.State)
	for _, s := range []string{string(r.Reason), string(r.Error)} {
		if s != "" {
			text += " (" + s + ")"
		}
	}
	if r.Tool != "" {
		text += ", tool " + r.Tool
	}
	if !r.Until.IsZero() {
		text += " until " + r.Until.Local().Format(time.DateTime)
	}
	if r.Message != "" {
		text += ", took " + string(r.Message)
	}
	if r.Note != "" {
		text += ": " + FirstLine(r.Note)
	}
	return text
}

// Exit describes how an agent's process ended.
func Exit(cause event.ExitCause, exit, signal int, known bool) string {
	how := "is gone"
	if known {
		how = text.Exited(exit, signal)
	}
	switch cause {
	case event.CauseEnded:
		if !known {
			return "was ended by muster"
		}
		return how + ", ended by muster"
	case event.CauseLost:
		return how + ", with its tmux server or machine"
	case event.CauseLeft:
		return "could not be ended; muster tries again every " + Duration(life.LeftPause)
	case event.CauseOwn:
	}
	return how
}

// Request describes an open request.
func Request(r event.RequestOpened) string {
	text := string(r.Reason)
	if r.Tool != "" {
		text += " for " + r.Tool
	}
	if r.Text != "" {
		text += ": " + FirstLine(r.Text)
	}
	if len(r.Options) > 0 {
		text += " [" + strings.Join(r.Options, " | ") + "]"
	}
	return text
}

// Round describes the verdict of a round.
func Round(r event.RoundFinished) string {
	switch {
	case r.Void != "":
		return "void: " + r.Void
	case r.Moved:
		return "void: the work changed while it was judged"
	case len(r.Results) == 0 && r.Changed:
		return "there are no checks"
	case len(r.Results) == 0:
		return "there are no checks, and nothing was changed"
	}
	var red []string
	for _, c := range r.Results {
		if !c.Green() {
			red = append(red, c.Name+" "+Result(c))
		}
	}
	text := fmt.Sprintf("all %d checks passed", len(r.Results))
	if len(r.Results) == 1 {
		text = r.Results[0].Name + " passed"
	}
	if skipped := left(r.Results); len(skipped) > 0 {
		text = fmt.Sprintf("%d of %d checks passed, %s skipped", len(r.Results)-len(skipped), len(r.Results), strings.Join(skipped, ", "))
	}
	if len(red) > 0 {
		text = strings.Join(red, ", ")
	}
	for _, f := range r.Findings {
		text += "; " + f.Text
	}
	if !r.Changed {
		text += ", and nothing was changed"
	}
	if r.Reused {
		text += " (as before: work and environment are the same)"
	}
	return text
}

// Result describes the verdict of a check.
func Result(c event.CheckResult) string {
	switch {
	case c.Review != "" && c.Green():
		return "accepted by " + string(c.Review)
	case c.Review != "":
		return "refused by " + string(c.Review)
	case c.TimedOut:
		return "timed out"
	case c.Signal != 0:
		return text.Exited(c.Exit, c.Signal)
	case c.Exit != 0:
		return fmt.Sprintf("failed with %d", c.Exit) + again(c)
	case c.Skipped:
		return "skipped: none of its files was changed"
	}
	return "passed" + again(c)
}

// left returns the names of the checks that were left out.
func left(results []event.CheckResult) (names []string) {
	for _, c := range results {
		if c.Skipped {
			names = append(names, c.Name)
		}
	}
	return names
}

// again says how often a check was run, if more than once.
func again(c event.CheckResult) string {
	if c.Runs < 2 {
		return ""
	}
	return fmt.Sprintf(" in run %d", c.Runs)
}

// Usage describes tokens and cost.
func Usage(u event.Usage) string {
	text := fmt.Sprintf("%d tokens in, %d out, $%.2f", u.InputTokens, u.OutputTokens, u.CostUSD)
	if u.Unpriced != "" {
		text += ", without the price of " + u.Unpriced
	}
	return text
}

// Budget describes the limits of a budget; "" if there are none.
func Budget(b event.Budget) string {
	var limits []string
	add := func(set bool, format string, v any) {
		if set {
			limits = append(limits, fmt.Sprintf(format, v))
		}
	}
	add(b.CostUSD > 0, "$%.2f", b.CostUSD)
	add(b.Tokens > 0, "%d tokens", b.Tokens)
	add(b.Turns > 0, "%d turns", b.Turns)
	add(b.Wall > 0, "%s of working time", Duration(b.Wall))
	return strings.Join(limits, ", ")
}

// Action describes what an action does, as an infinitive: "start generation 2".
func Action(a event.Action) string {
	switch args := a.Args.(type) {
	case event.PrepareArgs:
		return "make the worktree ready"
	case event.StartArgs:
		if args.Resume {
			return fmt.Sprintf("start generation %d, which resumes the conversation", a.Gen)
		}
		return fmt.Sprintf("start generation %d", a.Gen)
	case event.DeliverArgs:
		return fmt.Sprintf("deliver %s", args.Message)
	case event.ConfirmArgs:
		return fmt.Sprintf("confirm that %s was delivered", args.Message)
	case event.AnswerArgs:
		return strings.TrimSpace("answer the request: " + string(args.Decision))
	case event.InterruptArgs:
		return "interrupt the agent's turn"
	case event.ProbeArgs:
		if args.Launch {
			return "look at the screen of the agent, which has not reported since its start"
		}
		return fmt.Sprintf("probe the agent, which has been silent for %s", Duration(args.Quiet))
	case event.EndArgs:
		return "end everything that the agent started"
	case event.CheckArgs:
		return fmt.Sprintf("run the checks, round %d", args.Round)
	case event.PublishArgs:
		return "publish what passed"
	case event.CleanArgs:
		return "remove the worktree of published work"
	case event.KeepArgs:
		return "keep the work under a private ref"
	case event.CloseArgs:
		return "close the session with the last screen"
	case event.RemoveArgs:
		return "remove what the task left behind"
	case event.RestoreArgs:
		return "restore " + args.Ref
	case event.BuildArgs:
		if len(args.Entries) == 0 {
			return "look at " + args.Branch
		}
		return fmt.Sprintf("merge the work of %s onto %s, beside it", Count(len(args.Entries), "task"), args.Branch)
	case event.JudgeArgs:
		return "run the checks on what was merged"
	case event.LandArgs:
		return fmt.Sprintf("move %s from %.10s to %.10s", args.Branch, args.Old, args.New)
	}
	return string(a.Kind())
}

// Problem describes an error, and what to do about it, in one line.
func Problem(err error) string {
	line := text.Line(err.Error(), 300)
	if hint := fault.HintOf(err); hint != "" {
		line += ". " + text.Line(hint, 300)
	}
	return line
}
