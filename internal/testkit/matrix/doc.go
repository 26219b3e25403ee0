// Package matrix is the table of what each real agent is tested in: agents, situations, and what came of it.
//
// Owns: the names of agents and situations, the cells that an agent cannot have with the reason, the results of the last run, and
// the section of docs/agents.md that shows them.
// Never does: run an agent.
// Start at: Situations, Exempt, Page.
package matrix
