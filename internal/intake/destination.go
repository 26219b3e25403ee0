package intake

import (
	"context"
	"errors"
	"strings"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/forge"
	"muster/internal/text"
)

// destination freezes where work is pushed to, and where its change is opened. It asks the forge whether the login may do
// that. The notices are what a person may wrongly expect.
func (in *Intake) destination(ctx context.Context, at *checkout, s *event.Spec) (notices []string, err error) {
	if s.Publish != event.PublishPush && s.Publish != event.PublishPR {
		return nil, nil
	}
	to, err := at.repo.Destination(ctx, s.Base)
	if err != nil {
		return nil, err
	}
	s.Remote = to.Remote
	if to.Notice != "" {
		notices = append(notices, to.Notice)
	}
	if s.Publish == event.PublishPush {
		return notices, nil
	}
	s.Into = strings.TrimPrefix(s.Base, to.Remote+"/")
	if named, err := at.repo.Named(ctx, s.Base); err != nil || !named || strings.HasPrefix(s.Base, "@") || isCommit(s.Base) {
		return nil, errors.Join(err, fault.New(fault.Usage, "a pull request needs a branch to be merged into, and the base %s is none", s.Base).
			WithHint("Name one: --base main. Or use --publish push."))
	}
	repo, ok := forge.RepoOf(to.URL)
	if !ok || repo.Deep() && len(at.config.ForgeOf(repo.Host)) == 0 {
		return nil, notAForge(to.Remote, to.URL, " Or use --publish push.")
	}
	s.Forge = repo.String()
	known, found := at.forges[s.Forge]
	if !found {
		known, err = CheckForge(ctx, at.config, in.fleetEnv(), s.Forge)
		if err != nil {
			return nil, err
		}
		at.forges[s.Forge] = known
	}
	if known != "" {
		notices = append(notices, known)
	}
	return notices, nil
}

// isCommit reports whether a base is the name of a commit.
func isCommit(base string) bool {
	return len(base) >= 40 && strings.Trim(base, "0123456789abcdef") == ""
}

// CheckForge returns an error if the login at a forge could not open a change in a repository, HOST/OWNER/NAME, and a notice if the
// forge does not answer now.
func CheckForge(ctx context.Context, cfg config.Config, env []string, name string) (notice string, err error) {
	repo, err := forge.ParseRepo(name)
	if err != nil {
		return "", err
	}
	program := cfg.ForgeOf(repo.Host)
	g, err := forge.For(program, env)
	if err != nil {
		return "", err
	}
	l, err := g.Check(ctx, repo)
	if e, ok := errors.AsType[*forge.Error](err); ok && (e.Class == forge.Unreachable || e.Class == forge.Limited) {
		return repo.Host + " does not answer now (" + e.Message + "): the pull request waits until it does.", nil
	}
	switch {
	case err != nil:
		if len(program) > 0 { // it has a login of its own
			return "", fault.Wrap(fault.Conflict, err, "ask %s through %s", repo, program[0]).
				WithHint("Give it what it says that it lacks. A request by hand: echo '{\"version\":1,\"do\":\"check\",\"repo\":%q}' | %s", repo.Owner+"/"+repo.Name, text.Command(program))
		}
		return "", forgeFault(err, repo, " in the fleet's environment")
	case l.Archive:
		return "", fault.New(fault.Conflict, "%s is archived and takes no changes", repo).WithHint("Use --publish branch.")
	case !l.Push:
		return "", fault.New(fault.Conflict, "%s may not push to %s", l.Name, repo).
			WithHint("Ask for write access, or use --publish branch. A pull request from a fork is not supported yet.")
	}
	return "", nil
}

// notAForge returns the error for a remote of which no repository of a forge is known.
func notAForge(remote, url, also string) error {
	return fault.New(fault.Conflict, "the remote %s does not name a repository of a forge: %s", remote, url).
		WithHint("Its URL has to be like https://github.com/OWNER/NAME.git.%s", also)
}

// forgeFault returns an error of a forge with its next step. where says whose login it is.
func forgeFault(err error, repo forge.Repo, where string) error {
	e, ok := errors.AsType[*forge.Error](err)
	switch {
	case !ok:
		return err
	case e.Class == forge.Login:
		return fault.Wrap(fault.Conflict, err, "gh has no login at %s%s", repo.Host, where).WithHint("Log in: gh auth login -h %s", repo.Host)
	case e.Class == forge.Forbidden, e.Class == forge.Refused:
		return fault.Wrap(fault.Conflict, err, "%s cannot be used with this login", repo).
			WithHint("See what it may do: gh auth status -h %s", repo.Host)
	}
	return fault.Wrap(fault.Failed, err, "%s does not answer now", repo.Host).WithHint("Try again later.")
}
