// Package tmux is the only caller of tmux: one private server per fleet, one control client to it.
//
// Owns: the server's start, configuration and end; sessions, windows and panes; text into panes and screens out of them.
// Never does: decide what runs in a pane, read an agent's state off its screen, or touch another server.
// Start at: Server.Start for the server, Server.Connect for the Client that everything else goes through.
package tmux
