package intake

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/config"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/git"
	"muster/internal/words"
)

// notices returns what a person may wrongly expect a task to see or use. missing are variables of its agent that it
// does not get.
func (c *checkout) notices(ctx context.Context, s event.Spec, missing []string) ([]string, error) {
	var out []string
	if !strings.HasPrefix(s.Base, "@") {
		text, err := c.uncommitted(ctx)
		if err != nil {
			return nil, err
		}
		if text != "" {
			out = append(out, text)
		}
	}
	for _, path := range c.passedOver {
		out = append(out, fmt.Sprintf("%s is not used: only %s at the root of the checkout counts.", path, config.ProjectFile))
	}
	if len(missing) > 0 {
		out = append(out, fmt.Sprintf("%s is set here and is not handed to the agent: name it in env_from of [agents.%s] if the agent needs it.",
			strings.Join(missing, ", "), s.Agent))
	}
	return out, nil
}

// uncommitted describes what the checkout has and its last commit does not have; "" for nothing. It is read once.
func (c *checkout) uncommitted(ctx context.Context) (string, error) {
	if c.dirty == nil {
		u, err := c.repo.Uncommitted(ctx)
		if err != nil {
			return "", err
		}
		c.dirty = &u
	}
	return uncommittedText(*c.dirty, c.repo.Root), nil
}

func uncommittedText(u git.Unsaved, root string) string {
	var parts []string
	if u.Dirty {
		parts = append(parts, "changes that are not committed")
	}
	if u.Untracked > 0 {
		parts = append(parts, words.Count(u.Untracked, "untracked file"))
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s has %s: tasks start from a commit and do not see them.", root, strings.Join(parts, " and "))
}

// passedOver returns the project files between a checkout's root and a directory in it. They are ignored.
func passedOver(root, dir string) []string {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil
	}
	var out []string
	for real != root && strings.HasPrefix(real, root+string(filepath.Separator)) {
		path := filepath.Join(real, config.ProjectFile)
		if _, err := os.Lstat(path); err == nil {
			out = append(out, path)
		}
		real = filepath.Dir(real)
	}
	return out
}

// notHandedOn returns the variables of an agent that are set in an environment and that the task does not get.
func notHandedOn(variables, env []string, s event.Spec) []string {
	given, _ := environ.ForLaunch(env, s.EnvFrom)
	var out []string
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		_, set := s.Env[name]
		if value == "" || set || slices.Contains(given, kv) || slices.Contains(out, name) || !matches(variables, name) {
			continue
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// matches reports whether a name is in a list. An entry that ends in * is a prefix.
func matches(list []string, name string) bool {
	return slices.ContainsFunc(list, func(want string) bool {
		prefix, many := strings.CutSuffix(want, "*")
		return name == want || many && strings.HasPrefix(name, prefix)
	})
}
