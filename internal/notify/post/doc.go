// Package post sends notices: it follows the log for the rules of package notify, and delivers messages through ntfy, the
// desktop, webhooks and commands.
//
// Owns: HTTP requests to receivers of notices, the programs that show one on a desktop, the events of notices.
// Never does: decide what is told, log an address, a topic or a token.
// Start at: Service.Serve, New.
package post
