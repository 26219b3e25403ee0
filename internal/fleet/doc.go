// Package fleet is the supervisor: it turns the world into inputs for life, and carries life's actions out.
//
// Owns: the one loop, the order of intent, act and outcome, the workers, adoption at start.
// Never does: decide what becomes of a task (that is life), or import an edge: cli plugs them into its interfaces.
// Start at: Supervisor.Serve; what it needs of the world is in world.go; each action is a method in hand_*.go.
package fleet
