package control

import (
	"context"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"muster/internal/cast"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/store"
)

// Recordings asks for the recordings of a task's terminals, of which there is one for each generation.
type Recordings struct{ Ref string } // named as in One

// Recording is what was recorded of the terminal of one generation.
type Recording struct {
	Task    event.TaskID `json:"task"`
	Gen     int          `json:"gen"`
	Began   time.Time    `json:"began"`
	Ended   time.Time    `json:"ended"` // of the agent, or of the newest output while it runs
	Running bool         `json:"running,omitempty"`
	Bytes   int64        `json:"bytes"` // on the disk
	Columns int          `json:"columns"`
	Rows    int          `json:"rows"`
	// Whole is false if output between the beginning and the end was not kept, because there was more than recording.size.
	Whole bool `json:"whole"`
}

// Length returns the time from the first to the newest output.
func (r Recording) Length() time.Duration { return max(0, r.Ended.Sub(r.Began)) }

func (q Recordings) get(ctx context.Context, c *Control, db *store.Store) ([]Recording, error) {
	t, err := One(q).get(ctx, c, db)
	if err != nil {
		return nil, err
	}
	out := []Recording{}
	for _, r := range cast.Find(c.home, t.ID, t.Gen) {
		out = append(out, recordingOf(t, r))
	}
	return out, nil
}

func recordingOf(t life.Task, r cast.Recording) Recording {
	return Recording{
		Task: r.Task, Gen: r.Gen, Began: r.Began, Ended: r.Ended, Running: r.Gen == t.Gen && t.Agent.Live, Bytes: r.Bytes,
		Columns: r.Size.Columns, Rows: r.Size.Rows, Whole: r.Whole,
	}
}

// Replay asks for one recording.
type Replay struct {
	Ref string // named as in One
	Gen int    // 0 is the newest generation that has one
}

// Replayed is a recording that can be played or exported, any number of times.
type Replayed struct {
	Recording
	source cast.Recording
}

// ScreenEvent is something that a terminal showed.
type ScreenEvent = cast.Event

// Kinds of a ScreenEvent.
const (
	ScreenOutput = cast.Output
	ScreenSize   = cast.Resize // Data is COLUMNSxROWS
	ScreenMark   = cast.Mark   // Data says what is missing
)

func (q Replay) get(ctx context.Context, c *Control, db *store.Store) (Replayed, error) {
	t, err := One{q.Ref}.get(ctx, c, db)
	if err != nil {
		return Replayed{}, err
	}
	all := cast.Find(c.home, t.ID, t.Gen)
	i := len(all) - 1
	if q.Gen != 0 {
		i = slices.IndexFunc(all, func(r cast.Recording) bool { return r.Gen == q.Gen })
	}
	if i < 0 {
		return Replayed{}, noRecording(t, q.Gen, len(all))
	}
	return Replayed{Recording: recordingOf(t, all[i]), source: all[i]}, nil
}

// noRecording returns the error that says why there is no recording.
func noRecording(t life.Task, gen, others int) error {
	switch {
	case t.Gen == 0:
		return fault.New(fault.Conflict, "%s has not begun to work, so nothing was shown", t.ID).WithHint("`muster why %s` says what it waits for.", t.ID)
	case gen < 0 || gen > t.Gen:
		return fault.New(fault.NotFound, "%s has no generation %d", t.ID, gen).WithHint("It has %d.", t.Gen)
	case t.Removed:
		return fault.New(fault.NotFound, "the recordings of %s were removed with it", t.ID).WithHint("`muster events --task %s` has what happened.", t.ID)
	case t.Spec.Recording == 0:
		return fault.New(fault.NotFound, "nothing was recorded of %s: recording was off when it was dispatched", t.ID).
			WithHint("[recording] mode = \"on\" in muster.toml or your config.toml records the next one. `muster logs %s` has its terminal as long as the session exists.", t.ID)
	case others > 0:
		return fault.New(fault.NotFound, "there is no recording of generation %d of %s", gen, t.ID).
			WithHint("`muster replay %s --list` names those that there are. The oldest ones give way to new ones, see recording.size.", t.ID)
	}
	return fault.New(fault.NotFound, "there is no recording of %s: its recorder could not begin, or somebody removed the file", t.ID).
		WithHint("`muster logs %s` has its terminal as long as the session exists.", t.ID)
}

// Events returns what the terminal showed. Only what draws is left of what the agent printed, but it may draw anything anywhere.
func (r Replayed) Events() iter.Seq2[ScreenEvent, error] {
	return func(yield func(ScreenEvent, error) bool) {
		f := cast.NewFilter()
		for e, err := range r.source.Events() {
			if err == nil {
				if e = f.Event(e); e.Data == "" {
					continue
				}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// Export writes the recording as asciicast, version 2, of which only what draws is left. Players shorten a longer pause than idle; 0 is none.
func (r Replayed) Export(to io.Writer, idle time.Duration) error { return r.source.Export(to, idle) }

// SizeOf returns the size of a ScreenSize event.
func SizeOf(e ScreenEvent) (columns, rows int, ok bool) {
	s, ok := cast.ParseSize(e.Data)
	return s.Columns, s.Rows, ok && e.Kind == ScreenSize
}

// Missing returns what a mark says is missing; "" if it says something else.
func Missing(e ScreenEvent) string {
	what, ok := strings.CutPrefix(e.Data, cast.LostPrefix)
	if e.Kind != ScreenMark || !ok {
		return ""
	}
	return what
}
