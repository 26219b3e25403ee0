// Package boot brings a fleet up, takes it down, and has another version of the program take it over.
//
// A fleet has a tmux server of its own. In that server's first pane runs the keeper, which starts the supervisor again
// and again; the file "down" in the state directory tells the keeper, hooks and the service that the fleet is to stay
// down. Panes and hooks run copies of the program that lie in the state directory, and the link "muster" there names
// the copy that the fleet runs now.
//
// Owns: the down marker, the saved environment, the copies of the program, and the requests to the keeper.
// Never does: supervise, or decide anything about a task.
// Start at: Fleet.Up.
package boot
