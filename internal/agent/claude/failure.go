package claude

import (
	"strconv"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/text"
)

// noteLimit is the maximum length of a note in bytes.
const noteLimit = 300

// turnError translates the end of a turn by an error. The agent's own kind covers several causes, so the text
// decides. A usage limit with a known end is "limited"; a time zone in the text is the agent's, see parseReset. A
// limit without an end, which does not end by itself, is a billing error.
func turnError(kind, said, details string, now time.Time) event.Record {
	r := event.Record{State: event.RecordError, Error: errorKind(kind, said, details), Note: text.Line(said, noteLimit)}
	if r.Error != event.ErrorRateLimit || !isUsageLimit(said) {
		return r
	}
	until, ok := parseReset(said, now)
	switch {
	case ok:
		r.State, r.Error, r.Until, r.UntilFrom = event.RecordLimited, "", until, event.SourceWords
	case agent.Says(said, usageGone...):
		r.Error = event.ErrorBilling
	}
	return r
}

// Phrases by which the agent reports a usage limit. Texts with one of usageGone may name an end, too.
var (
	usageLimits = []string{"You've hit your", "You've reached your"}
	usageGone   = []string{
		"You're out of usage credits", "You're out of extra usage", "Your org is out of usage", "Your group's usage limit is set to $0",
		"Your usage allocation has been disabled by your admin", "Your seat type doesn't include", "requires usage credits",
	}
)

// isUsageLimit reports whether an error's text says that a usage limit was met.
func isUsageLimit(text string) bool {
	return agent.Says(text, usageLimits...) || agent.Says(text, usageGone...)
}

func errorKind(kind, text, details string) event.ErrorKind {
	all := strings.ToLower(text + "\n" + details)
	has := func(words ...string) bool { return agent.Says(all, words...) }
	switch {
	case kind == "rate_limit", isUsageLimit(text):
		return event.ErrorRateLimit
	case kind == "authentication_failed", kind == "oauth_org_not_allowed", has("please run /login", "invalid api key"):
		return event.ErrorAuth
	case kind == "billing_error", has("credit balance"):
		return event.ErrorBilling
	case has("prompt is too long", "context limit reached"):
		return event.ErrorContextFull
	case kind == "invalid_request", kind == "model_not_found", has("api error: 400", "api error: 404", "api error: 413"):
		return event.ErrorInvalidRequest
	case has("unable to connect", "econnreset", "econnrefused", "timed out", "timeout", "fetch failed", "socket", "enotfound", "eai_again"):
		return event.ErrorNetwork
	case kind == "overloaded", kind == "server_error", has("overloaded", "api error: 5"):
		return event.ErrorOverloaded // any other 5xx: wait and try again
	}
	return event.ErrorOther
}

var resetPattern = text.Pattern(`resets (?:at )?(?:([A-Z][a-z]{2})[a-z]* (\d{1,2})(?:,| at)? )?(\d{1,2})(?::(\d{2}))?(?: ?([ap]m))?(?: \(([A-Za-z0-9_+/-]+)\))?`)

const (
	// resetSlack is how long ago a reset time without a date may be and still mean today. The text names minutes, and
	// an agent may report a limit again at the moment of its end.
	resetSlack = 10 * time.Minute
	// resetMargin is added, because the minute in the text is truncated.
	resetMargin = time.Minute
)

// parseReset parses the end of a usage limit in texts such as "resets 1:25pm (UTC)" and "resets Nov 24, 6:59pm
// (Europe/Berlin)". It returns the next such time. The default zone is that of now.
func parseReset(text string, now time.Time) (time.Time, bool) {
	m := resetPattern().FindStringSubmatch(text)
	if m == nil {
		return time.Time{}, false
	}
	zone := now.Location()
	if m[6] != "" {
		z, err := time.LoadLocation(m[6])
		if err != nil {
			return time.Time{}, false
		}
		zone = z
	}
	hour, ok := hourOf(m[3], m[5])
	minute, _ := strconv.Atoi(m[4])
	if !ok || minute > 59 {
		return time.Time{}, false
	}
	here := now.In(zone)
	if m[1] == "" {
		at := time.Date(here.Year(), here.Month(), here.Day(), hour, minute, 0, 0, zone)
		if at.Before(now.Add(-resetSlack)) {
			at = time.Date(here.Year(), here.Month(), here.Day()+1, hour, minute, 0, 0, zone)
		}
		return at.Add(resetMargin).UTC(), true
	}
	month, err := time.Parse("Jan", m[1])
	day, _ := strconv.Atoi(m[2])
	if err != nil || day < 1 || day > 31 {
		return time.Time{}, false
	}
	at := time.Date(here.Year(), month.Month(), day, hour, minute, 0, 0, zone)
	const halfYear = 183 * 24 * time.Hour
	if at.Before(now.Add(-halfYear)) {
		at = time.Date(here.Year()+1, month.Month(), day, hour, minute, 0, 0, zone)
	}
	return at.Add(resetMargin).UTC(), true
}

// hourOf parses an hour of the day, with am or pm or on the 24-hour clock.
func hourOf(digits, half string) (int, bool) {
	h, err := strconv.Atoi(digits)
	switch {
	case err != nil, h > 23, half != "" && (h < 1 || h > 12):
		return 0, false
	case half == "am":
		return h % 12, true
	case half == "pm":
		return h%12 + 12, true
	}
	return h, true
}
