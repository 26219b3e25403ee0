package service

import (
	"encoding/xml"
	"fmt"
	"os"
	"strings"

	"muster/internal/environ"
)

// unit returns the systemd user unit. Its process brings the fleet up and waits until the keeper is gone. With
// KillMode=process only that process ends, so that tmux and the agents outlive a stop of the service, whether or not
// they have a scope of their own.
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

// quote returns one word of a unit file's command line (systemd.syntax(7)): in double quotes, with specifiers and
// variables escaped.
func quote(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(word) + `"`
}

// specifier escapes plain text for a unit file's value.
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

// plist returns the launchd agent: the same process, restarted after a failure, with its children left alone.
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
