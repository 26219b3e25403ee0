package tmux

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"muster/internal/fault"
	"muster/internal/run"
)

// Version is a release of tmux, such as 3.3a.
type Version struct {
	Major, Minor int
	Suffix       string // "a", "-rc"; "master" for a build that names no release
}

// oldest is the first release with everything that muster uses.
var oldest = Version{Major: 3, Minor: 2}

// ParseVersion reads what `tmux -V` or #{version} says: "tmux 3.3a", "3.4", "tmux next-3.8", "master".
func ParseVersion(text string) (Version, error) {
	s := strings.TrimSpace(text)
	s = s[strings.LastIndexByte(s, ' ')+1:] // before it the program calls itself by the name it was run under
	if s == "master" {
		return Version{Major: 99, Suffix: s}, nil
	}
	s = strings.TrimPrefix(strings.TrimPrefix(s, "next-"), "openbsd-")
	major, rest, _ := strings.Cut(s, ".")
	end := len(rest)
	for i, r := range rest {
		if r < '0' || r > '9' {
			end = i
			break
		}
	}
	v := Version{Suffix: rest[end:]}
	var err, err2 error
	v.Major, err = strconv.Atoi(major)
	v.Minor, err2 = strconv.Atoi(rest[:end])
	if err != nil || err2 != nil {
		return Version{}, fmt.Errorf("not a version of tmux: %q", text)
	}
	return v, nil
}

// String returns the version as tmux writes it.
func (v Version) String() string {
	if v.Suffix == "master" {
		return v.Suffix
	}
	return fmt.Sprintf("%d.%d%s", v.Major, v.Minor, v.Suffix)
}

// Less reports whether v was released before w; candidates ("-rc") come before their release.
func (v Version) Less(w Version) bool {
	if v.Major != w.Major {
		return v.Major < w.Major
	}
	if v.Minor != w.Minor {
		return v.Minor < w.Minor
	}
	candidate := strings.HasPrefix(v.Suffix, "-")
	if candidate != strings.HasPrefix(w.Suffix, "-") {
		return candidate
	}
	return v.Suffix < w.Suffix
}

// Preflight finds tmux on the PATH of env. A missing or too old one is fault.Conflict with what was found
// and how to install it.
func Preflight(ctx context.Context, env []string) (Version, error) {
	path, err := run.LookPath("tmux", env)
	if err != nil {
		return Version{}, fault.Wrap(fault.Conflict, err, "tmux is not installed").WithHint("%s", installHint(env))
	}
	v, err := versionOf(ctx, path, env)
	if err != nil {
		return Version{}, err
	}
	if v.Less(oldest) {
		return v, fault.New(fault.Conflict, "tmux %s at %s is too old: muster needs %s or later", v, path, oldest).
			WithHint("%s", installHint(env))
	}
	return v, nil
}

// versionOf asks a tmux program for its version; no server is involved.
func versionOf(ctx context.Context, path string, env []string) (Version, error) {
	res, err := run.Do(ctx, run.Cmd{Argv: []string{path, "-V"}, Dir: "/", Env: env, Timeout: CallTimeout})
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return Version{}, err
		}
		return Version{}, fault.Wrap(fault.Conflict, err, "tmux at %s does not run", path)
	}
	v, err := ParseVersion(string(res.Stdout))
	if err != nil {
		return Version{}, fault.Wrap(fault.Conflict, err, "%s does not seem to be tmux", path)
	}
	return v, nil
}

// installHint is the one command for this machine.
func installHint(env []string) string {
	for _, m := range []struct{ program, command string }{
		{"apt-get", "sudo apt-get install tmux"},
		{"dnf", "sudo dnf install tmux"},
		{"pacman", "sudo pacman -S tmux"},
		{"brew", "brew install tmux"},
	} {
		if _, err := run.LookPath(m.program, env); err == nil {
			return "Install it: " + m.command
		}
	}
	return "Install tmux " + oldest.String() + " or later with the package manager of this machine."
}
