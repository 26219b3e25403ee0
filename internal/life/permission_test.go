package life

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

// wants reports a request of a tool that runs a command.
func (w *world) wants(request, command string) {
	w.t.Helper()
	input, _ := json.Marshal(map[string]string{"command": command})
	ask := event.NewAsk("Bash", input)
	ask.Use = &event.ToolUse{Class: event.ToolRun, Command: command}
	w.opens(request, event.WaitPermission, ask)
}

func (w *world) opens(request string, reason event.WaitReason, ask event.Ask) {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	r := event.Record{State: event.RecordWaiting, Reason: reason, Request: request, Tool: "Bash", Note: "may I?", Time: w.now, Gen: w.task.Gen}
	w.do(Reported{Gen: w.task.Gen, Source: "status", Record: r, Ask: &ask})
}

func rules(all ...event.PermissionRule) func(*event.Spec) {
	return func(s *event.Spec) { s.Permission = all }
}

// decisions returns the decisions of rules, each as its decision and its decider.
func (w *world) decisions() (out []string) {
	for _, e := range w.log {
		if p, ok := e.Data.(event.PermissionDecided); ok {
			out = append(out, string(p.Action)+" by "+p.By+" at "+p.Rule)
		}
	}
	return out
}

func (w *world) wantDecisions(want ...string) {
	w.t.Helper()
	if got := strings.Join(w.decisions(), ", "); got != strings.Join(want, ", ") {
		w.t.Fatalf("decided %q, want %q", got, want)
	}
}

var (
	allowGo    = event.PermissionRule{Tool: "run", Command: "go *", Action: event.PermissionAllow, Origin: "muster.toml:1"}
	denyPush   = event.PermissionRule{Tool: "run", Command: "git push*", Action: event.PermissionDeny, Reason: "muster publishes", Origin: "muster.toml:5"}
	askDeny    = event.PermissionRule{Tool: "run", Action: event.PermissionAsk, Wait: 2 * time.Minute, Default: event.DefaultDeny, Origin: "muster.toml:9"}
	askFirst   = event.PermissionRule{Tool: "question", Action: event.PermissionAsk, Wait: time.Minute, Default: event.DefaultRecommended, Origin: "muster.toml:13"}
	everything = event.PermissionRule{Action: event.PermissionAllow, Origin: "muster.toml:17"}
)

func TestARuleAnswersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rules(denyPush, allowGo)).work()
	w.wants("r1", "go test ./...")
	if a := argsOf[event.AnswerArgs](w); a.Decision != event.Allow || a.Hash != w.task.Request.Ask.Hash || a.Hash == "" {
		t.Errorf("%+v", a)
	}
	w.finish(event.ActAnswer)
	w.want(event.Working, "").wants("r2", "go test && git push")
	if a := argsOf[event.AnswerArgs](w); a.Decision != event.Deny || !strings.Contains(a.Text, "muster publishes") {
		t.Errorf("%+v", a)
	}
	w.finish(event.ActAnswer)
	w.want(event.Working, "").wants("r3", "rm -rf x")
	w.want(event.Waiting, ReasonPermission).wantOpen().wantDecisions("allow by rule at muster.toml:1", "deny by rule at muster.toml:5")
	w.advance(15 * time.Minute)
	w.want(event.Parked, ReasonPermission)
}

func TestARuleDoesNotAllowWhatIsCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rules(everything)).work()
	ask := event.NewAsk("Bash", []byte(`{"command":"make"}`))
	ask.Cut, ask.Use = true, &event.ToolUse{Class: event.ToolRun, Command: "make"}
	w.opens("r1", event.WaitPermission, ask)
	w.want(event.Waiting, ReasonPermission).wantOpen().wantDecisions()
	if w.task.Request.Unjudged == "" {
		t.Error("nothing says why no rule decided")
	}
}

func TestARuleDoesNotDecideWhatNoHookHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rules(everything)).work()
	w.report(event.Record{State: event.RecordWaiting, Reason: event.WaitPermission, Note: "may I?"})
	w.want(event.Waiting, ReasonPermission).wantOpen().wantDecisions()
	w.says(event.RecordWorking)
	w.report(event.Record{State: event.RecordWaiting, Reason: event.WaitDialog, Request: "r2", Note: "a dialog"})
	w.want(event.Waiting, ReasonDialog).wantOpen().wantDecisions()
}

func TestTheDefaultOfARuleIsGivenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rules(askDeny)).work()
	w.wants("r1", "make")
	w.want(event.Waiting, ReasonPermission).advance(2*time.Minute - time.Second)
	w.wantDecisions()
	w.advance(time.Second)
	w.wantDecisions("deny by deadline at muster.toml:9")
	if a := argsOf[event.AnswerArgs](w); a.Decision != event.Deny || !strings.Contains(a.Text, "Nobody answered") {
		t.Errorf("%+v", a)
	}
	w.finish(event.ActAnswer)
	w.want(event.Working, "").wants("r2", "make")
	w.advance(2 * time.Minute)
	w.fail(event.ActAnswer, FailAgain) // the hook is gone
	w.advance(time.Minute)
	w.want(event.Parked, ReasonPermission)
}

func TestAPersonAnswersBeforeTheDefault(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rules(askDeny)).work()
	w.wants("r1", "make")
	w.write(event.AnswerRequested{Request: "r1", Decision: event.Allow, Hash: w.task.Request.Ask.Hash})
	w.advance(2 * time.Minute)
	w.wantDecisions()
	w.finish(event.ActAnswer)
	w.want(event.Working, "")
}

func TestAQuestionGetsTheRecommendedOption(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rules(askFirst)).work()
	ask := event.NewAsk("AskUserQuestion", []byte(`{}`)).WithQuestions([]event.Question{
		{Text: "Which colour?", Options: []event.Option{{Label: "red\nand more"}, {Label: "blue"}}},
		{Text: "Which size?", Options: []event.Option{{Label: "large"}}},
	})
	w.opens("r1", event.WaitQuestion, ask)
	w.advance(time.Minute)
	w.wantDecisions("text by deadline at muster.toml:13")
	if a := argsOf[event.AnswerArgs](w); a.Text != "red and more\nlarge" {
		t.Errorf("%+v", a)
	}
	w.finish(event.ActAnswer)
	w.want(event.Working, "")
	w.opens("r2", event.WaitQuestion, event.NewAsk("", []byte(`{}`)).WithQuestions([]event.Question{{Text: "What now?"}}))
	w.advance(time.Minute)
	w.want(event.Parked, ReasonQuestion)
}
