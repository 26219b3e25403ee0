package notify

import (
	"time"

	"muster/internal/config"
)

// at returns a time of day, in minutes since midnight, on the day that is some days after that of t, in the zone of t.
// Where the zone leaves that time out, it is the same distance after the beginning of the gap.
func at(minute, days int, t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d+days, minute/60, minute%60, 0, 0, t.Location())
}

// lastAt returns the last time not after now at which it was this time of day.
func lastAt(minute int, now time.Time) time.Time {
	for days := 0; ; days-- {
		if then := at(minute, days, now); !then.After(now) {
			return then
		}
	}
}

// nextAt returns the first time after now at which it is this time of day.
func nextAt(minute int, now time.Time) time.Time {
	for days := 0; ; days++ {
		if then := at(minute, days, now); then.After(now) {
			return then
		}
	}
}

// quietUntil returns the end of the quiet spans that now is in; zero if it is in none. Spans that touch are one.
func quietUntil(spans []config.Span, now time.Time) (until time.Time) {
	at := now
	for range len(spans) + 1 {
		end := time.Time{}
		for _, s := range spans {
			begin := lastAt(s.From, at)
			if e := nextAt(s.To, begin); at.Before(e) && e.After(end) {
				end = e
			}
		}
		if end.IsZero() {
			return until
		}
		until, at = end, end
	}
	return until // the whole day is quiet
}
