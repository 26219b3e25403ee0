package agenttest

import (
	"testing"

	"muster/internal/agent"
	"muster/internal/event"
)

// Subject is an adapter under test and what the suite needs to know about its agent.
type Subject struct {
	Adapter agent.Adapter
	// Launch returns the first generation of a task in new directories of t. Its spec passes Check, and its program
	// can be found. It has a Prompt, a Conversation, a Preamble and no Messages.
	Launch func(t *testing.T) agent.Launch
	// Scenes are calls of the hooks with their expected records. They also seed the fuzzing of Hook.
	Scenes []Scene
	// Exits are the exit statuses other than 0 that mean something to the agent.
	Exits []int
	// Book writes the agent's own record of a conversation; nil if the kind keeps none.
	Book *Book
	// Session returns the agent's own id of a launch's conversation; nil if it is Launch.Conversation.
	Session func(l agent.Launch) string
}

// Scene is a sequence of hook calls of one generation.
type Scene struct {
	Name  string
	Calls []Call
	// Play runs the generation instead, for a kind whose program writes the records itself. getenv has the variables of the launch.
	Play func(t *testing.T, l agent.Launch, getenv func(string) string)
	// Want are the states of the records that the calls write, in order. The last one is the state of the agent.
	Want []event.RecordState
}

// Call is one call of a hook.
type Call struct{ Event, Payload string }

// Book writes the record of a conversation as the agent itself does.
type Book struct {
	// Open writes what exists before the agent took its first prompt.
	Open func(t *testing.T, l agent.Launch)
	// Take writes that a prompt became part of the conversation.
	Take func(t *testing.T, l agent.Launch, prompt string)
	// Queue writes that a prompt waits in the agent's memory; nil if the agent does not record that.
	Queue func(t *testing.T, l agent.Launch, prompt string)
	// Quote writes that a tool put a text into the conversation; nil if the record has no such entries.
	Quote func(t *testing.T, l agent.Launch, text string)
}
