// Package inside is what an agent may say and ask from within its own shell: that it is done, a note, a question to a
// person, and its checks. Verbs use it, and so may any other front end that runs beside an agent.
//
// Owns: the voice of one generation, known by muster's variables in its environment.
// Never does: speak for another task, decide what a word of the agent means, print.
// Start at: Open, Voice.
package inside
