package intake

import (
	"context"
	"errors"
	"strings"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/forge"
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
	if !ok {
		return nil, fault.New(fault.Conflict, "the remote %s does not name a repository of a forge: %s", to.Remote, to.URL).
			WithHint("Its URL has to be like https://github.com/OWNER/NAME.git. Or use --publish push.")
	}
	s.Forge = repo.String()
	known, found := at.forges[s.Forge]
	if !found {
		known, err = CheckForge(ctx, in.fleetEnv(), s.Forge)
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
func CheckForge(ctx context.Context, env []string, name string) (notice string, err error) {
	repo, err := forge.ParseRepo(name)
	if err != nil {
		return "", err
	}
	g, err := forge.New(env)
	if err != nil {
		return "", err
	}
	l, err := g.Check(ctx, repo)
	if e, ok := errors.AsType[*forge.Error](err); ok {
		switch e.Class {
		case forge.Unreachable, forge.Limited:
			return repo.Host + " does not answer now (" + e.Message + "): the pull request waits until it does.", nil
		case forge.Login:
			return "", fault.Wrap(fault.Conflict, err, "gh has no login at %s in the fleet's environment", repo.Host).
				WithHint("Log in: gh auth login -h %s", repo.Host)
		case forge.Forbidden, forge.Refused:
			return "", fault.Wrap(fault.Conflict, err, "%s cannot be used with this login", repo).
				WithHint("See what it may do: gh auth status -h %s", repo.Host)
		}
	}
	switch {
	case err != nil:
		return "", err
	case l.Archive:
		return "", fault.New(fault.Conflict, "%s is archived and takes no changes", repo).WithHint("Use --publish branch.")
	case !l.Push:
		return "", fault.New(fault.Conflict, "%s may not push to %s", l.Name, repo).
			WithHint("Ask for write access, or use --publish branch. A pull request from a fork is not supported yet.")
	}
	return "", nil
}
