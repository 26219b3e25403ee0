// Package fence restricts a process, and everything that it starts, to listed files and to sockets of the network.
//
// Owns: Landlock and the seccomp filter on Linux, the sandbox-exec profile on macOS, the list of grants of a task, and the
// trial that shows whether this machine can enforce a fence.
// Never does: apply less than what was asked for, start a helper program on Linux, or restrict the process of the supervisor.
// Start at: Policy, Prepare, Fence.Exec.
//
// A Policy is a list of what is allowed. Everything else is refused:
//
//	Read, Write       files and directory trees, by their real paths; a path that does not exist grants nothing
//	sockets           the internet families and netlink; path sockets only if Unix is set
//	signals, ptrace   processes of the same fence only (signals: Landlock ABI 6)
//	TCP ports         all, or those listed (Landlock ABI 4)
//
// # How it is applied
//
// Prepare opens what the policy lists and builds the rule set. Nothing is restricted yet, and every error of the machine
// shows here. Fence.Exec then restricts one thread of the process and executes the program on that thread: the kernel ends
// the other threads at execve and keeps the credentials of the thread that called it. So there is no moment at which the
// program runs without its fence, wherever the process is killed, and a failed execve leaves the rest of the process able to
// report it.
//
// A Shell is the tighter fence that an agent puts around what it runs for its model, inside of its own.
//
// # What it does not do
//
// Modes, times and names of files outside can still be changed or seen (chmod, utime, stat), names and ports of the internet
// are not filtered unless ports are listed, and UDP never is. docs/security.md has the whole table.
package fence
