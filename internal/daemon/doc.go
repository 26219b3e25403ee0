// Package daemon is the process of one supervisor: it opens what the fleet needs, connects the packages that know
// tmux, git, status files and the machine to the interfaces of package fleet, and serves until the fleet is down.
//
// Owns: the supervisor's lock, its log file and its heartbeat, and the adapters in this package.
// Never does: decide what becomes of a task, or print for people.
// Start at: Serve.
package daemon
