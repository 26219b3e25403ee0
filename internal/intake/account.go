package intake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"muster/internal/agent"
	"muster/internal/boot"
	"muster/internal/event"
	"muster/internal/fault"
)

// readyAnywhere is ready for a task that may use several accounts. An account on which the agent could not start is left
// out, and the notices say so. It is an error if none is left.
func (in *Intake) readyAnywhere(ctx context.Context, ad agent.Adapter, at *checkout, s *event.Spec, prompt string) (missing, notices []string, err error) {
	if len(s.Accounts) == 0 {
		missing, err = in.ready(ctx, ad, at, *s, prompt)
		return missing, nil, err
	}
	var usable []event.TaskAccount
	var first error
	for _, a := range s.Accounts {
		on, err := in.onAccount(*s, a)
		var lacks []string
		if err == nil {
			lacks, err = in.ready(ctx, ad, at, on, prompt)
		}
		if err != nil {
			err = accountFault(a, err)
			notices = append(notices, fmt.Sprintf("%v. The task does not use this account. %s", err, fault.HintOf(err)))
			if first == nil {
				first = err
			}
			continue
		}
		if len(usable) == 0 {
			missing = lacks
		}
		usable = append(usable, a)
	}
	if len(usable) == 0 {
		return nil, nil, first
	}
	s.Accounts = usable
	return missing, notices, nil
}

// onAccount returns the spec of a task that uses one account, for a look at whether its agent could start. The values of
// its variables stay in memory.
func (in *Intake) onAccount(s event.Spec, a event.TaskAccount) (event.Spec, error) {
	if err := in.fleet.NeedEnv(slices.Collect(maps.Values(a.EnvFrom))); err != nil {
		return s, err
	}
	vars, missing := boot.AccountEnv(a, in.fleetEnv())
	if len(missing) > 0 {
		return s, fault.New(fault.Conflict, "it needs %s, and the fleet's environment does not have it", strings.Join(missing, ", ")).
			WithHint("%sRun `muster up`, which saves the environment of its caller for the fleet.", in.unset(missing))
	}
	s.Accounts, s.Env = nil, maps.Clone(s.Env)
	maps.Copy(s.Env, vars)
	return s, nil
}

// accountFault returns an error that names the account on which an agent could not start.
func accountFault(a event.TaskAccount, err error) error {
	return fault.Wrap(fault.CodeOf(err), err, "account %s", a.Name).WithHint("%s", fault.HintOf(err))
}
