package opencode

import (
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/text"
)

// apiError is the error that ended a turn, as the agent reports it.
type apiError struct {
	Name string `json:"name"` // APIError, ProviderAuthError, ContextOverflowError, UnknownError, …
	Data struct {
		Message string            `json:"message"`
		Status  int               `json:"statusCode"`
		Headers map[string]string `json:"responseHeaders"`
		Body    string            `json:"responseBody"`
	} `json:"data"`
}

// turnError translates the end of a turn by an error. A refused call that says when it will be accepted again is a limit.
func turnError(e apiError, now time.Time) event.Record {
	r := event.Record{State: event.RecordError, Error: errorKind(e), Note: text.Line(strings.TrimSpace(e.Name+": "+e.Data.Message), noteLimit)}
	if r.Error != event.ErrorRateLimit {
		return r
	}
	if wait, ok := retryAfter(e.Data.Headers, now); ok {
		r.UntilFrom = event.SourceRetryNext
		r.State, r.Error, r.Until = event.RecordLimited, "", now.Add(wait).UTC().Add(agent.LimitMargin)
	}
	return r
}

// retryAfter returns the wait that the headers of an answer ask for.
func retryAfter(headers map[string]string, now time.Time) (time.Duration, bool) {
	for name, value := range headers {
		if !strings.EqualFold(name, "retry-after") {
			continue
		}
		if d, err := time.ParseDuration(strings.TrimSpace(value) + "s"); err == nil && d > 0 && d < 31*24*time.Hour {
			return d, true
		}
		if at, err := time.Parse(time.RFC1123, value); err == nil && at.After(now) {
			return at.Sub(now), true
		}
	}
	return 0, false
}

// errorKind returns the kind of an error: by its status, else by its name, else by its words. A retry that the plugin gave up
// has only words.
func errorKind(e apiError) event.ErrorKind {
	switch e.Name {
	case "ContextOverflowError":
		return event.ErrorContextFull
	case "ProviderAuthError":
		return event.ErrorAuth
	}
	return agent.ErrorOf(e.Data.Status, strings.ToLower(e.Data.Message+"\n"+e.Data.Body))
}
