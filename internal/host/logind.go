package host

import (
	"cmp"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Logind has the settings that decide whether a user's processes outlive the logout.
type Logind struct {
	Present bool // the host was booted with systemd
	Linger  bool // the user's own service manager outlives their logout
	// KillUserProcesses is true if the user's processes are ended at logout. If no file sets it and the compiled
	// default cannot be read, it is true and Unsure is set, because upstream's default is yes.
	KillUserProcesses bool
	Unsure            bool
	Manager           bool // the user's own service manager runs now
	User              string
}

// ReadLogind reads logind's files. It calls no service and never fails: an unreadable file counts as missing.
func ReadLogind() Logind {
	uid := strconv.Itoa(os.Geteuid())
	name := uid
	if u, err := user.LookupId(uid); err == nil {
		name = u.Username
	}
	return logindAt("/", name, uid)
}

// Advice returns the argv to put before the start of the tmux server (nil for none), and a warning for the user (""
// for none).
func (l Logind) Advice() (scope []string, warning string) {
	switch {
	case !l.Present:
		return nil, ""
	case l.Linger && l.Manager:
		return []string{"systemd-run", "--user", "--scope", "--quiet", "--collect", "--"}, ""
	case !l.KillUserProcesses:
		return nil, ""
	}
	what := "logind ends this user's processes at logout (KillUserProcesses)"
	if l.Unsure {
		what = "logind may end this user's processes at logout (KillUserProcesses is not set anywhere)"
	}
	if l.Linger {
		return nil, what + ", and the user's service manager, which would keep them, does not run: " +
			"log in once, or run: systemctl start user@" + strconv.Itoa(os.Geteuid())
	}
	return nil, what + "; to keep agents running, run: loginctl enable-linger " + l.User
}

// RuntimeDir returns the directory of this user's service manager, which login shells have in XDG_RUNTIME_DIR. Programs that
// were started by su, sudo or cron lack the variable, and systemd-run does not find the manager without it.
func RuntimeDir() string { return filepath.Join("/run/user", strconv.Itoa(os.Geteuid())) }

// logindAt is ReadLogind with all paths below root.
func logindAt(root, name, uid string) Logind {
	l := Logind{
		Present: exists(root, "run/systemd/system"),
		Linger:  exists(root, "var/lib/systemd/linger", name),
		Manager: exists(root, "run/user", uid, "systemd/private") || exists(root, "run/user", uid, "bus"),
		User:    name,
	}
	if !l.Present {
		return l
	}
	conf := logindConf(root)
	kill, set := conf["KillUserProcesses"]
	l.KillUserProcesses = !set || isYes(kill)
	l.Unsure = !set
	if only := strings.Fields(conf["KillOnlyUsers"]); len(only) > 0 && !slices.Contains(only, name) {
		l.KillUserProcesses, l.Unsure = false, false
	}
	if slices.Contains(strings.Fields(cmp.Or(conf["KillExcludeUsers"], "root")), name) {
		l.KillUserProcesses, l.Unsure = false, false
	}
	return l
}

// confDirs returns the directories of logind's configuration, in order of precedence.
func confDirs() []string {
	return []string{"etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd", "lib/systemd"}
}

// logindConf returns the effective values: the first main file, then the drop-ins in the order of their names; of
// drop-ins with one name only the first counts. The main file of a distribution has the compiled defaults as
// comments; they are used for values that are not set.
func logindConf(root string) map[string]string {
	values := map[string]string{}
	for _, dir := range slices.Backward(confDirs()) {
		b, err := os.ReadFile(filepath.Join(root, dir, "logind.conf"))
		if err == nil {
			readConf(b, values, true)
		}
	}
	for _, dir := range confDirs() {
		b, err := os.ReadFile(filepath.Join(root, dir, "logind.conf"))
		if err == nil {
			readConf(b, values, false)
			break
		}
	}
	dropins := map[string]string{}
	for _, dir := range slices.Backward(confDirs()) {
		files, _ := filepath.Glob(filepath.Join(root, dir, "logind.conf.d", "*.conf"))
		for _, f := range files {
			dropins[filepath.Base(f)] = f
		}
	}
	for _, base := range slices.Sorted(maps.Keys(dropins)) {
		if b, err := os.ReadFile(dropins[base]); err == nil {
			readConf(b, values, false)
		}
	}
	return values
}

// readConf adds the assignments of the [Login] section, either the set ones or the commented ones.
func readConf(b []byte, values map[string]string, commented bool) {
	section := ""
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
			continue
		}
		line, comment := strings.CutPrefix(line, "#")
		key, value, ok := strings.Cut(line, "=")
		if ok && section == "[Login]" && comment == commented {
			values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
}

// isYes parses a boolean as systemd does.
func isYes(s string) bool {
	switch strings.ToLower(s) {
	case "1", "yes", "y", "true", "t", "on":
		return true
	}
	return false
}

func exists(elem ...string) bool {
	_, err := os.Stat(filepath.Join(elem...))
	return err == nil
}
