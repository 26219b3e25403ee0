// Package check runs the commands of a project: a round of checks, or the setup of a worktree.
//
// Owns: the job file, the steps and their logs, the check slots, the result file and who signed it.
// Never does: decide what a result means for the task, or start a shell for anything but a step.
// Start at: Job, Run, Meet, ReadResult.
package check
