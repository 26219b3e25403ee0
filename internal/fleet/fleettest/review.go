package fleettest

import (
	"context"
	"fmt"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/life"
)

// pull is the change of a task on the forge of a world.
type pull struct {
	shown  life.Change
	judged map[string]bool // commits that somebody has looked at
	hangs  bool            // a check of the newest one has no verdict yet
}

// changeEdges implements fleet.Changes.
type changeEdges struct {
	*edges
	news chan fleet.News
}

// Open implements fleet.Changes. It finds an open change or opens one.
func (c changeEdges) Open(ctx context.Context, t life.Task, p event.WorkPublished) (event.WorkPublished, error) {
	err := c.act(ctx, "opening a change", c.w.who(t.ID), func() error {
		w, wk := c.w, c.w.work(t.ID)
		if w.Luck.Fault("the forge cannot be reached", w.names[t.ID], 50) {
			return fmt.Errorf("%w: it is down", fleet.ErrRemote)
		}
		if len(wk.published) == 0 {
			w.breach("%s: a change was opened before its branch was pushed", t.ID)
		}
		switch {
		case wk.pull != nil && wk.pull.shown.Phase == life.ReviewClosed:
			return fault.New(fault.Conflict, "a person closed the change")
		case wk.pull == nil || wk.pull.shown.Phase == life.ReviewMerged:
			wk.pull = &pull{shown: life.Change{Phase: life.ReviewOpen, Base: "main"}, judged: map[string]bool{}}
			wk.pulls++
		}
		wk.pull.shown.Head = p.Commit
		wk.pull.shown.Checks, wk.pull.shown.Conflict, wk.pull.hangs = nil, false, false
		p.URL, p.Number = fmt.Sprintf("https://forge.test/%s/%d", t.ID, wk.pulls), wk.pulls
		return nil
	})
	return p, err
}

// News implements fleet.Changes.
func (c changeEdges) News() <-chan fleet.News { return c.news }

// follow hands on what the forge shows, until the supervisor is dead.
func (c changeEdges) follow() {
	for c.pause(c.ctx, c.w.Luck.Span("a look at the forge", "", 10*time.Minute)) {
		for _, n := range c.look() {
			if c.w.Luck.Fault("news of a forge is late", c.w.who(n.Task), 50) && !c.pause(c.ctx, c.w.Luck.Span("late news", "", time.Hour)) {
				return
			}
			select {
			case c.news <- n:
			case <-c.ctx.Done():
				return
			}
		}
	}
}

// look returns the news about all tasks whose changes are followed.
func (c changeEdges) look() (out []fleet.News) {
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range sortedIDs(w.judge.tasks) {
		t, p := w.judge.tasks[id], w.work(id).pull
		if !life.Followed(t, w.now()) || p == nil {
			continue
		}
		w.happens(t, p)
		w.lateNews(t, p)
		in, red := life.ReviewOf(t, p.shown, w.now())
		switch {
		case red != nil:
			in.Text = life.RedText(p.shown.Head, red)
		case in.Conflict:
			in.Text = life.ConflictText(t, p.shown, nil)
		}
		out = append(out, fleet.News{Task: id, Review: in})
	}
	return out
}

// happens lets people and checks look at a change, once for each commit. The caller holds mu.
func (w *World) happens(t life.Task, p *pull) {
	if p.judged[p.shown.Head] || p.shown.Phase != life.ReviewOpen {
		return
	}
	p.judged[p.shown.Head] = true
	long := w.now().Add(-time.Hour)
	if w.Luck.One("a check hangs", w.names[t.ID], 3) == 0 {
		p.shown.Checks, p.hangs = []life.ChangeCheck{{Name: "test", State: life.CheckPending, Began: long}}, true
		return
	}
	switch w.Luck.One("review", w.names[t.ID], 8) {
	case 0, 1:
		p.shown.Checks = []life.ChangeCheck{{Name: "test", State: life.CheckFailed, Ended: long}}
	case 2:
		p.shown.Words = append(p.shown.Words, life.ChangeWord{ID: fmt.Sprintf("W%d", len(p.shown.Words)), Author: "ann", Text: "rename it", At: long, Trusted: true})
	case 3:
		p.shown.Conflict = true
	case 4:
		p.shown.Phase, p.shown.Why = life.ReviewClosed, "ann closed it"
	case 5: // it waits for a person
	default:
		p.shown.Phase = life.ReviewMerged
	}
}

// lateNews lets something happen to a change whose check hangs, some time after its task was parked for that. The caller holds mu.
func (w *World) lateNews(t life.Task, p *pull) {
	if !p.hangs || !t.AwaitsVerdict() || w.Luck.One("somebody looks at a check", w.names[t.ID], 4) > 0 {
		return
	}
	test := &p.shown.Checks[0]
	switch w.Luck.One("late", w.names[t.ID], 5) {
	case 0:
		p.shown.Phase = life.ReviewMerged
	case 1:
		p.shown.Phase, p.shown.Why = life.ReviewClosed, "ann closed it"
	case 2:
		test.State, test.Ended = life.CheckFailed, w.now()
	case 3:
		test.Began = w.now()
		return // it hangs again
	default:
		test.State, test.Ended = life.CheckPassed, w.now()
	}
	p.hangs = false
}

// unseen reports whether a task waits for the checks of a change that has ended. The caller holds mu.
func (w *World) unseen(t life.Task) bool {
	p := w.work(t.ID).pull
	return t.AwaitsVerdict() && life.Followed(t, w.now()) && p != nil && (p.shown.Phase != life.ReviewOpen || !p.hangs)
}
