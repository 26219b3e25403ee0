package fleet

import (
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// Pulse is what came of a look at the whole fleet.
type Pulse struct {
	Watched int `json:"watched"` // tasks that have an agent
	Judged  int `json:"judged"`  // those of which it is known that their process is watched and their records are read
	Hung    int `json:"hung"`    // acts that were given up and have not come back
}

// nextLook is how long it is until the whole fleet is to be looked at.
func (s *Supervisor) nextLook(mono time.Duration) time.Duration {
	if s.looked < 0 {
		return 0
	}
	return max(0, s.looked+lookPause-mono)
}

// withAgent are the tasks that have an agent, as this turn leaves them.
func (d *decision) withAgent() []life.Task {
	all := []life.Task{}
	for t := range d.tx.EachLive() {
		if t.Agent.Live {
			all = append(all, *t)
		}
	}
	return all
}

// lookAtAll looks at all agents, whatever was or was not heard of them: what an event should have brought, and did not, is
// found here. It proves that the supervisor itself goes on, too. nil is no look.
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
			// Its end was missed, or it would be recorded by now: it is asked for again.
			s.cfg.Logger.Error("the end of an agent was not heard of", "task", t.ID, "gen", t.Gen)
			s.cfg.Processes.Watch(t.Agent.Process, token)
		case !alive:
			gone[token] = true // most likely its end is on its way
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
