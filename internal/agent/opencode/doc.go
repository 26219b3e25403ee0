// Package opencode is the adapter for OpenCode.
//
// Owns: its arguments, configuration, plugin, the journal of a conversation, and how a conversation is resumed.
// Never does: write to the user's own configuration of OpenCode, open a port, decide about a task.
// Start at: New; Plan describes a launch, plugin.js runs within the agent, and Hook handles what the plugin reports.
//
// OpenCode has no hooks that start programs. It loads plugins: JavaScript that runs in its own process, gets every event and
// can call the agent's API without a port. The plugin of a launch translates nothing and decides nothing. It calls
// `muster hook opencode EVENT` with the event and does what the answer says.
package opencode
