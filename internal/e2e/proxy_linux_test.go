package e2e

import (
	"slices"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/testkit/hub"
)

// TestAPullRequestThroughTheProxyOfACompany has no other way to the forge than a proxy that wants a login, and TLS with certificates
// of an authority that only the environment of the user names. The real gh and git go that way, for the supervisor and for dispatch.
// The password of the proxy is in no command line, event, log or message, and in no file but the saved environment. It runs on Linux
// only, since gh on macOS asks the keychain for authorities.
func TestAPullRequestThroughTheProxyOfACompany(t *testing.T) {
	t.Parallel()
	f, h := newHub(t)
	p := h.Behind(f.root + "/home")
	f.usesForge()
	for name, value := range map[string]string{
		"HTTPS_PROXY": p.URL, "NO_PROXY": "127.0.0.1,localhost", "SSL_CERT_FILE": p.Authority, "GIT_SSL_CAINFO": p.Authority,
	} {
		f.withVar(name, value)
	}
	f.pushesToHub()
	shown := map[string]bool{}
	p.Watch(func() { // what wants a tunnel is alive, and so is what started it
		for _, seen := range f.processes() {
			if line := strings.Join(seen.argv, " "); strings.Contains(line, hub.ProxyPassword) {
				shown[line] = true
			}
		}
	})
	id := f.dispatch("write a.txt <<good\ndone", "--publish", "pr")
	f.reaches(id, event.InReview)
	h.Change(widget, 1, func(p *hub.Pull) { p.State = "MERGED" })
	f.reaches(id, event.Done)
	p.Watch(nil)
	for line := range shown {
		t.Errorf("a command line has the password of the proxy: %s", line)
	}
	tunnels, _ := p.Tunnels()
	for _, to := range []string{hub.Host + ":443", "api." + hub.Host + ":443"} {
		if !slices.Contains(tunnels, to) {
			t.Errorf("nothing went to %s: %v", to, tunnels)
		}
	}
	if n := len(h.Pulls(widget)); n != 1 {
		t.Errorf("%d pull requests, want 1", n)
	}
	if n := len(h.Pushes(widget)); n != 2 { // main, and the branch
		t.Errorf("%d updates on the server, want 2: %v", n, h.Pushes(widget))
	}
	f.untold(id, hub.ProxyPassword)
	f.nowhere(hub.ProxyPassword)
}
