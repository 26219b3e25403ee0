package codex

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/text"
)

// rolloutError is the error that ended a turn. Info is a word, or an object with one word and the HTTP status.
type rolloutError struct {
	Message string          `json:"message"`
	Info    json.RawMessage `json:"codex_error_info"`
}

// kind returns the word of the error's info, and its HTTP status; 0 if there is none.
func (e rolloutError) kind() (word string, status int) {
	if json.Unmarshal(e.Info, &word) == nil {
		return word, 0
	}
	var object map[string]struct {
		Status int `json:"http_status_code"`
	}
	if json.Unmarshal(e.Info, &object) == nil {
		for word, in := range object {
			return word, in.Status
		}
	}
	return "", 0
}

// rateLimits is what the agent knows about the limits of its account.
type rateLimits struct {
	Primary   *rateWindow `json:"primary"`
	Secondary *rateWindow `json:"secondary"`
}

type rateWindow struct {
	Used   float64 `json:"used_percent"`
	Resets int64   `json:"resets_at"` // seconds
}

// windows returns the use of the limits as a record has it.
func (l rateLimits) windows() (out []event.LimitWindow) {
	for _, w := range []struct {
		name string
		of   *rateWindow
	}{{"primary", l.Primary}, {"secondary", l.Secondary}} {
		if w.of != nil {
			out = append(out, event.LimitWindow{Name: w.name, UsedPercent: w.of.Used, ResetsAt: time.Unix(w.of.Resets, 0).UTC()})
		}
	}
	return out
}

// reset returns when the fullest window ends. If both are full it is the later end.
func (l rateLimits) reset(now time.Time) (time.Time, bool) {
	const full = 99.5
	var best *rateWindow
	for _, w := range []*rateWindow{l.Primary, l.Secondary} {
		switch {
		case w == nil || !time.Unix(w.Resets, 0).After(now):
		case best == nil, w.Used >= full && (best.Used < full || w.Resets > best.Resets):
			best = w
		}
	}
	if best == nil || best.Used < full {
		return time.Time{}, false
	}
	return time.Unix(best.Resets, 0).UTC().Add(agent.LimitMargin), true
}

// turnError completes the record of a turn that ended by an error. A usage limit with a known end is "limited": the end is
// that of the full window, or the one in the text.
func turnError(r event.Record, e rolloutError, limits rateLimits) event.Record {
	r.State, r.Error, r.Note = event.RecordError, errorKind(e), text.Line(e.Message, noteLimit)
	if word, _ := e.kind(); word != "usage_limit_exceeded" {
		return r
	}
	if strings.Contains(e.Message, "Check your plan") {
		r.Error = event.ErrorBilling
		return r
	}
	until, ok := limits.reset(r.Time)
	from := event.SourceRateLimits
	if !ok {
		until, ok = parseReset(e.Message, r.Time)
		from = event.SourceWords
	}
	if ok {
		r.State, r.Error, r.Until, r.UntilFrom = event.RecordLimited, "", until, from
	}
	return r
}

var statusPattern = text.Pattern(`(?i)\bstatus:? (\d{3})\b`)

// errorKind returns the kind of an error.
func errorKind(e rolloutError) event.ErrorKind {
	word, status := e.kind()
	said := strings.ToLower(e.Message)
	has := func(words ...string) bool { return agent.Says(said, words...) }
	if m := statusPattern().FindStringSubmatch(e.Message); m != nil && status == 0 {
		status, _ = strconv.Atoi(m[1])
	}
	switch word {
	case "usage_limit_exceeded":
		return event.ErrorRateLimit
	case "context_window_exceeded":
		return event.ErrorContextFull
	case "server_overloaded", "internal_server_error":
		return event.ErrorOverloaded
	case "unauthorized":
		return event.ErrorAuth
	case "bad_request":
		return event.ErrorInvalidRequest
	}
	switch {
	case status == 401, status == 403, has("missing environment variable", "logged out", "signed in to another account", "please log in"):
		return event.ErrorAuth
	case status == 402, has("billing", "insufficient_quota"):
		return event.ErrorBilling
	case status == 429:
		return event.ErrorRateLimit
	case status >= 500, has("high demand", "at capacity", "overloaded"):
		return event.ErrorOverloaded
	case status >= 400, has("invalid_request", "invalid request"):
		return event.ErrorInvalidRequest
	case strings.HasPrefix(word, "response_stream"), word == "http_connection_failed",
		has("stream disconnected", "connection", "error sending request", "timed out", "timeout", "network"):
		return event.ErrorNetwork
	}
	return event.ErrorOther
}

var resetPattern = text.Pattern(`try again at (?:([A-Z][a-z]{2})[a-z]* (\d{1,2})(?:st|nd|rd|th), (\d{4}) )?(\d{1,2}):(\d{2}) ([AP]M)`)

// resetSlack is how long ago a time without a date may be and still mean today: the text names minutes.
const resetSlack = 10 * time.Minute

// parseReset parses the end of a usage limit in texts such as "try again at 7:07 PM." and "try again at Nov 30th, 2026
// 4:27 AM.". The agent names the time of its own zone, which is that of this process. A minute is added, because the one in
// the text is truncated.
func parseReset(said string, at time.Time) (time.Time, bool) {
	m := resetPattern().FindStringSubmatch(said)
	if m == nil {
		return time.Time{}, false
	}
	clock, err := time.Parse("3:04 PM", m[4]+":"+m[5]+" "+m[6])
	if err != nil {
		return time.Time{}, false
	}
	here := at.In(time.Local)
	year, month, day := here.Date()
	if m[1] != "" {
		date, err := time.Parse("Jan 2 2006", m[1]+" "+m[2]+" "+m[3])
		if err != nil {
			return time.Time{}, false
		}
		year, month, day = date.Date()
	}
	until := time.Date(year, month, day, clock.Hour(), clock.Minute(), 0, 0, time.Local)
	if m[1] == "" && until.Before(at.Add(-resetSlack)) {
		until = time.Date(year, month, day+1, clock.Hour(), clock.Minute(), 0, 0, time.Local)
	}
	return until.Add(time.Minute).UTC(), true
}
