package life

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const minuteForm = "2006-01-02 15:04 MST"

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func cron(t *testing.T, s string) Cron {
	t.Helper()
	c, err := ParseCron(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCron_Next(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cron, zone, after string
		want              []string
	}{
		{"30 2 * * *", "UTC", "2026-11-27 02:30 UTC", []string{"2026-11-28 02:30 UTC"}},
		{"*/20 9-10 * * mon-fri", "UTC", "2026-11-27 10:39 UTC", []string{"2026-11-27 10:40 UTC", "2026-11-30 09:00 UTC"}},
		{"0 0 29 2 *", "UTC", "2026-11-27 00:00 UTC", []string{"2028-02-29 00:00 UTC"}},
		{"0 12 13 * fri", "UTC", "2026-11-10 00:00 UTC", []string{"2026-11-13 12:00 UTC", "2026-11-20 12:00 UTC"}}, // the 13th, or a Friday
		{"0 12 * * 7", "UTC", "2026-11-27 00:00 UTC", []string{"2026-11-29 12:00 UTC"}},
		{"5/25 0 1 JAN *", "UTC", "2026-11-27 00:00 UTC", []string{"2027-01-01 00:05 UTC", "2027-01-01 00:30 UTC", "2027-01-01 00:55 UTC", "2028-01-01 00:05 UTC"}},
		{"@weekly", "UTC", "2026-11-27 00:00 UTC", []string{"2026-11-29 00:00 UTC"}},
		// 2:30 does not exist on 29 March: it is the first minute after the gap.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28 03:00 CET", []string{"2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"}},
		{"0 3 * * *", "Europe/Berlin", "2026-03-28 12:00 CET", []string{"2026-03-29 03:00 CEST", "2026-03-30 03:00 CEST"}},
		// 2:30 is there twice on 25 October: only the first one counts.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24 12:00 CEST", []string{"2026-10-25 02:30 CEST", "2026-10-26 02:30 CET"}},
		// A schedule of every hour has both, and nothing instead of the hour that is left out.
		{"30 * * * *", "Europe/Berlin", "2026-10-25 01:40 CEST", []string{"2026-10-25 02:30 CEST", "2026-10-25 02:30 CET", "2026-10-25 03:30 CET"}},
		{"30 * * * *", "Europe/Berlin", "2026-03-29 01:00 CET", []string{"2026-03-29 01:30 CET", "2026-03-29 03:30 CEST"}},
		// There is no midnight on 6 September in Santiago, and clocks change by half an hour on Lord Howe Island.
		{"0 0 * * *", "America/Santiago", "2026-09-05 12:00 -04", []string{"2026-09-06 01:00 -03", "2026-09-07 00:00 -03"}},
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03 01:30 UTC", []string{"2026-10-04 02:30 +11", "2026-10-05 02:15 +11"}},
	} {
		at, err := time.ParseInLocation(minuteForm, c.after, zone(t, c.zone))
		if err != nil {
			t.Fatal(err)
		}
		at = at.In(zone(t, c.zone))
		var got []string
		for range c.want {
			at = cron(t, c.cron).Next(at)
			got = append(got, at.Format(minuteForm))
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%q in %s after %s (-want +got):\n%s", c.cron, c.zone, c.after, d)
		}
	}
}

func TestParseCron_NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"": "0 fields", "* * * *": "4 fields", "60 * * * *": "minute", "* 24 * * *": "hour", "* * 0 * *": "day of the month", "* * * 13 *": "month", "* * * * 8": "day of the week",
		"*/0 * * * *": "step", "5-2 * * * *": "before it begins", "a * * * *": `"a"`, "0 0 31 2 *": "no day", "+5 * * * *": "minute", "1,,2 * * * *": `""`,
	} {
		if _, err := ParseCron(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error is %v, want one with %q", s, err, want)
		}
	}
}

func FuzzParseCron(f *testing.F) {
	f.Add("*/5 1-3 1,2 jan mon")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCron(s)
		if err != nil {
			return
		}
		at := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
		if next := c.Next(at); next.IsZero() || !next.After(at) {
			t.Errorf("%q: after %v comes %v", s, at, next)
		}
	})
}

func TestRecur_MakesUpForWhatWasMissed(t *testing.T) {
	t.Parallel()
	nightly := cron(t, "0 2 * * *")
	now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	day := func(d, hour int) time.Time { return time.Date(2026, 11, d, hour, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		missed  Missed
		last    time.Time
		now     time.Time
		runs    []time.Time
		skipped int
	}{
		{MissedSkip, day(23, 2), now, nil, 4},
		{MissedOnce, day(23, 2), now, []time.Time{day(27, 2)}, 3},
		{MissedAll, day(23, 2), now, []time.Time{day(24, 2), day(25, 2), day(26, 2), day(27, 2)}, 0},
		{MissedSkip, day(26, 2), day(27, 2), []time.Time{day(27, 2)}, 0},
		{MissedSkip, day(26, 2), day(27, 2).Add(time.Minute), []time.Time{day(27, 2)}, 0}, // a restart took a minute
		{MissedSkip, day(25, 2), day(27, 2), []time.Time{day(27, 2)}, 1},
		{MissedOnce, day(27, 2), now, nil, 0},
	} {
		got := Recur(nightly, c.missed, c.last, c.now)
		if d := cmp.Diff(c.runs, got.Runs); d != "" || got.Skipped != c.skipped {
			t.Errorf("%s from %v to %v: %d are skipped, want %d (-want +got):\n%s", c.missed, c.last, c.now, got.Skipped, c.skipped, d)
		}
		if !got.Next.Equal(day(28, 2)) {
			t.Errorf("the next run is at %v", got.Next)
		}
	}
	often := Recur(cron(t, "* * * * *"), MissedAll, now.AddDate(0, 0, -20), now)
	if len(often.Runs) != mostRuns || !often.Runs[mostRuns-1].Equal(now) || often.Skipped+mostRuns != 20*24*60 {
		t.Errorf("of each minute of 20 days %d are run, and %d skipped", len(often.Runs), often.Skipped)
	}
}
