// Package boot brings a fleet up, takes it down, and replaces the program that runs it.
//
// A fleet has its own tmux server. The keeper runs in the first pane of that server and restarts the supervisor
// whenever it ends. The file "down" in the state directory tells the keeper, verbs and the service that the fleet
// must stay down. Panes and hooks run copies of the program in the state directory. The link "muster" there points to
// the copy that the fleet runs now.
//
// Owns: the down marker, the saved environment, the copies of the program, and the requests to the keeper.
// Never does: supervise, decide about a task, act on a fleet that its caller does not name.
// Start at: Fleet.Up.
package boot
