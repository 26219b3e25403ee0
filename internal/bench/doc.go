// Command bench measures the costs of muster, with the program as it is shipped, real tmux and real git, in private
// fleets below the temporary directory. Next to each figure is its floor: the least that the same work costs on this
// machine in the same run. It leaves no processes and no files behind.
//
//	go run ./internal/bench [-quick] [-run REGEXP]
//
// Owns: the table of docs/performance.md.
// Never does: fail because a target is missed, which the table shows. It is not part of the program.
// Start at: main.go, then measurements.
package main
