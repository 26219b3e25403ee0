// Package launch is the exec shim: the program that a pane runs before it becomes the agent.
//
// Owns: the spec file of an agent, the lock that shows whether anything of a task is alive, the launched record.
// Never does: put a shell in front of an agent, keep another process beside one, or wait for it.
// Start at: Spec, Exec.
//
// A pane runs `muster launch SPEC`. The process sets itself up as the spec says and then replaces itself by the agent. The
// process id, the pane and the locked file stay the same:
//
//	supervisor                    the process in the pane
//	──────────                    ───────────────────────
//	Write(spec), open pane ─────▶ read the spec (0600)
//	                              take and inherit the lock ──── held: exit without a record
//	                              check sizes, chdir, find the program, limits
//	                              prepare the fence; control group
//	watches the status file ◀──── append "launched" with the process id
//	                              remove the spec
//	                              enter the fence and execve(agent), on one thread ─▶ the agent, which holds the lock
//	                                  │ fails
//	watches the status file ◀──── append "exited" with the reason, exit 126 or 127
//
// # The lock
//
// The lock file attempts/TASK/alive is locked by flock on a descriptor that stays open over execve and fork. So the kernel
// holds the lock until the agent and everything that inherited the descriptor have ended, and a second agent of the same
// task cannot start in the meantime. The descriptor has a number from 400 on, which shells do not use. The file holds the
// process id of the agent. If the lock is held while that process is dead, its holders are processes that the agent left.
//
// # A death in between
//
// Before "launched" nothing has happened, and the supervisor may start the generation again. After "launched" the agent
// may have run, and the supervisor decides by the lock and by the death of the process. After a lack of memory,
// processes or disk the launch is retried for some seconds; then the process exits with scarce.ExitStatus and without a
// record, as if it had never started. A launch that finds the lock held exits with scarce.HeldExitStatus in the same way.
//
// # The fence
//
// A spec with a fence never becomes the agent without it: the restrictions are those of the thread that calls execve. If the
// fence cannot be prepared or entered, the launch ends with the reason. A spec of kind fence is a
// fence.Command, such as a check: it has no lock and no records.
//
// A job (checks, setup) starts through the same verb; package check runs it, and no exec follows.
package launch
