// Package fleet is the supervisor. It turns observations into inputs for life and carries out life's actions.
//
// Owns: the one loop, the order of intent, action and outcome, the workers, adoption at start.
// Never does: decide about a task (life does), import an edge: daemon implements its interfaces.
// Start at: Supervisor.Serve; world.go has its interfaces; each action is a method in hand_*.go.
package fleet
