package intake

import (
	"context"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/git"
)

// checkout is what all orders for one checkout share.
type checkout struct {
	repo   *git.Repo
	config config.Config
	bases  map[string]string // resolved bases, by the name in an order
	dirty  *git.Unsaved      // nil until it was read
	// passedOver are the project files between the root and the directory of the orders. They are ignored.
	passedOver []string
	forges     map[string]string // notices about logins, by repository of a forge
}

// checkout returns the checkout around a directory. It is read once.
func (in *Intake) checkout(ctx context.Context, dir string) (*checkout, error) {
	if c := in.checkouts[dir]; c != nil {
		return c, nil
	}
	repo, err := git.Open(ctx, dir, git.Env(in.fleet.Saved), git.Under(in.fleet.Home.WorktreesDir()), git.Private(in.fleet.Home.GitDir()), git.Distrust(in.fleet.InAgentsShell()))
	if err != nil {
		return nil, err
	}
	if err := repo.Freeze(ctx); err != nil {
		return nil, err
	}
	if !utf8.ValidString(repo.Root) || !utf8.ValidString(repo.Common) {
		return nil, fault.New(fault.Usage, "the path of the checkout, %q, is not UTF-8 text, and the log can hold only text", repo.Root).
			WithHint("Rename the directory, or clone the repository into another one.")
	}
	cfg, err := config.Load(in.fleet.UserConfig, filepath.Join(repo.Root, config.ProjectFile))
	if err != nil {
		return nil, err
	}
	in.checkouts[dir] = &checkout{repo: repo, config: cfg, bases: map[string]string{}, forges: map[string]string{}, passedOver: passedOver(repo.Root, dir)}
	return in.checkouts[dir], nil
}

// baseFiles returns files of the tree that a task's worktree begins with.
type baseFiles func(ctx context.Context, paths ...string) (map[string][]byte, error)

// files returns the reader of a base; nil if the base is another task's.
func (c *checkout) files(base string) baseFiles {
	if strings.HasPrefix(base, "@") {
		return nil
	}
	return func(ctx context.Context, paths ...string) (map[string][]byte, error) {
		return c.repo.Blobs(ctx, base, paths...)
	}
}

// base returns the start of a task's branch: a name, which is resolved again when the worktree is made, or @task. In
// a tasks file @ may precede a name, which is resolved when the tasks have their ids.
func (c *checkout) base(ctx context.Context, base string, inFile bool) (string, error) {
	if id, ok := strings.CutPrefix(base, "@"); ok {
		if !event.IsTaskID(id) && !inFile {
			return "", fault.New(fault.Usage, "--base: %q is not @ and a task's id", base).WithHint("Write --base @t3.")
		}
		return base, nil
	}
	if found, ok := c.bases[base]; ok {
		return found, nil
	}
	found, err := c.resolve(ctx, base)
	if err == nil {
		c.bases[base] = found
	}
	return found, err
}

// resolve checks that a base exists. Without a base it returns the current branch, or the commit of a detached HEAD.
func (c *checkout) resolve(ctx context.Context, base string) (string, error) {
	if base == "" {
		branch, err := c.repo.CurrentBranch(ctx)
		if err != nil {
			return "", err
		}
		if base = branch; base == "" {
			return c.repo.Resolve(ctx, "HEAD")
		}
	}
	commit, err := c.repo.Resolve(ctx, base)
	if err != nil {
		return "", err
	}
	named, err := c.repo.Named(ctx, base)
	if !named {
		base = commit // HEAD~1 and the like mean something else in another checkout or later
	}
	return base, err
}

// checkCopies checks that the files to copy into each worktree exist.
func checkCopies(s event.Spec) error {
	for _, name := range s.Copy {
		if _, err := git.CopySource(s.Repo, name); fault.Is(err, fault.NotFound) {
			return fault.New(fault.Conflict, "there is no file %q in %s to copy into the worktree", name, s.Repo).
				WithHint("Make it, or take it out of [workspace] copy in %s.", config.ProjectFile)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// Root returns the root of the checkout around a directory.
func Root(ctx context.Context, environ []string, dir string) (string, error) {
	repo, err := git.Open(ctx, dir, git.Env(environ))
	if err != nil {
		return "", err
	}
	return repo.Root, nil
}

// Base returns what a task without a prompt would start from and be judged by in the checkout around a directory: its repository,
// base, checks, setup and fence. The agent is not looked at.
func (in *Intake) Base(ctx context.Context, dir string) (event.Spec, error) {
	at, err := in.checkout(ctx, dir)
	if err != nil {
		return event.Spec{}, err
	}
	s, err := spec(at.config, Order{})
	if err != nil {
		return event.Spec{}, err
	}
	s.Repo, s.GitDir = at.repo.Root, at.repo.Common
	if s.Base, err = at.base(ctx, s.Base, false); err != nil {
		return event.Spec{}, err
	}
	s.Fence, _, err = in.fence(at.config, Order{})
	return s, err
}
