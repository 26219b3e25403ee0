// Package agenttest is the conformance suite for adapters: what every kind of agent must do, whoever its vendor.
//
// An adapter's own test describes the agent to the suite as a Subject and calls Run:
//
//	func TestConformance(t *testing.T) {
//		agenttest.Run(t, agenttest.Subject{
//			Adapter: codex.New(),
//			Launch:  newLaunch,     // a launch in directories of its own, with a program that exists
//			Scenes:  scenes,        // calls of its hooks, and the states that they mean
//			Book:    &agenttest.Book{…}, // how the agent writes its own record of a conversation
//		})
//	}
//
// A subject without hooks or without a record of its conversations leaves Scenes or Book out. The suite starts no
// agent: what only the real program can prove is in the adapter's own tests.
//
// Owns: what is demanded of an adapter, and the fuzzing of its hook and parsers.
// Never does: know a vendor, start a process.
// Start at: Run, Subject; docs/adapters.md.
package agenttest
