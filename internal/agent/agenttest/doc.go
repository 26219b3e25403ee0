// Package agenttest is the conformance suite for adapters: the requirements for every kind of agent.
//
// An adapter's own test describes the agent to the suite as a Subject and calls Run:
//
//	func TestConformance(t *testing.T) {
//		agenttest.Run(t, agenttest.Subject{
//			Adapter: codex.New(),
//			Launch:  newLaunch,     // a launch in directories of its own, with a program that exists
//			Scenes:  scenes,        // calls of its hooks, and the states that they report
//			Book:    &agenttest.Book{…}, // writes a conversation's record as the agent does
//		})
//	}
//
// A subject without hooks has no Scenes, and one without a record of its conversations has no Book. The suite starts
// no agent: requirements that only the real program can show are tested by the adapter's own tests.
//
// Owns: the requirements for an adapter, and the fuzzing of its hook and parsers.
// Never does: name a vendor, start a process.
// Start at: Run, Subject; docs/adapters.md.
package agenttest
