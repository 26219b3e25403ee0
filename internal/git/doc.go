// Package git reads and changes the repositories that agents work in.
//
// Owns: the git program; branches, worktrees and private refs of tasks; what is kept before anything is removed.
// Never does: run a hook, open an editor or a prompt, touch an agent's index unasked, or go to the network but in Fetch.
// Start at: Open, then Reader for what only looks and Repo for what changes.
package git
