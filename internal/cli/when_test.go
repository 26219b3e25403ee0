package cli

import (
	"strings"
	"testing"
	"time"
)

func TestReadTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 30, 0, 0, time.Local)
	at := func(month time.Month, day, hour, minute int) time.Time {
		return time.Date(2026, month, day, hour, minute, 0, 0, time.Local)
	}
	for _, tt := range []struct {
		value string
		side  direction
		want  time.Time
		wrong string
	}{
		{"", past, time.Time{}, ""},
		{"3h", past, at(11, 26, 9, 30), ""},
		{"3h", future, at(11, 26, 15, 30), ""},
		{"2d", past, now.Add(-48 * time.Hour), ""},
		{"2d", future, now.Add(48 * time.Hour), ""},
		{"09:00", past, at(11, 26, 9, 0), ""},
		{"18:00", past, at(11, 25, 18, 0), ""},
		{"09:00", future, at(11, 27, 9, 0), ""},
		{"18:00", future, at(11, 26, 18, 0), ""},
		{"12:30", past, now, ""},
		{"12:30", future, at(11, 27, 12, 30), ""},
		{"2026-11-01", past, at(11, 1, 0, 0), ""},
		{"2026-12-01", future, at(12, 1, 0, 0), ""},
		{"2026-11-25T18:00", past, at(11, 25, 18, 0), ""},
		{"2026-11-25 18:00", past, at(11, 25, 18, 0), ""},
		{"2026-11-25T18:00:30", past, at(11, 25, 18, 0).Add(30 * time.Second), ""},
		{"2026-11-25T18:00:00Z", past, time.Date(2026, 11, 25, 18, 0, 0, 0, time.UTC), ""},
		{"2026-11-28T18:00:00-03:00", future, time.Date(2026, 11, 28, 21, 0, 0, 0, time.UTC), ""},
		{"2026-11-28", past, time.Time{}, "is in the future"},
		{"2020-01-01T00:00:00Z", future, time.Time{}, "is over already"},
		{"yesterday", past, time.Time{}, "is neither a duration nor a time"},
		{"25:00", future, time.Time{}, "is neither a duration nor a time"},
		{"-3h", future, time.Time{}, "is neither a duration nor a time"},
		{"0s", future, time.Time{}, "is over already"},
	} {
		got, err := readTime("since", tt.value, tt.side, now)
		if !got.Equal(tt.want) || (err == nil) != (tt.wrong == "") {
			t.Errorf("%q on side %d: %s, %v; want %s", tt.value, tt.side, got, err, tt.want)
		}
		if err != nil && (!strings.Contains(err.Error(), tt.wrong) || !strings.Contains(err.Error(), "--since")) {
			t.Errorf("%q: %v, want %q", tt.value, err, tt.wrong)
		}
	}
}
