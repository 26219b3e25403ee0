package status

import (
	"encoding/json"
	"fmt"

	"github.com/google/jsonschema-go/jsonschema"

	"muster/internal/event"
)

// makeSchema makes what Schema returns from the type.
func makeSchema() ([]byte, error) {
	s, err := jsonschema.For[event.Record](nil)
	if err != nil {
		return nil, fmt.Errorf("make schema: %w", err)
	}
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = "muster status record"
	s.Description = "One line of a status file. Only state is needed. Unknown fields are ignored."
	s.AdditionalProperties = nil
	for name, text := range descriptions() {
		p, ok := s.Properties[name]
		if !ok {
			return nil, fmt.Errorf("make schema: described field %q is no field", name)
		}
		p.Description = text
	}
	if u := s.Properties["usage"]; u != nil {
		u.AdditionalProperties = nil
	}
	if v := s.Properties["verdict"]; v != nil {
		v.AdditionalProperties = nil
		v.Properties["result"].Enum = words([]event.VerdictColor{event.VerdictGreen, event.VerdictRed})
	}
	if l := s.Properties["limits"]; l != nil && l.Items != nil {
		l.Items.AdditionalProperties = nil
	}
	s.Properties["state"].Enum = words(States())
	s.Properties["reason"].Enum = words(Reasons())
	s.Properties["error"].Enum = words(ErrorKinds())
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return append(b, '\n'), nil
}

func words[T ~string](ws []T) []any {
	out := make([]any, len(ws))
	for i, w := range ws {
		out[i] = string(w)
	}
	return out
}

// descriptions returns the comments of event.Record by JSON name. A test compares them with the source.
func descriptions() map[string]string {
	return map[string]string{
		"v":               "V is the version of the format, 1; absent means 1.",
		"time":            "Time is when the writer wrote it, RFC 3339; absent means when muster read it.",
		"gen":             "Gen is the generation that the writer belongs to; a record of an older one is kept and never obeyed.",
		"src":             "Src says who wrote it: hook, statusfile, transcript, launcher, cli, script.",
		"state":           "State is what the agent is doing.",
		"interrupted":     "Interrupted says, in an idle record, that the turn was broken off, by a person or by muster.",
		"stopping":        "Stopping says that the agent has ended its turn by itself: in a working record unless one of its hooks sends it on, in an idle record for good.",
		"reason":          "Reason says what a waiting agent waits for.",
		"note":            "Note is a short text for people.",
		"tool":            "Tool is the tool in use or asked for.",
		"tool_use_id":     "ToolUseID pairs the begin and end of one use of a tool: the record that ends it names no tool.",
		"session_id":      "SessionID is the agent's conversation; a record of another one is never obeyed.",
		"prompt_id":       "PromptID is the agent's own id of the prompt that this turn answers.",
		"message":         "Message is the muster message that this record acknowledges.",
		"request":         "Request is the id of the open permission request or question, to be named by its answer.",
		"options":         "Options are the answers that a question offers.",
		"permission_mode": "PermissionMode is the agent's effective permission mode.",
		"error":           "Error is the kind of error that ended the turn.",
		"until":           "Until is when a limit ends.",
		"until_from":      "UntilFrom says where Until is from: quotaLimits, rate_limits, retry.next or words.",
		"limits":          "Limits is how much of the usage limits of the agent's account is used.",
		"usage":           "Usage is the cumulative use of this conversation.",
		"verdict":         "Verdict is the answer of a reviewer.",
		"background":      "Background tells that work goes on although the turn is over.",
		"prompted":        "Prompted marks the start of a turn: the agent took a prompt.",
		"transcript":      "Transcript is the path of the conversation's transcript, as the agent names it.",
		"pid":             "PID is the process that a launched record speaks of.",
		"exit":            "Exit is the exit status that an exited record claims.",
		"signal":          "Signal is the signal that an exited record claims.",
	}
}
