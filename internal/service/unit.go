package service

import (
	"encoding/xml"
	"fmt"
	"os"
	"strings"

	"muster/internal/environ"
)

// unit is the systemd user unit. Its process only waits: it brings the fleet up and sleeps until the keeper is
// gone. KillMode=process ends that process alone, so that stopping the service leaves tmux and the agents
// running, whether or not they have a scope of their own.
func (s Service) unit() string {
	return fmt.Sprintf(`# Written by muster service install; uninstall removes it.
[Unit]
Description=muster: a fleet of coding agents (%s)
Documentation=man:tmux(1)
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=exec
Environment=%s
ExecStart=%s service run
KillMode=process
Restart=on-failure
RestartSec=5

[Install]
WantedBy=default.target
`, specifier(string(s.Home)), quote(environ.Home+"="+string(s.Home)), quote(s.Program))
}

// quote makes one word of a unit file's command line (systemd.syntax(7)): in double quotes, with specifiers and
// the expansion of variables switched off.
func quote(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(word) + `"`
}

// specifier makes plain text of a unit file's value.
func specifier(text string) string { return strings.ReplaceAll(text, "%", "%%") }

func (s Service) installCommands() [][]string {
	if s.Manager == Launchd {
		return [][]string{{"launchctl", "bootstrap", s.domain(), s.Path()}}
	}
	unit := s.Name() + ".service"
	return [][]string{{"systemctl", "--user", "daemon-reload"}, {"systemctl", "--user", "enable", unit}, {"systemctl", "--user", "restart", unit}}
}

func (s Service) uninstallCommands() [][]string {
	if s.Manager == Launchd {
		return [][]string{{"launchctl", "bootout", s.domain() + "/" + s.label()}}
	}
	return [][]string{{"systemctl", "--user", "disable", "--now", s.Name() + ".service"}}
}

func (s Service) lookCommand() []string {
	if s.Manager == Launchd {
		return []string{"launchctl", "print", s.domain() + "/" + s.label()}
	}
	return []string{"systemctl", "--user", "is-active", s.Name() + ".service"}
}

func (s Service) domain() string { return fmt.Sprintf("gui/%d", os.Getuid()) }

func (s Service) label() string { return "org." + s.Name() }

// plist is the launchd agent: the same process, restarted when it fails, its children left alone.
func (s Service) plist() string {
	text := func(v string) string {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(v)) // a builder never fails
		return b.String()
	}
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- Written by muster service install; uninstall removes it. -->
<plist version="1.0">
<dict>
	<key>Label</key><string>%s</string>
	<key>ProgramArguments</key><array><string>%s</string><string>service</string><string>run</string></array>
	<key>EnvironmentVariables</key><dict><key>MUSTER_HOME</key><string>%s</string></dict>
	<key>RunAtLoad</key><true/>
	<key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
	<key>ThrottleInterval</key><integer>5</integer>
	<key>AbandonProcessGroup</key><true/>
</dict>
</plist>
`, text(s.label()), text(s.Program), text(string(s.Home)))
}
