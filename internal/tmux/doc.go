// Package tmux is the only caller of tmux: one private server per fleet, one control client to it.
//
// Owns: the server's start, configuration and end; sessions, windows and panes; sending text to panes and reading screens.
// Never does: decide what runs in a pane, derive an agent's state from its screen, touch another server.
// Start at: Server.Start for the server, then Server.Connect for the Client that provides everything else.
package tmux
