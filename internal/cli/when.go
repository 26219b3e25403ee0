package cli

import (
	"time"

	"muster/internal/config"
	"muster/internal/fault"
)

// timeForms are the forms of a TIME in a flag, for help texts and hints. docs/GLOSSARY.md describes them.
const timeForms = "3d, 12h, 18:30, 2026-11-26, 2026-11-26T18:00 or RFC 3339"

// A direction says on which side of now the time of a flag lies.
type direction int

const (
	past   direction = -1 // a duration is counted back from now, and a time of day is the last one
	future direction = 1  // a duration is counted from now, and a time of day is the next one
)

// readTime returns the time that the value of a flag names: a duration, a time of day, a day, or both, in the local zone
// where none is named. It returns the zero time for "", and a fault.Usage for a text that names no time, or one on the
// wrong side of now.
func readTime(flag, value string, side direction, now time.Time) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	at, ok := parseTime(value, side, now)
	wrong := ""
	switch {
	case !ok:
		wrong = "is neither a duration nor a time"
	case side == past && at.After(now):
		wrong = "is in the future"
	case side == future && !at.After(now):
		wrong = "is over already"
	default:
		return at, nil
	}
	return time.Time{}, fault.New(fault.Usage, "--%s: %q %s", flag, clean(value, 40), wrong).WithHint("Give a duration or a time, such as %s.", timeForms)
}

// readWindow returns the times that the flags --since and --until name; the zero time for "".
func readWindow(since, until string, now time.Time) (from, to time.Time, err error) {
	if from, err = readTime("since", since, past, now); err != nil {
		return from, to, err
	}
	if to, err = readTime("until", until, past, now); err != nil {
		return from, to, err
	}
	if until != "" && !to.After(from) {
		return from, to, fault.New(fault.Usage, "--until: %q is not after --since %q", clean(until, 40), clean(since, 40)).
			WithHint("The time from %s to %s is empty.", from.Format("2006-01-02 15:04"), to.Format("2006-01-02 15:04"))
	}
	return from, to, nil
}

// parseTime returns the time that a text names; false if it names none.
func parseTime(s string, side direction, now time.Time) (time.Time, bool) {
	if d, ok := config.ParseDuration(s); ok {
		return now.Add(time.Duration(side) * d), d >= 0
	}
	here := now.Local()
	if clock, err := time.Parse("15:04", s); err == nil {
		day := func(n int) time.Time {
			return time.Date(here.Year(), here.Month(), here.Day()+n, clock.Hour(), clock.Minute(), 0, 0, here.Location())
		}
		at := day(0)
		switch {
		case side == past && at.After(now):
			at = day(-1)
		case side == future && !at.After(now):
			at = day(1)
		}
		return at, true
	}
	for _, form := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if at, err := time.ParseInLocation(form, s, here.Location()); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
