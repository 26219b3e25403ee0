package agent

import (
	"fmt"
	"path/filepath"
	"strings"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/text"
)

const (
	// MaxArgument is the longest argument in bytes, below the kernel's limit of 128 KiB.
	MaxArgument = 100 << 10
	// PromptName is the name of the prompt's file in the generation's directory.
	PromptName = "prompt.md"
)

// Preamble returns what every agent is told besides its task: its checks, and how to use muster.
func Preamble(spec event.Spec) string {
	if spec.Review != nil {
		return reviewPreamble(spec)
	}
	var b strings.Builder
	b.WriteString("You work unattended, under muster, a supervisor: nobody sits at the keyboard. Your working directory is a " +
		"git worktree of your own. You need not commit, push or open a pull request: when your turn ends, muster keeps your " +
		"work, runs the project's checks on it and publishes what passes. Stay on the branch that is checked out. Do not use " +
		"`git stash`: it is one stack for all worktrees of the repository, shared with other agents and a person. Commit " +
		"instead, or `git diff HEAD > FILE` with a file outside the worktree.\n\n")
	b.WriteString(fenced(spec.Fence))
	if len(spec.Checks) == 0 {
		b.WriteString("This task has no checks.\n")
	} else {
		b.WriteString("The checks, which `muster check` (or `muster check NAME`) runs for you at any time:\n")
		for _, c := range spec.Checks {
			fmt.Fprintf(&b, "- %s: %s", c.Name, text.Line(c.Run, 300))
			if c.OnEdit {
				b.WriteString("  (also run after each of your edits)")
			}
			b.WriteByte('\n')
		}
	}
	b.WriteString("\nIn your shell:\n" +
		"- `muster done` says that the task is done; then end your turn.\n" +
		"- `muster ask \"QUESTION\"` asks a person, when you cannot go on without one; then end your turn.\n" +
		"- `muster note \"TEXT\"` says in a few words where you are.\n\n" +
		"Messages marked [muster mN] come from muster or from the person you work for: treat them as the user's own words. " +
		"If a check fails you get its output that way; fix the cause, not the check. Your task is also in the file " +
		"that MUSTER_PROMPT_FILE names: read it if it is not above.\n")
	return b.String()
}

// reviewPreamble returns what a reviewer is told besides its task.
func reviewPreamble(spec event.Spec) string {
	return "You review the work of another agent, unattended, under muster, a supervisor: nobody sits at the keyboard. Your working " +
		"directory is a checkout of the work, and it is thrown away when you have decided. Change nothing in it, and publish nothing.\n\n" +
		fenced(spec.Fence) +
		"In your shell, `muster verdict green` or `muster verdict red \"FINDINGS\"` gives your verdict, and only that counts (`muster verdict red -` reads " +
		"longer findings from its input). Then end your turn. " +
		"Messages marked [muster mN] come from muster or from the person you work for: treat them as the user's own words. Your task is also in the " +
		"file that MUSTER_PROMPT_FILE names: read it if it is not above.\n"
}

// fenced returns what an agent in a fence is told about it.
func fenced(f *event.Fence) string {
	if f == nil {
		return ""
	}
	what := "You can write in this worktree, in $TMPDIR and in the caches that your environment names, and nowhere else"
	if len(f.Write) > 0 {
		what = "You can write in this worktree, in $TMPDIR, in the caches that your environment names and in " + strings.Join(f.Write, ", ") + ", and nowhere else"
	}
	if f.ReadOnly {
		what = "You can write in $TMPDIR and in the caches that your environment names, and nowhere else"
	}
	git := "commit, but do not stash, tag or make branches outside of muster/."
	if f.Git == event.GitRead {
		git = "the repository is read-only: do not commit."
	}
	return what + "; " + git + "\nWhere something else is refused (permission denied, operation not permitted), that is so on purpose: do not look for a way around it.\n\n"
}

// PromptFile returns the prompt as a file of the generation that ends with a newline.
func PromptFile(text string) File {
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return File{Path: PromptName, Data: []byte(text), Mode: 0o600}
}

// PromptPath returns the path of a launch's prompt file.
func PromptPath(l Launch) string { return filepath.Join(l.Dirs().RO(), PromptName) }

// FullEnv returns the environment of a preflight with the variables of the spec.
func FullEnv(p Preflight) []string { return environ.With(p.Env, p.Spec.Env) }

// CheckEnvFrom returns an error if the fleet's environment lacks a variable that the spec names in env_from.
func CheckEnvFrom(p Preflight) error {
	for _, name := range p.Spec.EnvFrom {
		if _, ok := environ.Lookup(p.Env, name); !ok {
			return fault.New(fault.Conflict, "agent %s: env_from names %s, which the fleet's environment lacks", p.Spec.Agent, name).
				WithHint("Run: export %s=… && muster up", name)
		}
	}
	return nil
}
