// Package inside is what an agent can do from its own shell: report that it is done, report progress, ask a person,
// and run its checks. Verbs use it, and so may other front ends that run beside an agent.
//
// Owns: the access of one generation to muster, found by muster's variables in the environment.
// Never does: act for another task, decide what a report of the agent leads to, print.
// Start at: Open, Voice.
package inside
