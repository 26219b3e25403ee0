package life

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Cron is a schedule of five fields, as cron reads them: minute, hour, day of the month, month, day of the week.
type Cron struct {
	minute, hour, day, month, weekday uint64 // bit n stands for the value n
	anyDay, anyWeekday, anyHour       bool   // the field is * or */n
}

// cronField is one of the fields.
type cronField struct {
	name     string
	min, max int
	words    []string // names of values, from min on
}

// ParseCron parses five fields, or @hourly, @daily, @weekly, @monthly or @yearly. Fields have lists, ranges, steps and names. As
// cron does, it matches a day if the day of the month or the day of the week matches, where both are restricted.
func ParseCron(s string) (Cron, error) {
	for short, long := range map[string]string{
		"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
	} {
		if strings.EqualFold(strings.TrimSpace(s), short) {
			s = long
		}
	}
	parts := strings.Fields(s)
	if len(parts) != 5 {
		return Cron{}, fmt.Errorf("%q has %d fields and not five: minute, hour, day of the month, month, day of the week", s, len(parts))
	}
	var c Cron
	var err error
	for i, f := range []struct {
		cronField
		to *uint64
	}{
		{cronField{"minute", 0, 59, nil}, &c.minute},
		{cronField{"hour", 0, 23, nil}, &c.hour},
		{cronField{"day of the month", 1, 31, nil}, &c.day},
		{cronField{"month", 1, 12, strings.Fields("jan feb mar apr may jun jul aug sep oct nov dec")}, &c.month},
		{cronField{"day of the week", 0, 7, strings.Fields("sun mon tue wed thu fri sat")}, &c.weekday},
	} {
		if *f.to, err = f.parse(parts[i]); err != nil {
			return Cron{}, err
		}
	}
	if c.weekday&(1<<7) != 0 { // Sunday is 0 and 7
		c.weekday |= 1
	}
	c.anyHour, c.anyDay, c.anyWeekday = parts[1][0] == '*', parts[2][0] == '*', parts[4][0] == '*'
	if c.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Cron{}, fmt.Errorf("%q matches no day", s)
	}
	return c, nil
}

// parse parses a field to the set of its values.
func (f cronField) parse(s string) (set uint64, err error) {
	for part := range strings.SplitSeq(s, ",") {
		span, step, stepped := strings.Cut(part, "/")
		low, high, ranged := strings.Cut(span, "-")
		from, to := f.min, f.max
		if span != "*" {
			if from, err = f.value(low); err != nil {
				return 0, err
			}
			if to = from; ranged {
				if to, err = f.value(high); err != nil {
					return 0, err
				}
			} else if stepped { // 5/15 is from 5 on
				to = f.max
			}
		}
		by := 1
		if stepped {
			if by, err = strconv.Atoi(step); err != nil || by < 1 || by > f.max {
				return 0, fmt.Errorf("%q is no step of the %s", step, f.name)
			}
		}
		if from > to {
			return 0, fmt.Errorf("%q of the %s ends before it begins", part, f.name)
		}
		for v := from; v <= to; v += by {
			set |= 1 << v
		}
	}
	return set, nil
}

func (f cronField) value(s string) (int, error) {
	for i, w := range f.words {
		if strings.EqualFold(s, w) {
			return f.min + i, nil
		}
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < f.min || n > f.max || s[0] == '+' {
		return 0, fmt.Errorf("%q is no %s, which is from %d to %d", s, f.name, f.min, f.max)
	}
	return n, nil
}

func has(set uint64, v int) bool { return set&(1<<v) != 0 }

// onDay reports whether the schedule has the day of t.
func (c Cron) onDay(t time.Time) bool {
	if !has(c.month, int(t.Month())) {
		return false
	}
	day, weekday := has(c.day, t.Day()), has(c.weekday, int(t.Weekday()))
	if !c.anyDay && !c.anyWeekday {
		return day || weekday
	}
	return day && weekday
}

// cronHorizon is how far Next looks ahead: a 29th of February that is a certain day of the week comes every 28 years.
const cronHorizon = 30 * 366

// Next returns the first time after t that the schedule has, in the zone of t; zero if there is none. Where clocks are set forward, a
// time that is left out is the first minute after the gap. Where they are set back, a time that is there twice counts once, unless
// the schedule has every hour.
func (c Cron) Next(t time.Time) time.Time {
	y, m, d := t.Date()
	for i := range cronHorizon {
		noon := time.Date(y, m, d+i, 12, 0, 0, 0, t.Location())
		if !c.onDay(noon) {
			continue
		}
		for x := midnight(noon); x.Day() == noon.Day(); x = x.Add(time.Minute) {
			if x.After(t) && c.at(x) {
				return x
			}
		}
	}
	return time.Time{}
}

// midnight returns the first minute of the day of noon.
func midnight(noon time.Time) time.Time {
	y, m, d := noon.Date()
	x := time.Date(y, m, d, 0, 0, 0, 0, noon.Location())
	for x.Day() != d { // there is no midnight on this day
		x = x.Add(time.Minute)
	}
	for before := x.Add(-time.Minute); before.Day() == d; before = x.Add(-time.Minute) { // it is there twice
		x = before
	}
	return x
}

// at reports whether the schedule has this minute of one of its days.
func (c Cron) at(x time.Time) bool {
	match := has(c.hour, x.Hour()) && has(c.minute, x.Minute())
	if c.anyHour {
		return match
	}
	begin, _ := x.ZoneBounds()
	if begin.IsZero() || x.Sub(begin) > 3*time.Hour {
		return match
	}
	_, before := begin.Add(-time.Second).Zone()
	_, now := x.Zone()
	jump := time.Duration(now-before) * time.Second
	switch {
	case jump < 0 && x.Sub(begin) < -jump: // the second time
		return false
	case jump > 0 && !match && x.Sub(begin) < time.Minute:
		for left := x.Add(-jump); left.Before(x); left = left.Add(time.Minute) {
			wall := x.Hour()*60 + x.Minute() - int(x.Sub(left)/time.Minute) // of the minutes that are left out
			if wall = (wall + 24*60) % (24 * 60); has(c.hour, wall/60) && has(c.minute, wall%60) {
				return true
			}
		}
	}
	return match
}
