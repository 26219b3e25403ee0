package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/text"
)

// ears remember when each agent was last heard of, by a clock that stands still while the host sleeps. They are not
// durable: a supervisor that has just come holds nobody's past silence against them.
type ears struct {
	began time.Duration
	last  map[event.TaskID]sound
}

type sound struct {
	gen int
	at  time.Duration
}

func newEars(now time.Duration) ears { return ears{began: now, last: map[event.TaskID]sound{}} }

// heard notes that something was heard of a generation; older ones are not listened to.
func (e ears) heard(id event.TaskID, gen int, now time.Duration) {
	if was, ok := e.last[id]; !ok || gen >= was.gen {
		e.last[id] = sound{gen: gen, at: now}
	}
}

func (e ears) forget(id event.TaskID) { delete(e.last, id) }

// quiet is how long nothing was heard of a generation.
func (e ears) quiet(id event.TaskID, gen int, now time.Duration) time.Duration {
	if s, ok := e.last[id]; ok && s.gen == gen {
		return now - s.at
	}
	return now - e.began
}

// due is a deadline that has passed, with what has to be known of it.
func (d *decision) due(p Due) life.Due {
	in := life.Due{Name: p.Name}
	if p.Name != event.DeadlineSilence {
		return in
	}
	var all []life.Activity
	for t := range d.tx.EachLive() {
		quiet := d.s.ears.quiet(t.ID, t.Gen, d.mono)
		if a, ok := life.ActivityOf(*t, quiet); ok {
			all = append(all, a)
		}
		if t.ID == p.Task {
			in.Quiet = quiet
		}
	}
	in.Most = life.MostAreSilent(all)
	return in
}

// outdated reports whether a look at a silent agent no longer means anything: since it was decided on, the agent was heard
// of, or this supervisor has not listened for as long.
func (s *Supervisor) outdated(j job) bool {
	probe, ok := j.action.Args.(event.ProbeArgs)
	return ok && s.ears.quiet(j.of.Task, j.action.Gen, s.cfg.Mono()) < probe.Quiet
}

// screenLines is how much of a screen is kept as evidence, from its end.
const screenLines = 40

// probe looks at a silent agent. What stands on its screen is kept beside the generation, for people: it goes into no
// log, since it may show anything.
func (s *Supervisor) probe(ctx context.Context, t life.Task, a event.Action) result {
	tool, err := s.cfg.Records.OpenTool(ctx, t)
	if err != nil {
		return done(err)
	}
	screen, err := s.cfg.Terminal.Screen(ctx, t.Agent.Pane)
	if err != nil {
		return done(err)
	}
	path, err := s.keepScreen(t, a, screen)
	if err != nil {
		return done(err)
	}
	return done(nil, event.AgentProbed{Tool: tool, Evidence: path})
}

// keepScreen writes the end of a screen beside the generation and returns the file's path.
func (s *Supervisor) keepScreen(t life.Task, a event.Action, screen string) (string, error) {
	lines := strings.Split(strings.TrimRight(screen, "\n "), "\n")
	path := filepath.Join(s.cfg.Home.GenDir(t.ID, t.Gen), fmt.Sprintf("screen.%s.txt", a.ID))
	end := strings.Join(lines[max(0, len(lines)-screenLines):], "\n") + "\n"
	return path, errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(end), 0o600))
}

const (
	// standStill is how long a screen has to be the same to count as standing still.
	standStill = 5 * time.Second
	// screenWords is how much of a screen's words goes into the log, in bytes.
	screenWords = 240
)

// lookAfterStart looks whether the screen of an agent that has not reported since its start stands still, and at what words.
func (s *Supervisor) lookAfterStart(ctx context.Context, t life.Task, a event.Action) result {
	before, err := s.cfg.Terminal.Screen(ctx, t.Agent.Pane)
	if err != nil {
		return done(err)
	}
	pause := time.NewTimer(standStill)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return done(ctx.Err())
	}
	after, err := s.cfg.Terminal.Screen(ctx, t.Agent.Pane)
	if err != nil {
		return done(err)
	}
	seen := event.AgentProbed{}
	if after == before {
		seen.Screen = firstWords(after)
	}
	if seen.Evidence, err = s.keepScreen(t, a, after); err != nil {
		return done(err)
	}
	return done(nil, seen)
}

// firstWords returns the first words of a screen, without the lines and blocks that frame them.
func firstWords(screen string) string {
	return text.Line(strings.Map(func(r rune) rune {
		if r >= 0x2500 && r <= 0x259f { // box drawing and block elements
			return ' '
		}
		return r
	}, screen), screenWords)
}
