package fleettest

import (
	"context"
	"fmt"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/life"
)

// Prepare implements fleet.Worktrees.
func (e *edges) Prepare(ctx context.Context, t life.Task) (out event.WorktreeReady, err error) {
	err = e.actIn(ctx, t.Spec.Repo, "making a worktree", e.w.who(t.ID), func() error {
		e.w.work(t.ID).there = true
		out = event.WorktreeReady{Path: "/w/" + string(t.ID), Branch: "muster/" + string(t.ID), Base: "base"}
		return nil
	})
	return out, err
}

// There implements fleet.Worktrees.
func (e *edges) There(t life.Task) bool {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	return e.w.work(t.ID).there
}

// inWorktree is actIn for an action that reads the files of a worktree.
func (e *edges) inWorktree(ctx context.Context, t life.Task, op string, fn func(*work) error) error {
	return e.actIn(ctx, t.Spec.Repo, op, e.w.who(t.ID), func() error {
		wk := e.w.work(t.ID)
		if !wk.there {
			return fault.New(fault.NotFound, "the worktree of %s is gone", t.ID)
		}
		return fn(wk)
	})
}

// Baseline implements fleet.Worktrees.
func (e *edges) Baseline(ctx context.Context, t life.Task) error {
	return e.inWorktree(ctx, t, "noting what the agent finds", func(*work) error { return nil })
}

// Snapshot implements fleet.Worktrees.
func (e *edges) Snapshot(ctx context.Context, t life.Task, _ int) (s fleet.Snapshot, err error) {
	err = e.inWorktree(ctx, t, "taking a snapshot", func(wk *work) error {
		n := wk.tree
		s = fleet.Snapshot{Commit: fmt.Sprintf("c%d", n), Tree: fmt.Sprintf("tree%d", n), Changed: n > 0, Findings: findings(t, n), Size: n % 3}
		return nil
	})
	return s, err
}

// findings returns what a tree has that its task does not allow. Another change of the agent mends it.
func findings(t life.Task, tree int) []event.Finding {
	if t.Spec.Done.Reaction(event.DeletedTests) == event.ReactionAllow || tree%4 != 2 {
		return nil
	}
	return []event.Finding{{Kind: event.DeletedTests, Files: []string{"a_test.go"}, Text: "tests were deleted: a_test.go"}}
}

// Tree implements fleet.Worktrees.
func (e *edges) Tree(ctx context.Context, t life.Task) (tree string, err error) {
	err = e.inWorktree(ctx, t, "reading a tree", func(wk *work) error {
		tree = fmt.Sprintf("tree%d", wk.tree)
		return nil
	})
	return tree, err
}

// Publish implements fleet.Shipper. A tree that is published already is not published again.
func (e *edges) Publish(ctx context.Context, t life.Task, tree string) (p event.WorkPublished, err error) {
	err = e.inWorktree(ctx, t, "publishing", func(wk *work) error {
		if e.w.Luck.Fault("the worktree changes before it is published", e.w.names[t.ID], 10) {
			wk.change()
		}
		n := wk.tree
		if fmt.Sprintf("tree%d", n) != tree {
			return fleet.ErrMoved
		}
		if r := t.Spec.Race; r != nil {
			for _, other := range r.Others(t.ID) {
				if o := e.w.judge.tasks[other]; o.Published != nil {
					e.w.breach("%s and %s of one race are both published", t.ID, other)
				}
			}
		}
		if !wk.green[n] && len(t.Spec.Checks) > 0 {
			e.w.breach("%s: tree %d was published, and it is not green", t.ID, n)
		}
		if len(t.Spec.Reviews) > 0 && !wk.reviewed[tree] {
			e.w.breach("%s: %s was published, and no reviewer has accepted it", t.ID, tree)
		}
		if len(findings(t, n)) > 0 && len(t.Allowed) == 0 {
			e.w.breach("%s: tree %d was published, and it has what nobody allowed", t.ID, n)
		}
		if k := len(wk.published); t.Spec.Publish != event.PublishNone && (k == 0 || wk.published[k-1] != n) {
			wk.published = append(wk.published, n)
		}
		p = event.WorkPublished{Mode: t.Spec.Publish, Branch: t.Branch, Tree: tree}
		if t.Spec.Publish != event.PublishNone {
			p.Commit = fmt.Sprintf("c%d", n)
		}
		return nil
	})
	return p, err
}

// Keep implements fleet.Worktrees.
func (e *edges) Keep(ctx context.Context, t life.Task) (ref string, err error) {
	err = e.actIn(ctx, t.Spec.Repo, "keeping work", e.w.who(t.ID), func() error {
		wk := e.w.work(t.ID)
		if p := t.Published; wk.there && (p == nil || p.Commit != fmt.Sprintf("c%d", wk.tree)) {
			wk.kept[wk.tree], wk.keeps = true, true
			ref = "refs/muster/keep/" + string(t.ID) + "/1"
		}
		return nil
	})
	return ref, err
}

// Restore implements fleet.Worktrees.
func (e *edges) Restore(ctx context.Context, t life.Task, _ string) error {
	return e.actIn(ctx, t.Spec.Repo, "restoring work", e.w.who(t.ID), func() error {
		wk := e.w.work(t.ID)
		if !wk.keeps {
			return fault.New(fault.NotFound, "the kept work of %s is gone", t.ID)
		}
		wk.there = true
		return nil
	})
}

// WatchStash implements fleet.Worktrees.
func (e *edges) WatchStash(ctx context.Context, t life.Task) (out []event.StashKept, err error) {
	err = e.actIn(ctx, t.Spec.Repo, "looking at the stash", e.w.who(t.ID), func() error {
		wk := e.w.work(t.ID)
		for ; wk.stashKept < wk.stash; wk.stashKept++ {
			out = append(out, event.StashKept{Ref: fmt.Sprintf("refs/muster/stash/%s/%d", t.ID, wk.stashKept)})
		}
		return nil
	})
	return out, err
}

// Remove implements fleet.Worktrees.
func (e *edges) Remove(ctx context.Context, t life.Task) error {
	return e.actIn(ctx, t.Spec.Repo, "removing a worktree", e.w.who(t.ID), func() error {
		wk := e.w.work(t.ID)
		switch n := len(wk.published); {
		case !wk.there, wk.tree == 0, wk.kept[wk.tree], n > 0 && wk.published[n-1] == wk.tree:
		default:
			e.w.breach("%s: its worktree was removed, and nothing keeps tree %d", t.ID, wk.tree)
		}
		if wk.stashKept < wk.stash { // the mark that held these entries goes with the worktree
			e.w.breach("%s: its worktree was removed, and nothing keeps what vanished from the stash", t.ID)
		}
		wk.vanish()
		return nil
	})
}

// SetAside implements fleet.Worktrees.
func (e *edges) SetAside(ctx context.Context, t life.Task) (at string, err error) {
	err = e.act(ctx, "setting a worktree aside", e.w.who(t.ID), func() error {
		at = "/kept/" + string(t.ID)
		e.w.work(t.ID).vanish()
		return nil
	})
	return at, err
}

// jobEdges is a separate type because Jobs and Launcher both have a method Ready.
type jobEdges struct{ *edges }

// job returns the state of a job. The caller holds mu.
func (e jobEdges) job(j fleet.Job) *jobState {
	key := string(j.Task.ID) + "/" + j.Name
	if e.w.jobs[key] == nil {
		e.w.jobs[key] = &jobState{setup: j.Name == "setup"}
	}
	return e.w.jobs[key]
}

// State implements fleet.Jobs.
func (e jobEdges) State(ctx context.Context, j fleet.Job) (s fleet.JobState, err error) {
	err = e.act(ctx, "looking at a job", e.w.who(j.Task.ID), func() error {
		st := e.job(j)
		run, recorded := j.Task.Job(j.Name)
		s = fleet.JobState{Starts: st.state.Starts, Running: recorded && e.w.procs[run.Process.PID] != nil}
		switch {
		case recorded && string(run.Key) == st.key:
			s.Finished, s.Results, s.Error, s.Scarce = st.state.Finished, st.state.Results, st.state.Error, st.state.Scarce
		case e.w.Luck.Fault("another process writes a green result", e.w.names[j.Task.ID], 5):
			s.False = "another process wrote it"
		}
		return nil
	})
	return s, err
}

// key is the key of a runner.
func key(p *proc) string { return fmt.Sprint("key of ", p.pid) }

// Meet implements fleet.Jobs.
func (e jobEdges) Meet(ctx context.Context, j fleet.Job, p event.ProcessRef) (met event.JobStarted, err error) {
	err = e.act(ctx, "meeting a runner", e.w.who(j.Task.ID), func() error {
		st := e.job(j)
		switch {
		case e.w.procs[p.PID] == nil:
			return fleet.ErrRunnerGone
		case st.running == nil || st.running.pid != p.PID:
			return fleet.ErrRunnerOther
		case e.w.Luck.Fault("a runner dies before it begins", e.w.names[j.Task.ID], 10):
			e.w.kill(st.running, 0, 9)
			return fleet.ErrRunnerGone
		}
		met.Key, met.Environment = []byte(key(st.running)), e.w.environment()
		if j.Task.Spec.Fence != nil {
			met.Fence = &event.FenceApplied{ABI: 7, Seccomp: true, Read: 1, Write: 1, Policy: "job"}
		}
		return nil
	})
	return met, err
}

// environment is the name of the environment that commands have. The caller holds mu.
func (w *World) environment() string { return fmt.Sprint("environment ", w.environ) }

// Environment implements fleet.Jobs.
func (e jobEdges) Environment(ctx context.Context, t life.Task) (name string, err error) {
	err = e.act(ctx, "naming an environment", e.w.who(t.ID), func() error {
		name = e.w.environment()
		return nil
	})
	return name, err
}

// Begin implements fleet.Jobs.
func (e jobEdges) Begin(ctx context.Context, j fleet.Job, run event.JobStarted) error {
	return e.act(ctx, "letting a runner begin", e.w.who(j.Task.ID), func() error {
		st := e.job(j)
		p := st.running
		if p == nil || p.gone || key(p) != string(run.Key) || st.begun == p {
			return nil
		}
		st.begun, st.tree = p, e.w.work(j.Task.ID).tree
		if j.For == event.ActJudge {
			st.merged = run.Tree
		}
		e.w.wg.Go(func() { e.w.runJob(p, st) })
		return nil
	})
}

// Ready implements fleet.Jobs.
func (e jobEdges) Ready(ctx context.Context, j fleet.Job) (string, error) {
	return "job " + string(j.Task.ID) + "/" + j.Name, e.act(ctx, "making a job ready", e.w.who(j.Task.ID), func() error {
		st := e.job(j)
		st.state.Starts++
		return nil
	})
}

// Unready implements fleet.Jobs.
func (e jobEdges) Unready(ctx context.Context, j fleet.Job) error {
	return e.act(ctx, "taking a count back", e.w.who(j.Task.ID), func() error {
		st := e.job(j)
		st.state, st.key = fleet.JobState{Starts: st.state.Starts - 1}, ""
		return nil
	})
}

// Note implements fleet.Jobs.
func (e jobEdges) Note(ctx context.Context, j fleet.Job, v any) error {
	return e.act(ctx, "noting", e.w.who(j.Task.ID), func() error {
		e.job(j).note = v
		return nil
	})
}

// Noted implements fleet.Jobs.
func (e jobEdges) Noted(ctx context.Context, j fleet.Job, into any) (ok bool, err error) {
	err = e.act(ctx, "reading a note", e.w.who(j.Task.ID), func() error {
		var snap fleet.Snapshot
		if snap, ok = e.job(j).note.(fleet.Snapshot); ok {
			*into.(*fleet.Snapshot) = snap //nolint:forcetypeassert // the only value that is stored
		}
		return nil
	})
	return ok, err
}
