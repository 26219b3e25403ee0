package life

import "time"

// Missed is what happens to runs of a schedule whose time has passed while no supervisor was there.
type Missed string

// What happens to missed runs.
const (
	MissedSkip Missed = "skip" // none is made up for
	MissedOnce Missed = "once" // the newest one is, however many they are
	MissedAll  Missed = "all"
)

// Limits of runs of a schedule.
const (
	onTime   = 2 * time.Minute // a run that is no later than this was not missed
	mostRuns = 50              // of MissedAll at once; older ones are left out
	mostPast = 10000           // runs that are looked through
)

// Recurrence is what a schedule leads to now.
type Recurrence struct {
	Runs    []time.Time // to be dispatched, oldest first
	Skipped int         // runs that were missed and are left out
	Next    time.Time   // the first run after now; zero if there is none
}

// Recur decides about the runs of a schedule after the time last, up to now. Both are in the zone of the schedule.
func Recur(c Cron, missed Missed, last, now time.Time) (r Recurrence) {
	var past []time.Time
	if lost := now.Add(-onTime); last.Before(lost) && missed == MissedSkip {
		for at := c.Next(last); !at.IsZero() && at.Before(lost) && r.Skipped < mostPast; at = c.Next(at) {
			r.Skipped++
		}
		last = lost.Add(-time.Second)
	}
	at := c.Next(last)
	for ; !at.IsZero() && !at.After(now); at = c.Next(at) {
		past = append(past, at)
		if len(past) > mostPast { // years, or a schedule of each minute
			past = past[len(past)-mostRuns:]
			r.Skipped += mostPast + 1 - mostRuns
		}
	}
	keep := len(past)
	switch missed {
	case MissedOnce:
		keep = min(keep, 1)
	case MissedAll:
		keep = min(keep, mostRuns)
	case MissedSkip:
	}
	r.Skipped += len(past) - keep
	r.Runs, r.Next = past[len(past)-keep:], at
	return r
}
