package agent

import (
	"slices"
	"strings"
	"time"

	"muster/internal/event"
)

// LimitMargin is added to the end of a usage limit, for differences between clocks.
const LimitMargin = 5 * time.Second

// Says reports whether a text contains one of the words.
func Says(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// ErrorOf returns the kind of an error by the status of the service's answer, 0 if it is not known, and otherwise by its words, which
// are in lower case.
func ErrorOf(status int, words string) event.ErrorKind {
	has := func(some ...string) bool { return Says(words, some...) }
	switch {
	case status == 401, status == 403 && !has("quota", "billing"):
		return event.ErrorAuth
	case status == 402, has("insufficient_quota", "credit balance", "billing", "payment required"):
		return event.ErrorBilling
	case status == 429, has("rate limit", "rate_limit", "too many requests", "usage_limit", "usage limit", "quota"):
		return event.ErrorRateLimit
	case status >= 500, has("overloaded", "server error", "internal error", "unavailable", "provider is overloaded"):
		return event.ErrorOverloaded
	case status >= 400:
		return event.ErrorInvalidRequest
	case has("unable to connect", "connection", "econnreset", "econnrefused", "timed out", "timeout", "fetch failed", "socket", "enotfound", "network"):
		return event.ErrorNetwork
	}
	return event.ErrorOther
}
