// Package service restarts a fleet after a reboot: by a systemd user unit, or by a launchd agent on macOS.
//
// Owns: the text and the paths of unit files, and the only calls of systemctl and launchctl.
// Never does: start agents or tmux; the unit runs muster, which does.
// Start at: Service.
package service
