package status

import (
	"time"

	"muster/internal/event"
)

// The rate limit of one file: beyond it, records that change nothing are coalesced.
const (
	recordsPerSecond = 200
	recordsBurst     = 1000
	// holdFor is how long a file over its rate is not read.
	holdFor = 100 * time.Millisecond
)

// limiter is the token bucket of one file.
type limiter struct {
	started bool
	tokens  float64
	at      time.Time
	last    essence
}

// essence holds the fields of a record whose change is never coalesced away.
type essence struct {
	state          event.RecordState
	reason         event.WaitReason
	err            event.ErrorKind
	gen            int
	session        string
	request        string
	tool, toolUse  string
	permissionMode string
	background     bool
	until          int64
}

func essenceOf(r *event.Record) essence {
	return essence{
		state: r.State, reason: r.Reason, err: r.Error, gen: r.Gen, session: r.SessionID, request: r.Request,
		tool: r.Tool, toolUse: r.ToolUseID, permissionMode: r.PermissionMode, background: r.Background,
		until: r.Until.UnixNano(),
	}
}

// isEvent reports whether a record counts even if it equals the one before.
func isEvent(r *event.Record) bool {
	return r.Message != "" || r.Prompted || r.PID != 0 || r.Exit != nil || r.Signal != 0 || len(r.Options) > 0 || r.Verdict != nil
}

// refill adds the tokens for the time since the last pass. It adds none if the clock was set back.
func (l *limiter) refill(now time.Time) {
	if !l.started {
		l.started, l.tokens = true, recordsBurst
	} else if gone := now.Sub(l.at).Seconds(); gone > 0 {
		l.tokens = min(recordsBurst, l.tokens+gone*recordsPerSecond)
	}
	l.at = now
}

// collector gathers the records of one pass under the limit.
type collector struct {
	limit   *limiter
	records []event.Record
	pending *event.Record // the last one that was left out; finish adds it
	dropped int
}

func (c *collector) add(r event.Record) {
	e := essenceOf(&r)
	changes := e != c.limit.last || isEvent(&r)
	c.limit.last = e
	if c.pending != nil {
		if r.Usage == nil && r.SessionID == c.pending.SessionID {
			r.Usage = c.pending.Usage // cumulative: the newest includes all before
		}
		c.dropped++
		c.pending = nil
	}
	if !changes && c.limit.tokens < 1 {
		c.pending = &r
		return
	}
	c.keep(r)
}

func (c *collector) keep(r event.Record) {
	c.limit.tokens = max(0, c.limit.tokens-1)
	c.records = append(c.records, r)
}

// finish ends the pass. The last record is always kept.
func (c *collector) finish() {
	if c.pending != nil {
		c.keep(*c.pending)
		c.pending = nil
	}
	if len(c.records) == 0 {
		c.limit.tokens = max(0, c.limit.tokens-1) // a pass without records also costs, or an endless line would be free
	}
}
