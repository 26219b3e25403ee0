package intake

import (
	"context"
	"slices"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/fault"
)

// Limits of a review. A reviewer that crashes gives no verdict, and the round starts another one.
const (
	reviewAttempts = 1
	reviewRespawns = 4 // for reminders, and for lost terminals
)

// reviews freezes the reviews of a task, and returns hints about them. A reviewer that could not start is an error.
func (in *Intake) reviews(ctx context.Context, at *checkout, o Order, s *event.Spec) (notices []string, err error) {
	if o.NoChecks {
		return nil, nil
	}
	for _, r := range at.config.Reviews {
		of, err := reviewSpec(at.config, r)
		if err != nil {
			return nil, err
		}
		of.Repo, of.GitDir, of.Base = s.Repo, s.GitDir, s.Base
		ad, granted, err := in.agent(at, o, &of)
		if err == nil {
			_, out, readyErr := in.readyAnywhere(ctx, ad, at, &of, r.Prompt)
			granted, err = append(granted, out...), readyErr
		}
		if err != nil {
			return nil, fault.Wrap(fault.CodeOf(err), err, "check %s", r.Name).WithHint("%s", fault.HintOf(err))
		}
		if of.Fence != nil {
			of.Fence.ReadOnly, of.Fence.Git = true, event.GitRead
		}
		for _, n := range granted {
			notices = append(notices, "check "+r.Name+": "+n)
		}
		s.Reviews = append(s.Reviews, event.Reviewer{Name: r.Name, Prompt: r.Prompt, Spec: of})
	}
	return notices, nil
}

// reviewSpec returns the task of a review, without what depends on the work.
func reviewSpec(cfg config.Config, r config.Review) (event.Spec, error) {
	s, err := spec(cfg, Order{Prompt: r.Prompt, Options: Options{Name: r.Name, Agent: r.Agent, Model: r.Model, NoChecks: true, Publish: string(event.PublishNone)}})
	if err != nil {
		return s, err
	}
	s.Setup, s.Copy, s.Done = "", nil, event.Demands{NoChange: event.ReactionAllow}
	s.Attempts, s.Respawns, s.Rounds, s.Timeout = reviewAttempts, reviewRespawns, 1, r.Timeout
	s.Budget = event.Budget{CostUSD: r.CostUSD, Soft: 1}
	if r.CostUSD == 0 {
		s.Budget = event.Budget{}
	}
	deny := event.PermissionRule{Tool: "edit", Action: event.PermissionDeny, Reason: "A reviewer changes nothing.", Origin: "review"}
	s.Permission = slices.Insert(slices.Clone(s.Permission), 0, deny)
	return s, nil
}
