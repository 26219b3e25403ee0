// Package launch is the exec shim: what a pane runs before it becomes the agent.
//
// Owns: the spec file of an agent, the lock that says whether anything of a task is alive, the launched record.
// Never does: put a shell in front of an agent, leave a process of its own beside one, or wait for it.
// Start at: Spec, Exec.
package launch
