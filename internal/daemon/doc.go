// Package daemon is the process of one supervisor. It opens what the fleet needs, implements the interfaces of
// package fleet with the packages that own tmux, git, status files and the machine, and serves until the fleet is
// down.
//
// Owns: the supervisor's lock, its log file and its heartbeat, and the adapters to the interfaces of fleet.
// Never does: decide the next step of a task, print for people.
// Start at: Serve.
package daemon
