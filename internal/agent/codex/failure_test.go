package codex

import (
	"encoding/json"
	"testing"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
)

// now is the time of the errors in these tests, in the zone in which the agent names times.
func now() time.Time { return time.Date(2026, 11, 27, 18, 30, 20, 0, time.Local) }

func TestTurnErrorReadsTheEndOfALimit(t *testing.T) {
	t.Parallel()
	soon, later := now().Add(time.Hour).Truncate(time.Second), now().Add(50*time.Hour).Truncate(time.Second)
	window := func(used float64, at time.Time) *rateWindow { return &rateWindow{Used: used, Resets: at.Unix()} }
	clock := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, time.Local) }
	const visit = "You’ve hit your usage limit. Visit https://chatgpt.com/codex/settings/usage to purchase more credits or "
	for name, c := range map[string]struct {
		said   string
		limits rateLimits
		until  time.Time // the zero time is an error without an end
		kind   event.ErrorKind
	}{
		"words, today":            {visit + "try again at 7:07 PM.", rateLimits{}, clock(27, 19, 8), ""},
		"words, tomorrow":         {visit + "try again at 1:05 AM.", rateLimits{}, clock(28, 1, 6), ""},
		"words of this minute":    {visit + "try again at 6:30 PM.", rateLimits{}, clock(27, 18, 31), ""},
		"words, another day":      {visit + "try again at Nov 30th, 2026 4:27 AM.", rateLimits{}, clock(30, 4, 28), ""},
		"noon":                    {visit + "try again at 12:00 PM.", rateLimits{}, clock(28, 12, 1), ""},
		"the full window":         {visit + "try again at 7:07 PM.", rateLimits{Primary: window(100, soon), Secondary: window(40, later)}, soon.Add(agent.LimitMargin), ""},
		"both windows":            {visit + "try again at 7:07 PM.", rateLimits{Primary: window(100, soon), Secondary: window(100, later)}, later.Add(agent.LimitMargin), ""},
		"no window is full":       {visit + "try again at 7:07 PM.", rateLimits{Primary: window(25, soon)}, clock(27, 19, 8), ""},
		"a window that has ended": {visit + "try again at 7:07 PM.", rateLimits{Primary: window(100, now().Add(-time.Hour))}, clock(27, 19, 8), ""},
		"no end":                  {"You’ve hit your usage limit.", rateLimits{}, time.Time{}, event.ErrorRateLimit},
		"no hour":                 {visit + "try again at 25:70 PM.", rateLimits{}, time.Time{}, event.ErrorRateLimit},
		"no money":                {"Quota exceeded. Check your plan and billing details.", rateLimits{Primary: window(100, soon)}, time.Time{}, event.ErrorBilling},
	} {
		got := turnError(event.Record{Time: now()}, rolloutError{Message: c.said, Info: json.RawMessage(`"usage_limit_exceeded"`)}, c.limits)
		if !got.Until.Equal(c.until) || got.Error != c.kind || (got.State == event.RecordLimited) != !c.until.IsZero() {
			t.Errorf("%s: %s %q until %s, want %q until %s", name, got.State, got.Error, got.Until, c.kind, c.until)
		}
	}
}

func TestErrorKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		info, said string
		want       event.ErrorKind
	}{
		{`{"response_too_many_failed_attempts":{"http_status_code":429}}`, "exceeded retry limit, last status: 429 Too Many Requests", event.ErrorRateLimit},
		{`{"http_connection_failed":{"http_status_code":401}}`, "unexpected status 401 Unauthorized: x", event.ErrorAuth},
		{`{"http_connection_failed":{"http_status_code":null}}`, "error sending request for url", event.ErrorNetwork},
		{`"context_window_exceeded"`, "Codex ran out of room in the model's context window.", event.ErrorContextFull},
		{`"server_overloaded"`, "Selected model is at capacity.", event.ErrorOverloaded},
		{`"internal_server_error"`, "We're currently experiencing high demand", event.ErrorOverloaded},
		{`"other"`, "stream disconnected before completion: error sending request", event.ErrorNetwork},
		{`"other"`, `{"error":{"type":"invalid_request_error","message":"x"}}`, event.ErrorInvalidRequest},
		{`"other"`, "Missing environment variable: `KEY`.", event.ErrorAuth},
		{`"other"`, "you have since logged out or signed in to another account", event.ErrorAuth},
		{`[1]`, "what nobody knows", event.ErrorOther},
		{``, "", event.ErrorOther},
	} {
		if got := errorKind(rolloutError{Message: c.said, Info: json.RawMessage(c.info)}); got != c.want {
			t.Errorf("%s %q is %q, want %q", c.info, c.said, got, c.want)
		}
	}
}
