package words

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Ago returns how long before now t was, in the format of Duration; "-" for the zero time.
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return Duration(now.Sub(t))
}

// Until returns how long after now t is, as "in 3m", or "is over".
func Until(t, now time.Time) string {
	if t.Before(now) {
		return "is over"
	}
	return "in " + Duration(t.Sub(now))
}

// Duration returns a duration in at most two units, rounded down: "12s", "3m", "2h05m", "4d". A negative one is "0s".
func Duration(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

// Bytes returns an amount of room in the unit that leaves it short: "812 KiB", "1.4 GiB".
func Bytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", max(n, 0))
	}
	value, unit := float64(n), ""
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value, unit = value/1024, u; value < 1023.5 {
			break
		}
	}
	if value < 9.95 {
		return fmt.Sprintf("%.1f %s", value, unit)
	}
	return fmt.Sprintf("%.0f %s", value, unit)
}

// Count returns a number of things: "no checks", "1 check", "3 checks".
func Count(n int, thing string) string {
	switch n {
	case 0:
		return "no " + thing + "s"
	case 1:
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// FirstLine returns the first line of a text with any content, without heading marks.
func FirstLine(s string) string {
	for line := range strings.SplitSeq(s, "\n") {
		if line = strings.TrimFunc(line, func(r rune) bool { return unicode.IsSpace(r) || r == '#' }); line != "" {
			return line
		}
	}
	return ""
}
