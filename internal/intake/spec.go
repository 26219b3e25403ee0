package intake

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/google/shlex"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/text"
	"muster/internal/words"
)

// Maximum lengths of a task's name and summary, in bytes.
const (
	maxName     = 100
	maxAutoName = 60 // for a name that is made from the prompt
	maxSummary  = 200
)

// spec applies an order to a configuration.
func spec(cfg config.Config, o Order) (event.Spec, error) {
	name := cmp.Or(o.Agent, cfg.Task.Agent)
	if o.Command != "" && o.Agent == "" {
		name = "command"
	}
	ag, err := cfg.Agent(name)
	if err != nil {
		return event.Spec{}, err
	}
	s := event.Spec{
		Summary: text.Field(words.FirstLine(o.Prompt), maxSummary), Base: cmp.Or(o.Base, cfg.Task.Base),
		Agent: name, Kind: ag.Kind, Command: ag.Command, Args: ag.Args, Model: cmp.Or(o.Model, ag.Model),
		Env: map[string]string{}, EnvFrom: ag.EnvFrom, Trust: ag.Trust, Recipe: ag.Recipe,
		Publish: cfg.Task.Publish, Checks: cfg.Checks, Setup: cfg.Workspace.Setup, Copy: cfg.Workspace.Copy,
		Priority: cfg.Task.Priority, Attempts: cfg.Task.Attempts, Respawns: cfg.Task.Respawns, Rounds: cfg.Task.Rounds,
		Timeout: cfg.Task.Timeout, WaitLimit: cfg.Task.WaitLimit, Keep: cfg.Task.Keep, Recording: cfg.Recording.Bytes(),
		Silence: cfg.Task.Silence, SilenceInTool: cfg.Task.SilenceInTool, CILimit: cfg.Task.CILimit, Permission: cfg.Rules(o.Permission),
		Done: cfg.Done, Budget: cfg.Budget.Task, Prices: cfg.Prices,
	}
	s.Name = cmp.Or(text.Field(o.Name, maxName), text.Field(s.Summary, maxAutoName), "task")
	s.Slug = home.Slug(s.Name)
	maps.Copy(s.Env, ag.Env)
	for _, a := range cfg.AccountsOf(ag) {
		s.Accounts = append(s.Accounts, event.TaskAccount{Name: event.AccountID(a.Name), Env: a.Env, EnvFrom: a.EnvFrom})
	}
	return s, o.apply(&s)
}

// apply applies the options to a spec.
func (o Options) apply(s *event.Spec) error {
	if o.Command != "" {
		argv, err := shlex.Split(o.Command)
		if err != nil || len(argv) == 0 {
			return fault.New(fault.Usage, "--command: %q cannot be split into words", o.Command).WithHint("Close its quotes.")
		}
		s.Command = argv
	}
	for _, kv := range o.Env {
		k, v, err := splitPair("env", "NAME=VALUE", kv)
		if err != nil {
			return err
		}
		if err := config.CheckVariable(k, v); err != nil {
			return fault.Wrap(fault.Usage, err, "--env")
		}
		s.Env[k] = v
	}
	if err := o.applyChecks(s); err != nil {
		return err
	}
	if err := o.applyNumbers(s); err != nil {
		return err
	}
	if err := o.applyBudget(s); err != nil {
		return err
	}
	for _, pattern := range o.Scope {
		if err := config.CheckScope(pattern); err != nil {
			return fault.Wrap(fault.Usage, err, "--scope")
		}
		s.Done.Scope = append(slices.Clip(s.Done.Scope), pattern)
	}
	if o.Setup != nil {
		s.Setup = *o.Setup
	}
	if err := errors.Join(ParseDuration("timeout", o.Timeout, &s.Timeout), ParseDuration("keep", o.Keep, &s.Keep)); err != nil {
		return err
	}
	if o.Publish != "" {
		s.Publish = event.Publish(o.Publish)
	}
	return o.checkPublish(s.Publish)
}

// applyBudget applies limits of the form NAME=VALUE, with commas between them.
func (o Options) applyBudget(s *event.Spec) error {
	for _, pair := range strings.Split(strings.Join(o.Budget, ","), ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, err := splitPair("budget", "LIMIT=VALUE", pair)
		if err != nil {
			return err
		}
		if err := config.SetBudget(&s.Budget, name, strings.TrimSpace(value)); err != nil {
			return fault.Wrap(fault.Usage, err, "--budget")
		}
	}
	if b := s.Budget; b.CostUSD == 0 && b.Tokens == 0 && b.Turns == 0 && b.Wall == 0 {
		s.Budget = event.Budget{}
	}
	return nil
}

func (o Options) applyNumbers(s *event.Spec) error {
	for _, n := range []struct {
		flag string
		from *int
		to   *int
		min  int
	}{{"priority", o.Priority, &s.Priority, -1000}, {"rounds", o.Rounds, &s.Rounds, 1}, {"attempts", o.Attempts, &s.Attempts, 1}} {
		if n.from == nil {
			continue
		}
		if *n.from < n.min || *n.from > 1000 {
			return fault.New(fault.Usage, "--%s: %d is out of range", n.flag, *n.from).WithHint("Use a number from %d to 1000.", n.min)
		}
		*n.to = *n.from
	}
	return nil
}

// checkPublish returns an error for a mode that this version does not support, before any work is done for it.
func (o Options) checkPublish(p event.Publish) error {
	from := "publish in " + config.ProjectFile
	if o.Publish != "" {
		from = "--publish"
	}
	switch p {
	case event.PublishNone, event.PublishBranch, event.PublishPush, event.PublishMerge, event.PublishPR:
		return nil
	}
	return fault.New(fault.Usage, "%s: unknown publish mode %q", from, p).WithHint("Use --publish branch or --publish none.")
}

func (o Options) applyChecks(s *event.Spec) error {
	if o.NoChecks {
		if len(o.Checks) > 0 {
			return fault.New(fault.Usage, "--no-checks and --check exclude each other").WithHint("Leave one of them out.")
		}
		s.Checks = nil
		return nil
	}
	s.Checks = slices.Clone(s.Checks)
	for _, kv := range o.Checks {
		name, cmd, err := splitPair("check", "NAME=CMD", kv)
		if err != nil {
			return err
		}
		c, err := config.NewCheck(name, cmd)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(s.Checks, func(old event.Check) bool { return old.Name == name }); i >= 0 {
			s.Checks[i].Run = c.Run
			continue
		}
		s.Checks = append(s.Checks, c)
	}
	return nil
}
