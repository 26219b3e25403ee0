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

// ears records when each agent was last active, by a clock that stops while the host is suspended. It is in memory
// only: a new supervisor measures silence from its own start.
type ears struct {
	began time.Duration
	last  map[event.TaskID]sound
}

type sound struct {
	gen int
	at  time.Duration
}

func newEars(now time.Duration) ears { return ears{began: now, last: map[event.TaskID]sound{}} }

// heard records activity of a generation. Activity of an older generation is ignored.
func (e ears) heard(id event.TaskID, gen int, now time.Duration) {
	if was, ok := e.last[id]; !ok || gen >= was.gen {
		e.last[id] = sound{gen: gen, at: now}
	}
}

func (e ears) forget(id event.TaskID) { delete(e.last, id) }

// quiet returns how long a generation has had no activity.
func (e ears) quiet(id event.TaskID, gen int, now time.Duration) time.Duration {
	if s, ok := e.last[id]; ok && s.gen == gen {
		return now - s.at
	}
	return now - e.began
}

// due returns a deadline that has passed, as an input for life.
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

// outdated reports whether a probe of a silent agent means nothing any more, because the agent has been active since
// or because this supervisor has not watched it long enough.
func (s *Supervisor) outdated(j job) bool {
	probe, ok := j.action.Args.(event.ProbeArgs)
	return ok && s.ears.quiet(j.of.Task, j.action.Gen, s.cfg.Mono()) < probe.Quiet
}

// screenLines is how many of a screen's last lines are kept as evidence.
const screenLines = 40

// probe checks a silent agent. The text on its screen is stored beside the generation for people. It is not written
// to the log, since it may contain secrets.
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
	path := filepath.Join(s.cfg.Home.Gen(t.ID, t.Gen).Dir, fmt.Sprintf("screen.%s.txt", a.ID))
	end := strings.Join(lines[max(0, len(lines)-screenLines):], "\n") + "\n"
	return path, errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(end), 0o600))
}

const (
	// standStill is how long a screen must not change to count as unchanged.
	standStill = 5 * time.Second
	// screenWords is the largest size of a screen's text in the log, in bytes.
	screenWords = 240
)

// lookAfterStart finds out whether the screen of an agent that has not reported since its start is unchanged, and its
// text.
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

// firstWords returns the first words of a screen, without the lines and blocks of its frames.
func firstWords(screen string) string {
	return text.Line(strings.Map(func(r rune) rune {
		if r >= 0x2500 && r <= 0x259f { // box drawing and block elements
			return ' '
		}
		return r
	}, screen), screenWords)
}
