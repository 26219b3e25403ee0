package status

import (
	"slices"
	"strings"
	"unicode/utf8"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/text"
)

// Validate checks a record that a person or a script is about to write: known states and reasons, the fields that its
// state needs, and lengths. Its error has the code Usage and names the field.
func Validate(r event.Record) error {
	for _, check := range []func(event.Record) error{validateWords, validateNeeds, validateLengths} {
		if err := check(r); err != nil {
			return err
		}
	}
	return nil
}

func validateWords(r event.Record) error {
	if !slices.Contains(States(), r.State) {
		return unknownWord("state", string(r.State), States())
	}
	if r.Reason != "" && !slices.Contains(Reasons(), r.Reason) {
		return unknownWord("reason", string(r.Reason), Reasons())
	}
	if r.Error != "" && !slices.Contains(ErrorKinds(), r.Error) {
		return unknownWord("error", string(r.Error), ErrorKinds())
	}
	return nil
}

func unknownWord[T ~string](field, got string, known []T) error {
	words := make([]string, len(known))
	for i, k := range known {
		words[i] = string(k)
	}
	return fault.New(fault.Usage, "%s: %q is not known", field, text.Field(got, 40)).
		WithHint("Use one of: %s.", strings.Join(words, ", "))
}

// validateNeeds checks that a record has the field that its state needs.
func validateNeeds(r event.Record) error {
	for _, n := range []struct {
		field string
		state event.RecordState
		set   bool
	}{
		{"reason", event.RecordWaiting, r.Reason != ""},
		{"error", event.RecordError, r.Error != ""},
		{"until", event.RecordLimited, !r.Until.IsZero()},
	} {
		if n.set && r.State != n.state {
			return fault.New(fault.Usage, "%s: goes with state %q only", n.field, n.state).
				WithHint("Leave %s out, or set the state to %s.", n.field, n.state)
		}
		if !n.set && r.State == n.state {
			return fault.New(fault.Usage, "%s: missing, state %q needs it", n.field, n.state).
				WithHint("Add %s.", n.field)
		}
	}
	return nil
}

func validateLengths(r event.Record) error {
	for _, f := range []struct {
		field, text string
		max         int
	}{
		{"note", r.Note, MaxNote},
		{"tool", r.Tool, maxTool},
		{"src", r.Src, maxID},
		{"tool_use_id", r.ToolUseID, maxID},
		{"session_id", r.SessionID, maxID},
		{"prompt_id", r.PromptID, maxID},
		{"message", string(r.Message), maxID},
		{"request", r.Request, maxID},
		{"permission_mode", r.PermissionMode, maxID},
		{"transcript", r.Transcript, maxPath},
	} {
		if n := utf8.RuneCountInString(f.text); n > f.max {
			return fault.New(fault.Usage, "%s: %d characters, at most %d are kept", f.field, n, f.max).
				WithHint("Shorten it.")
		}
	}
	if len(r.Options) > maxOptions {
		return fault.New(fault.Usage, "options: %d given, at most %d are kept", len(r.Options), maxOptions).
			WithHint("Give fewer options.")
	}
	for _, o := range r.Options {
		if n := utf8.RuneCountInString(o); n > maxOption {
			return fault.New(fault.Usage, "options: one has %d characters, at most %d are kept", n, maxOption).
				WithHint("Shorten it.")
		}
	}
	return nil
}
