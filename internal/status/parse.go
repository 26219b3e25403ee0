package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"muster/internal/event"
	"muster/internal/text"
)

// MaxLine is the longest line in bytes, without its end, that a status file may hold. Longer ones are
// skipped and reported once.
const MaxLine = 64 << 10

// MaxNote is how many runes of a note are kept.
const MaxNote = 500

// The limits of the other text fields, in runes.
const (
	maxTool    = 100
	maxID      = 200
	maxPath    = 4096
	maxOption  = 200
	maxOptions = 20
)

// errLongLine is a line over MaxLine.
var errLongLine = errors.New("line too long")

// Parse reads one line of a status file, with or without its line end. It requires JSON and a known state. It ignores
// unknown fields, reads an unknown kind of error as "other" and an unknown reason as "dialog", and cleans and cuts
// texts. It does not change times, however absurd.
func Parse(line []byte) (event.Record, error) {
	if len(line) > MaxLine {
		return event.Record{}, errLongLine
	}
	var r event.Record
	if err := json.Unmarshal(line, &r); err != nil {
		return event.Record{}, fmt.Errorf("not a status record: %s", text.Field(err.Error(), 120))
	}
	if !slices.Contains(States(), r.State) {
		return event.Record{}, fmt.Errorf("unknown state %q", text.Field(string(r.State), 40))
	}
	normalise(&r)
	return r, nil
}

// normalise brings a record within the bounds that every reader relies on.
func normalise(r *event.Record) {
	if r.V == 0 {
		r.V = event.RecordVersion
	}
	if r.Reason != "" && !slices.Contains(Reasons(), r.Reason) {
		r.Reason = event.WaitDialog
	}
	if unknown := r.Error != "" && !slices.Contains(ErrorKinds(), r.Error); unknown || r.State == event.RecordError && r.Error == "" {
		r.Error = event.ErrorOther
	}
	r.Note = text.Field(r.Note, MaxNote)
	r.Tool = text.Field(r.Tool, maxTool)
	r.Message = event.MessageID(text.Field(string(r.Message), maxID))
	r.Transcript = text.Field(r.Transcript, maxPath)
	for _, id := range []*string{&r.Src, &r.ToolUseID, &r.SessionID, &r.PromptID, &r.Request, &r.PermissionMode} {
		*id = text.Field(*id, maxID)
	}
	if len(r.Options) == 0 {
		r.Options = nil
	} else {
		r.Options = slices.Clone(r.Options[:min(len(r.Options), maxOptions)])
		for i, o := range r.Options {
			r.Options[i] = text.Field(o, maxOption)
		}
	}
	r.Verdict = verdict(r.Verdict)
	if !slices.Contains(untilSources(), r.UntilFrom) {
		r.UntilFrom = ""
	}
	r.Limits = windows(r.Limits)
	if u := r.Usage; u != nil && (min(u.InputTokens, u.OutputTokens, u.CacheReadTokens, u.CacheWriteTokens, u.CacheWrite1hTokens, int64(u.Turns)) < 0 || u.CostUSD < 0) {
		r.Usage = nil // negative usage is nonsense, and budgets are computed from it
	} else if u != nil {
		clean := *u
		clean.Model, clean.Unpriced = text.Field(u.Model, maxID), text.Field(u.Unpriced, maxOption)
		r.Usage = &clean
	}
}

// untilSources returns all sources that the end of a limit may have.
func untilSources() []event.RestSource {
	return []event.RestSource{event.SourceQuotaLimits, event.SourceRateLimits, event.SourceRetryNext, event.SourceWords}
}

// maxWindows is how many windows of a usage limit are kept. The services known have two or three.
const maxWindows = 8

// windows returns the windows that are plausible.
func windows(all []event.LimitWindow) (out []event.LimitWindow) {
	for _, w := range all[:min(len(all), maxWindows)] {
		w.Name = text.Field(w.Name, maxID)
		if w.Name != "" && w.UsedPercent >= 0 && w.UsedPercent <= 1000 {
			out = append(out, w)
		}
	}
	return out
}

// MaxFindings is how many bytes of a reviewer's findings are kept. Encoded they fit into a line.
const MaxFindings = 8 << 10

// verdict returns a verdict within its bounds; nil if it is neither green nor red.
func verdict(v *event.Verdict) *event.Verdict {
	if v == nil || v.Result != event.VerdictGreen && v.Result != event.VerdictRed {
		return nil
	}
	clean := *v
	clean.Findings = text.Cut(text.Clean(v.Findings), MaxFindings)
	clean.Seal = text.Field(v.Seal, maxID)
	return &clean
}

// States returns all states that a record may have.
func States() []event.RecordState {
	return []event.RecordState{
		event.RecordWorking, event.RecordWaiting, event.RecordIdle, event.RecordDone,
		event.RecordError, event.RecordLimited, event.RecordLaunched, event.RecordExited,
	}
}

// Reasons returns all reasons that a waiting record may have.
func Reasons() []event.WaitReason {
	return []event.WaitReason{event.WaitPermission, event.WaitQuestion, event.WaitDialog}
}

// ErrorKinds returns all kinds that an error record may have.
func ErrorKinds() []event.ErrorKind {
	return []event.ErrorKind{
		event.ErrorRateLimit, event.ErrorOverloaded, event.ErrorAuth, event.ErrorBilling,
		event.ErrorNetwork, event.ErrorInvalidRequest, event.ErrorContextFull, event.ErrorOther,
	}
}
