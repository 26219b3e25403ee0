package intake

import (
	"context"
	"strings"

	"muster/internal/fault"
	"muster/internal/git"
)

// mergeable returns an error unless work can be merged into a base: it must be a local branch.
func (c *checkout) mergeable(ctx context.Context, base string) error {
	if err := c.repo.CanMerge(ctx); err != nil {
		return err
	}
	if strings.HasPrefix(base, git.OwnBranches) { // an agent works there
		return fault.New(fault.Usage, "publish = \"merge\" merges into the base, and %q is the branch of a task", base).
			WithHint("Name the branch that the work is for: --base main. Or take another mode: --publish branch.")
	}
	there, err := c.repo.HasBranch(ctx, base)
	if err != nil || there {
		return err
	}
	return fault.New(fault.Usage, "publish = \"merge\" merges into the base, and %q is not a local branch of %s", base, c.repo.Root).
		WithHint("Name one: --base main. Or take another mode: --publish branch.")
}
