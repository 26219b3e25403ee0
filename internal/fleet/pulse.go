package fleet

import (
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// Pulse is the result of a check of the whole fleet.
type Pulse struct {
	Watched int `json:"watched"` // tasks that have an agent
	Judged  int `json:"judged"`  // tasks whose process is watched and whose records are followed
	Hung    int `json:"hung"`    // actions that were given up and have not returned
}

// nextLook returns the time until the next check of the whole fleet.
func (s *Supervisor) nextLook(mono time.Duration) time.Duration {
	if s.looked < 0 {
		return 0
	}
	return max(0, s.looked+lookPause-mono)
}

// withAgent returns the tasks that have an agent after this turn.
func (d *decision) withAgent() []life.Task {
	all := []life.Task{}
	for t := range d.tx.EachLive() {
		if t.Agent.Live {
			all = append(all, *t)
		}
	}
	return all
}

// lookAtRunners kills the runners of jobs that were stopped or have hung for longer than they may. Their end is
// reported like any other: the job did not run.
func (s *Supervisor) lookAtRunners(mono time.Duration) {
	if len(s.runners) == 0 || mono < s.runnersAt {
		return
	}
	s.runnersAt = mono + runnerPause
	for p, until := range s.runners {
		now, ok := s.cfg.Processes.Identify(p.PID)
		switch {
		case !ok || now != p:
			delete(s.runners, p)
		case mono > until || s.cfg.Processes.Stopped(p):
			s.cfg.Logger.Warn("kill a runner that was stopped or hangs", "pid", p.PID)
			if err := s.cfg.Processes.Signal(p, sigKill); err != nil {
				s.cfg.Logger.Error("kill a runner", "pid", p.PID, "err", err)
			}
		}
	}
}

// runnerPause is the pause between two looks at the runners.
const runnerPause = 10 * time.Second

// nextRunners returns the time until the next look at the runners.
func (s *Supervisor) nextRunners(mono time.Duration) time.Duration {
	if len(s.runners) == 0 {
		return lookPause
	}
	return max(0, s.runnersAt-mono)
}

// sigKill is SIGKILL, which also ends a process that was stopped.
const sigKill = 9

// lookAtAll checks all agents, even if nothing happened. It finds what a lost notification should have reported, and
// it proves that the supervisor itself makes progress. It does nothing if all is nil.
func (s *Supervisor) lookAtAll(all []life.Task, mono time.Duration) {
	if all == nil {
		return
	}
	p := Pulse{Watched: len(all), Hung: s.jobs.lost}
	gone := map[agentToken]bool{}
	for _, t := range all {
		token := agentToken{task: t.ID, gen: t.Gen, pane: t.Agent.Pane}
		ref, ok := s.cfg.Processes.Identify(t.Agent.Process.PID)
		switch alive := ok && ref == t.Agent.Process; {
		case !alive && s.gone[token] && !s.jobs.has(event.OfTask(t.ID)):
			// The notification of its end was lost, or the end would be recorded by now. Ask for it again.
			s.cfg.Logger.Error("the end of an agent was not heard of", "task", t.ID, "gen", t.Gen)
			s.cfg.Processes.Watch(t.Agent.Process, token)
		case !alive:
			gone[token] = true // most likely the notification of its end is on its way
			p.Judged++
		case !s.cfg.Records.Follows(t.ID, t.Gen):
			s.cfg.Logger.Error("the records of a living agent were not followed", "task", t.ID, "gen", t.Gen)
			s.cfg.Records.Follow(t)
		default:
			p.Judged++
		}
	}
	s.looked, s.gone = mono, gone
	s.cfg.Pulse(p)
}
