package fleet

import (
	"context"

	"muster/internal/event"
	"muster/internal/life"
)

// adopt compares the intents in the log with what runs. It changes nothing in the world itself: open actions go
// through the workers. The first turn handles requests that were made while no supervisor ran.
func (s *Supervisor) adopt(ctx context.Context) error {
	panes, err := s.cfg.Terminal.Panes(ctx)
	if err != nil {
		return err
	}
	byAgent := map[agentToken]string{}
	for _, p := range panes {
		if p.Role == RoleAgent {
			byAgent[agentToken{task: p.Task, gen: p.Gen}] = p.ID
		}
	}
	live, err := s.cfg.Log.Live(ctx)
	if err != nil {
		return err
	}
	adopted := 0
	for i, t := range live {
		s.cfg.Adopting(i, len(live))
		if t.Agent.Live {
			adopted++
		}
		s.adoptTask(t, byAgent[agentToken{task: t.ID, gen: t.Gen}])
	}
	queues, err := s.cfg.Log.Queues(ctx)
	if err != nil {
		return err
	}
	for _, q := range queues {
		for _, a := range q.Open {
			s.jobs.add(job{of: event.OfQueue(q.ID), action: a, again: true})
		}
	}
	if s.cfg.Server != s.cfg.ServerWas {
		s.prologue = append(s.prologue, s.cfg.Server)
	}
	s.prologue = append(s.prologue, event.SupervisorStarted{PID: s.cfg.PID, Version: s.cfg.Version, Boot: s.cfg.Boot, Adopted: adopted})
	s.prologue = append(s.prologue, s.cfg.Prologue...)
	return nil
}

// adoptTask watches the process of a task, and repeats its open actions.
func (s *Supervisor) adoptTask(t life.Task, pane string) {
	_, starting := t.Action(event.ActStart)
	if t.Agent.Live || starting {
		s.cfg.Records.Follow(t)
	}
	if t.Agent.Live {
		tok := agentToken{task: t.ID, gen: t.Gen, pane: pane}
		if pane == "" {
			// The tmux server died unnoticed. A process that survived it has no terminal and is ended.
			s.jobs.add(job{of: event.OfTask(t.ID), death: &deathOf{gen: t.Gen}})
		} else {
			s.cfg.Processes.Watch(t.Agent.Process, tok)
		}
	}
	for _, a := range t.Open {
		if t.IsPutOff(a.ID) {
			continue // its deadline is in the log
		}
		s.jobs.add(job{of: event.OfTask(t.ID), action: a, again: true})
	}
}
