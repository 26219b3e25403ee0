// Package launch is what runs in panes before and beside the agents: the exec shim, the runner of checks, the keeper.
//
// Owns: the spec files of panes, the locks that say whether anything of a task is alive, the results of checks, the keeper.
// Never does: put a shell in front of an agent, leave a process of its own beside one, or judge a result.
// Start at: Spec and Exec for an agent, Job and RunJob for checks, Keeper for the supervisor's pane.
package launch
