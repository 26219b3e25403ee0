package agent

import (
	"path/filepath"
	"strings"

	"muster/internal/event"
)

// maxLink bounds the .git file of a linked worktree, in bytes.
const maxLink = 64 << 10

// Roots returns the directories whose trust covers the worktrees of a task: its checkout, and the main repository of one that is
// a linked worktree, each also with its links resolved.
func Roots(s event.Spec) []string {
	dirs := []string{s.Repo, RealPath(s.Repo)}
	if s.GitDir != "" && filepath.Base(s.GitDir) == ".git" {
		dirs = append(dirs, filepath.Dir(s.GitDir), RealPath(filepath.Dir(s.GitDir)))
	}
	if root, ok := mainRoot(s.Repo); ok {
		dirs = append(dirs, root)
	}
	return dirs
}

// mainRoot returns the root of the main worktree of a checkout that is a linked worktree.
func mainRoot(checkout string) (string, bool) {
	link, err := ReadSetup(filepath.Join(checkout, ".git"), maxLink)
	if err != nil {
		return "", false // a directory: this is the main one
	}
	gitdir, ok := strings.CutPrefix(strings.TrimSpace(string(link)), "gitdir: ")
	if !ok {
		return "", false
	}
	if !filepath.IsAbs(gitdir) {
		gitdir = filepath.Join(checkout, gitdir)
	}
	root, _, ok := strings.Cut(gitdir, "/.git/worktrees/")
	return RealPath(root), ok
}
