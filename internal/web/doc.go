// Package web is `muster web`: the fleet as a page for one person, and a JSON API for programs, on loopback or on a Unix socket.
//
// Owns: who is let in, what a page shows, what is sent to it while it is open, and the routes of the API with their document.
// Never does: decide anything, start a program, take a command line from a page, or press a key in an agent's terminal.
// Start at: New, Server.Handler, guard; operations for the API.
package web
