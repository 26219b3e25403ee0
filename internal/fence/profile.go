package fence

import (
	"fmt"
	"strings"
)

// profileHead is the part of the profile for macOS that does not depend on the policy. The services of its list are those
// without which programs cannot look up users, names of hosts and certificates.
const profileHead = `(version 1)
(deny default)
(allow process-exec process-fork)
(allow process-info* (target same-sandbox))
(allow signal (target same-sandbox))
(allow sysctl-read)
(allow file-read-metadata)
(allow user-preference-read)
(allow ipc-posix-sem)
(allow pseudo-tty)
(allow file-ioctl (regex #"^/dev/(tty|ptmx|null|zero)"))
(allow system-socket (require-all (socket-domain AF_SYSTEM) (socket-protocol 2)))
(allow mach-lookup
  (global-name "com.apple.trustd")
  (global-name "com.apple.trustd.agent")
  (global-name "com.apple.SystemConfiguration.configd")
  (global-name "com.apple.SystemConfiguration.DNSConfiguration")
  (global-name "com.apple.system.opendirectoryd.libinfo")
  (global-name "com.apple.system.opendirectoryd.membership")
  (global-name "com.apple.system.notification_center")
  (global-name "com.apple.bsd.dirhelper")
  (global-name "com.apple.logd"))
(allow file-read* (literal "/"))
`

// profile returns the profile of sandbox-exec for a policy. isDir reports whether a path is a directory; a path that does not
// exist is left out.
func profile(p Policy, isDir func(path string) (dir, exists bool)) (text string, a Applied) {
	var b strings.Builder
	b.WriteString(profileHead)
	filter := func(path string) string {
		dir, exists := isDir(path)
		switch {
		case !exists:
			return ""
		case dir:
			return "(subpath " + quote(path) + ")"
		}
		return "(literal " + quote(path) + ")"
	}
	for _, path := range p.Read {
		if f := filter(path); f != "" {
			fmt.Fprintf(&b, "(allow file-read* process-exec* file-map-executable %s)\n", f)
			a.Read++
		}
	}
	for _, path := range p.Write {
		if f := filter(path); f != "" {
			fmt.Fprintf(&b, "(allow file-read* file-write* file-ioctl process-exec* file-map-executable %s)\n", f)
			a.Write++
		}
	}
	b.WriteString("(allow network-bind (local ip))\n(allow network-inbound (local ip))\n")
	if p.Ports == nil {
		b.WriteString("(allow network-outbound (remote ip))\n")
	} else {
		b.WriteString("(allow network-outbound (remote udp))\n")
	}
	for _, port := range p.Ports {
		fmt.Fprintf(&b, "(allow network-outbound (remote tcp \"*:%d\"))\n", port)
	}
	// Names of hosts are asked for through this socket.
	b.WriteString("(allow network-outbound (literal \"/private/var/run/mDNSResponder\"))\n")
	if p.Unix {
		b.WriteString("(allow network* (local unix-socket) (remote unix-socket))\n")
	}
	return b.String(), a
}

// quote writes a path as a string of the profile's language.
func quote(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(path) + `"`
}
