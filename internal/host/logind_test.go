package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAdviceFollowsLogind(t *testing.T) {
	t.Parallel()
	const (
		yes = "[Login]\nKillUserProcesses = yes\n"
		no  = "[Login]\nKillUserProcesses=no\n"
	)
	for _, c := range []struct {
		name  string
		files map[string]string
		scope bool
		warn  string
	}{
		{"no systemd", map[string]string{"etc/systemd/logind.conf": yes}, false, ""},
		{"linger on", map[string]string{"run/systemd/system/x": "", "var/lib/systemd/linger/ann": "", "run/user/7/bus": "", "etc/systemd/logind.conf": yes}, true, ""},
		{"linger on, nothing is killed", map[string]string{"run/systemd/system/x": "", "var/lib/systemd/linger/ann": "", "run/user/7/systemd/private": "", "etc/systemd/logind.conf": no}, true, ""},
		{"linger on, no manager", map[string]string{"run/systemd/system/x": "", "var/lib/systemd/linger/ann": "", "etc/systemd/logind.conf": yes}, false, "does not run"},
		{"linger off, nothing is killed", map[string]string{"run/systemd/system/x": "", "run/user/7/bus": "", "etc/systemd/logind.conf": no}, false, ""},
		{"linger off, killed", map[string]string{"run/systemd/system/x": "", "run/user/7/bus": "", "etc/systemd/logind.conf": yes}, false, "loginctl enable-linger ann"},
		{"compiled default is no", map[string]string{"run/systemd/system/x": "", "usr/lib/systemd/logind.conf": "[Login]\n#KillUserProcesses=no\n"}, false, ""},
		{"compiled default is yes", map[string]string{"run/systemd/system/x": "", "etc/systemd/logind.conf": "[Login]\n#KillUserProcesses=yes\n"}, false, "ends this"},
		{"nothing is said", map[string]string{"run/systemd/system/x": "", "etc/systemd/logind.conf": "[Other]\nKillUserProcesses=no\n"}, false, "may end"},
		{"drop-in wins", map[string]string{"run/systemd/system/x": "", "etc/systemd/logind.conf": yes, "usr/lib/systemd/logind.conf.d/50.conf": no}, false, ""},
		{"later drop-in wins", map[string]string{"run/systemd/system/x": "", "etc/systemd/logind.conf.d/10.conf": no, "usr/lib/systemd/logind.conf.d/50.conf": yes}, false, "ends this"},
		{"a drop-in of /etc hides its namesake", map[string]string{"run/systemd/system/x": "", "etc/systemd/logind.conf.d/50.conf": no, "usr/lib/systemd/logind.conf.d/50.conf": yes}, false, ""},
		{"excluded", map[string]string{"run/systemd/system/x": "", "etc/systemd/logind.conf": yes + "KillExcludeUsers=root ann\n"}, false, ""},
		{"only others", map[string]string{"run/systemd/system/x": "", "etc/systemd/logind.conf": yes + "KillOnlyUsers=bob\n"}, false, ""},
	} {
		root := t.TempDir()
		for name, text := range c.files {
			p := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		scope, warning := logindAt(root, "ann", "7").Advice()
		if (len(scope) > 0) != c.scope || (warning == "") != (c.warn == "") || !strings.Contains(warning, c.warn) {
			t.Errorf("%s: Advice = %q, %q", c.name, scope, warning)
		}
	}
	if l := ReadLogind(); l.User == "" {
		t.Error("ReadLogind names no user")
	}
}
