package agent

import (
	"path"
	"slices"
	"strings"

	"muster/internal/permit"
)

// StashRefusal is what an agent is told that wants to use the stash of its repository.
const StashRefusal = "Not run: `git stash` is one stack for all worktrees of this repository. It is shared with other agents and with a person, and " +
	"`pop`, `drop` or `clear` may take an entry of somebody else. Commit instead (`git add -A && git commit -m wip`, and later `git reset --soft HEAD~1`), " +
	"or write a patch outside the worktree (`git diff HEAD > /tmp/NAME.patch`, and later `git apply /tmp/NAME.patch`). `git stash list` and `git stash show` are allowed."

// ChangesStash reports whether a shell command would change the stash of its repository, as far as its words show that. It is
// made for agents that mean no harm: a command can hide from it.
func ChangesStash(command string) bool {
	return slices.ContainsFunc(permit.Commands(command), func(words []string) bool {
		return path.Base(words[0]) == "git" && gitChangesStash(words[1:])
	})
}

// gitChangesStash looks at the arguments of git.
func gitChangesStash(args []string) bool {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if slices.Contains([]string{"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"}, args[0]) && len(args) > 1 {
			args = args[1:]
		}
		args = args[1:]
	}
	if len(args) == 0 || args[0] != "stash" {
		return false
	}
	return len(args) == 1 || !slices.Contains([]string{"list", "show", "create"}, args[1])
}
