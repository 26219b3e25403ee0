package intake

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"muster/internal/agent"
	"muster/internal/agent/all"
	"muster/internal/boot"
	"muster/internal/config"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/lock"
)

// Task is a frozen task, ready to be queued.
type Task struct {
	// Spec is complete except for the additions of AfterRefs to After. Its base may be @ and an id, or @ and the name
	// of a task that comes earlier in the same dispatch.
	Spec   event.Spec
	Prompt string
	// AfterRefs are the tasks it waits for: ids, or names of tasks that come earlier in the same dispatch, so that
	// there can be no cycle.
	AfterRefs []string
	// Race is the number of its race among the tasks of one dispatch; 0 for none. Only one task of each race is published.
	Race int
	// Notices are hints for the person who ordered the task, one line each: what the task will not see or use.
	Notices []string
}

// Intake turns orders into tasks. It caches each checkout, so a value serves one batch of orders. It is not safe for
// concurrent use.
type Intake struct {
	fleet     boot.Fleet
	dir       string
	checkouts map[string]*checkout // by directory
	known     []known
}

// New returns an intake for a fleet. A relative directory of an order starts at dir, and an order without a directory
// is for the checkout around dir.
func New(f boot.Fleet, dir string) *Intake {
	return &Intake{fleet: f, dir: dir, checkouts: map[string]*checkout{}}
}

// Task freezes an order. Anything that would stop the task at once is an error here, while the person can still be
// told.
func (in *Intake) Task(ctx context.Context, o Order) (Task, error) {
	at, err := in.checkout(ctx, in.directory(o.Repo))
	if err != nil {
		return Task{}, err
	}
	s, err := spec(at.config, o)
	if err != nil {
		return Task{}, err
	}
	s.Repo, s.GitDir = at.repo.Root, at.repo.Common
	if s.Base, err = at.base(ctx, s.Base, o.File != ""); err != nil {
		return Task{}, err
	}
	sent, err := in.destination(ctx, at, &s)
	if err != nil {
		return Task{}, err
	}
	if s.Publish == event.PublishMerge {
		if err = at.mergeable(ctx, s.Base); err != nil {
			return Task{}, err
		}
		if at.config.Merge.Style != event.MergeStyleMerge {
			s.Style = at.config.Merge.Style
		}
	}
	ad, granted, err := in.agent(at, o, &s)
	if err != nil {
		return Task{}, err
	}
	reviewed, err := in.reviews(ctx, at, o, &s)
	if err != nil {
		return Task{}, err
	}
	granted = append(granted, reviewed...)
	missing, out, err := in.readyAnywhere(ctx, ad, at, &s, o.Prompt)
	if err != nil {
		return Task{}, err
	}
	notices, err := at.notices(ctx, s, missing)
	notices = append(notices, sent...)
	return Task{Spec: s, Prompt: o.Prompt, AfterRefs: o.After, Race: o.Race, Notices: append(append(notices, granted...), out...)}, err
}

// directory returns the directory of an order.
func (in *Intake) directory(repo string) string {
	switch {
	case repo == "":
		return in.dir
	case !filepath.IsAbs(repo):
		return filepath.Join(in.dir, repo)
	}
	return repo
}

// agent freezes what follows from the kind of a task's agent, and its fence. It returns hints about what they grant.
func (in *Intake) agent(at *checkout, o Order, s *event.Spec) (agent.Adapter, []string, error) {
	ad, err := all.For(*s)
	if err != nil {
		return nil, nil, err
	}
	s.Traits = ad.Facts().Traits
	if m, ok := ad.(agent.Moder); ok {
		s.Traits.Mode = m.Mode(*s)
	}
	var granted []string
	if s.Fence, granted, err = in.fence(at.config, o); err != nil {
		return nil, nil, err
	}
	if b, ok := ad.(agent.Bypasser); ok && s.Fence == nil && b.Bypasses(*s) {
		granted = append(granted, fmt.Sprintf("agent %s asks for no permission and has no fence: it may do all that you may do. Switch the fence on: --fence on.", s.Agent))
	}
	return ad, granted, nil
}

// CheckAgent returns an error if the agent for new tasks in a configuration could not start in a repository.
func (in *Intake) CheckAgent(ctx context.Context, cfg config.Config, repo string) error {
	s, err := spec(cfg, Order{Prompt: "doctor"})
	if err != nil {
		return err
	}
	s.Repo = repo
	return in.CheckTask(ctx, s)
}

// CheckTask returns an error if the agent of a task could not start now, on one of its accounts.
func (in *Intake) CheckTask(ctx context.Context, s event.Spec) error {
	ad, err := all.For(s)
	if err != nil {
		return err
	}
	if len(s.Accounts) == 0 {
		return in.checkAgent(ctx, ad, s, "", nil)
	}
	var wrong []error
	for _, a := range s.Accounts { // each has a login and a set-up of its own
		on, err := in.onAccount(s, a)
		if err == nil {
			err = in.checkAgent(ctx, ad, on, "", nil)
		}
		if err != nil {
			wrong = append(wrong, accountFault(a, err))
		}
	}
	return errors.Join(wrong...)
}

// checkAgent returns the adapter's error if a launch would not work.
func (in *Intake) checkAgent(ctx context.Context, ad agent.Adapter, s event.Spec, prompt string, base baseFiles) error {
	env, err := in.launchEnv(s)
	if err != nil {
		return err
	}
	return ad.Check(ctx, agent.Preflight{Spec: s, Env: env, Home: in.fleet.Home, Prompt: prompt, Base: base})
}

// launchEnv returns the environment that the agent would get. Missing variables that it needs are an error.
func (in *Intake) launchEnv(s event.Spec) ([]string, error) {
	if err := in.fleet.NeedEnv(s.EnvFrom); err != nil {
		return nil, err
	}
	env, missing := environ.ForLaunch(in.fleetEnv(), s.EnvFrom)
	if len(missing) > 0 {
		return nil, fault.New(fault.Conflict, "agent %s needs %s, and the fleet's environment does not have it", s.Agent, strings.Join(missing, ", ")).
			WithHint("%sRun `muster up`, which saves the environment of its caller for the fleet.", in.unset(missing))
	}
	return environ.With(env, s.Env), nil
}

// fleetEnv returns the environment that the fleet has, or will have when `up` saves this one.
func (in *Intake) fleetEnv() []string {
	if held, err := lock.Held(in.fleet.Home.Lock()); err == nil && !held && !in.fleet.InAgentsShell() {
		return in.fleet.Environ
	}
	return in.fleet.Saved
}

// unset returns the first half of a hint: to set what the caller's environment lacks.
func (in *Intake) unset(names []string) string {
	if _, missing := environ.ForLaunch(in.fleet.Environ, names); len(missing) > 0 {
		return "Set " + strings.Join(missing, ", ") + ". "
	}
	return "It is set here. "
}
