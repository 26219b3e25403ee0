// Package service makes a fleet come back after a reboot: a systemd user unit, or a launchd agent on macOS.
//
// Owns: the text of unit files, where they lie, and the only calls of systemctl and launchctl.
// Never does: start agents or tmux; the unit runs muster, which does.
// Start at: Service.
package service
