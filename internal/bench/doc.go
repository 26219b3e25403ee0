// Command bench measures what muster costs, with the program as it is shipped, real tmux and real git, in private
// fleets below the temporary directory. Next to each figure stands its floor: the least that the same work costs on
// this machine in the same run. It leaves nothing running and nothing behind.
//
//	go run ./internal/bench [-quick] [-run REGEXP]
//
// Owns: the table of docs/performance.md.
// Never does: fail because a target is missed; that is what the column says. It is no part of the program.
// Start at: main.go, then measurements.
package main
