package gemini

import (
	"encoding/json"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/text"
)

// apiError is an error of the model's service in its own form.
type apiError struct {
	Error struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Status  string `json:"status"`
		Details []struct {
			Type       string `json:"@type"`
			Reason     string `json:"reason"`
			RetryDelay string `json:"retryDelay"`
			Violations []struct {
				QuotaID string `json:"quotaId"`
			} `json:"violations"`
		} `json:"details"`
	} `json:"error"`
}

// parseError finds the service's own form in a text such as `[API Error: {"error":{…}}]`; the zero value if there is none.
func parseError(said string) (e apiError) {
	begin, end := strings.IndexByte(said, '{'), strings.LastIndexByte(said, '}')
	if begin < 0 || end < begin {
		return e
	}
	_ = json.Unmarshal([]byte(said[begin:end+1]), &e)
	return e
}

// ownWait is the longest pause that the agent waits itself; it opens a menu for a longer one.
const ownWait = 5 * time.Minute

// wait returns the pause that the service asks for.
func (e apiError) wait() (time.Duration, bool) {
	for _, d := range e.Error.Details {
		if wait, err := time.ParseDuration(d.RetryDelay); err == nil && wait > 0 && wait < 31*24*time.Hour {
			return wait, true
		}
	}
	return 0, false
}

// opensMenu reports whether the agent opens its menu after this error instead of calling again.
func (e apiError) opensMenu() bool {
	if c := e.Error.Code; c != 429 && c != 503 {
		return false
	}
	for _, d := range e.Error.Details {
		for _, v := range d.Violations {
			if strings.Contains(v.QuotaID, "PerDay") || strings.Contains(v.QuotaID, "Daily") {
				return true
			}
		}
		switch d.Reason {
		case "QUOTA_EXHAUSTED", "MODEL_CAPACITY_EXHAUSTED", "MODEL_CAPACITY_EXCEEDED", "INSUFFICIENT_G1_CREDITS_BALANCE":
			return true
		}
	}
	wait, ok := e.wait()
	return ok && wait > ownWait
}

// isExhausted reports whether the text of an error is one that the agent writes when its menu was closed.
func isExhausted(said string) bool {
	return agent.Says(said, "exhausted your daily quota", "exhausted your capacity", "Suggested retry after", "quota will reset", "exceeded your current quota", "capacity exceeded")
}

// turnError completes the record of a turn that ended by an error. A limit with a known end is "limited".
func turnError(r event.Record, said string) event.Record {
	e := parseError(said)
	r.State, r.Error, r.Note = event.RecordError, errorKind(e, said), text.Line(said, noteLimit)
	if e.Error.Message != "" {
		r.Note = text.Line(e.Error.Status+": "+e.Error.Message, noteLimit)
	}
	if wait, ok := e.wait(); ok && r.Error == event.ErrorRateLimit && !r.Time.IsZero() {
		r.State, r.Error, r.Until = event.RecordLimited, "", r.Time.Add(wait).UTC().Add(agent.LimitMargin)
	}
	return r
}

// errorKind returns the kind of an error: by its code, else by its words.
func errorKind(e apiError, text string) event.ErrorKind {
	said := strings.ToLower(text)
	has := func(words ...string) bool { return agent.Says(said, words...) }
	code := e.Error.Code
	switch {
	case code == 401, code == 403, has("api key not valid", "api_key_invalid", "unauthenticated", "permission_denied"):
		return event.ErrorAuth
	case has("exceeds the maximum number of tokens", "input token count"):
		return event.ErrorContextFull
	case has("billing", "credits_balance", "payment"):
		return event.ErrorBilling
	case code == 429, has("quota", "resource_exhausted", "rate limit", "exhausted your capacity"):
		return event.ErrorRateLimit
	case code >= 500, has("high demand", "overloaded", "unavailable"):
		return event.ErrorOverloaded
	case code >= 400, has("invalid_argument"):
		return event.ErrorInvalidRequest
	case has("without a finish reason", "stream", "fetch failed", "econnre", "enotfound", "network", "socket", "timeout", "timed out", "connection"):
		return event.ErrorNetwork
	}
	return event.ErrorOther
}
