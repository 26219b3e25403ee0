// Package git reads and changes the repositories that agents work in.
//
// Owns: the git program; branches, worktrees and private refs of tasks; what is kept before anything is removed.
// Never does: read the configuration of a repository after it was frozen, run a hook but the user's pre-push, open an editor or a prompt, change an agent's index unless asked, use the network except in Fetch and Push, force a push.
// Start at: Open and Find; then Reader for queries and Repo for changes.
//
// # The model
//
//	repository (common git directory)
//	├── worktrees/ID/          the registry: one administrative directory per worktree, with its HEAD and index.
//	│   │                      A worktree is ours by this, not by its .git, which an agent may write.
//	│   ├── muster-copied      what Copy brought, with its hashes
//	│   └── modules/           submodules of this worktree, which go with it
//	├── muster/*.json          which branch and base belong to which path, and to whom
//	├── muster.lock            held by what moves refs or worktrees
//	└── refs/
//	    ├── heads/muster/…     the branches of tasks
//	    └── muster/            private refs
//	        ├── keep/TASK/N    what Keep kept: tree = the worktree, parents = HEAD, index, what lies inside
//	        ├── round/…        the snapshots that were judged, and start, the state after setup
//	        └── lost/COMMIT    a HEAD of another fleet's worktree that was in the way
//
// Agents write in all of this, also in the repository's configuration, which can name programs. git therefore runs with
// a private git directory of muster's own (Private): its objects, refs and reflogs are links into the repository, its
// configuration, attributes and excludes were frozen at the dispatch (Freeze), and a worktree's HEAD and index are
// copied into a temporary seat for each piece of work.
//
// There are three ways to take a worktree's state. Tree is everything that is not ignored, as one tree. Snapshot is
// that tree as a private commit on top of HEAD; a round judges it. Land moves the task's branch to exactly the judged
// tree. It refuses with ErrMoved if the work changed since, and with Obstacles if the work is unfinished or if others
// could not get all of it.
//
// A tree does not contain everything: submodules and nested repositories have commits, stashes and changes of their
// own. Keep takes those, too. Before it returns, git walks the kept commit and verifies that every object exists.
// Only then may RemoveWorktree remove anything.
package git
