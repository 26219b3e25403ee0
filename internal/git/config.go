package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/text"
)

// setting is one entry of a git configuration.
type setting struct {
	Key   string  // section.name or section.subsection.name
	Value *string // nil is a name without a value, which means true
}

// same reports whether two entries are equal.
func (s setting) same(o setting) bool {
	return s.Key == o.Key && (s.Value == nil) == (o.Value == nil) && (s.Value == nil || *s.Value == *o.Value)
}

// hasSub reports whether the key has a subsection, which may be empty.
func (s setting) hasSub() bool { return strings.Count(s.Key, ".") > 1 }

// name returns the section, the subsection ("" for none) and the last part of the key. Section and last part are in
// lower case, as git lists them.
func (s setting) name() (section, sub, name string) {
	section, rest, _ := strings.Cut(s.Key, ".")
	if i := strings.LastIndexByte(rest, '.'); i >= 0 {
		return section, rest[:i], rest[i+1:]
	}
	return section, "", rest
}

// readings is what one git config --list found.
type readings struct {
	user     []setting // of the system and of the user, with what they include
	local    []setting // of the repository
	worktree []setting // of the checkout alone
	origins  []string  // files of the user that were read
}

// configuration lists the configuration as it applies to the repository. It is the one call that opens the
// repository's own, and git config --list runs no program, whatever it says.
func (r *Reader) configuration(ctx context.Context) (readings, error) {
	var found readings
	gitDir := r.Common
	if r.rootDir != "" && exists(r.rootDir) {
		gitDir = r.rootDir
	}
	for _, name := range []string{"config", "config.worktree"} {
		if path := filepath.Join(r.Common, name); isOdd(path) {
			return found, oddFile("config", path)
		}
	}
	out, err := r.git(ctx, call{
		args:   []string{"config", "--list", "-z", "--show-scope", "--show-origin", "--includes"},
		native: r.Common, env: []string{"GIT_DIR=" + gitDir, "GIT_COMMON_DIR=" + r.Common},
	})
	if err != nil {
		return found, fault.Wrap(fault.Failed, err, "read the configuration of %s", r.Common).
			WithHint("Look what is wrong there: git --git-dir %s config --list --show-origin", text.Quote(r.Common))
	}
	parts := fields(out)
	for ; len(parts) >= 3; parts = parts[3:] {
		scope, origin, entry := parts[0], parts[1], parts[2]
		key, value, hasValue := strings.Cut(entry, "\n")
		s := setting{Key: key}
		if hasValue {
			s.Value = &value
		}
		switch scope {
		case "system", "global":
			file := strings.TrimPrefix(origin, "file:")
			if !slices.Contains(found.origins, file) {
				found.origins = append(found.origins, file)
			}
			// A file in the repository or in a worktree is not the user's: agents write there.
			if section, _, _ := s.name(); r.writable(file) || slices.Contains(notOfUsers, section) {
				continue
			}
			found.user = append(found.user, s)
		case "local":
			found.local = append(found.local, s)
		case "worktree":
			found.worktree = append(found.worktree, s)
		}
	}
	return found, nil
}

// writable reports whether a file lies where agents write: in the repository or below the directory of worktrees.
func (r *Reader) writable(file string) bool {
	real := realPath(file)
	return inside(realPath(r.Common), real) || r.under != "" && inside(realPath(r.under), real)
}

// fingerprint describes the state of the files that the user's configuration is read from.
func (r *Reader) fingerprint() string {
	home, xdg := environ.Get(r.env, "HOME"), environ.Get(r.env, "XDG_CONFIG_HOME")
	if xdg == "" {
		xdg = filepath.Join(home, ".config")
	}
	files := []string{filepath.Join(home, ".gitconfig"), filepath.Join(xdg, "git", "config"), "/etc/gitconfig"}
	if own := environ.Get(r.env, "GIT_CONFIG_GLOBAL"); own != "" {
		files[0] = own
	}
	var b strings.Builder
	for _, file := range slices.Concat(files, r.view.read.origins) {
		if st, err := os.Stat(file); err == nil {
			_, _ = fmt.Fprintln(&b, file, st.ModTime().UnixNano(), st.Size())
		}
	}
	if frozen, err := os.Stat(frozenFile(r.viewDir())); err == nil { // another process may have frozen it again
		_, _ = fmt.Fprintln(&b, frozen.ModTime().UnixNano(), frozen.Size())
	}
	return b.String()
}

// notOfUsers are sections of the user's configuration that a view does not take: what they say about a repository's
// place and format is not about this one, and includes were followed.
var notOfUsers = []string{"include", "includeif", "extensions", "safe"}

// escapeQuoted escapes a text that stands in quotes in a file of git, and escapeValue a quoted value of a configuration.
var (
	escapeQuoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	escapeValue  = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\b", `\b`)
)

// renderConfig writes settings as a configuration file.
func renderConfig(lists ...[]setting) string {
	var b strings.Builder
	b.WriteString("# Written by muster. git's own commands for muster read this file and not the repository's.\n")
	for _, list := range lists {
		for _, s := range list {
			section, sub, name := s.name()
			switch {
			case section == "" || name == "" || strings.ContainsAny(sub, "\n\x00"):
				continue
			case s.hasSub():
				b.WriteString("[" + section + ` "` + escapeQuoted.Replace(sub) + "\"]\n")
			default:
				b.WriteString("[" + section + "]\n")
			}
			b.WriteString("\t" + name)
			if s.Value != nil {
				b.WriteString(` = "` + escapeValue.Replace(*s.Value) + `"`)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// plainSettings reads from the configuration of a repository inside a worktree what decides how its objects and files
// are read. No git reads the file.
func plainSettings(common string) []setting {
	format, bare := "0", "false"
	found := []setting{{Key: "core.repositoryformatversion", Value: &format}, {Key: "core.bare", Value: &bare}}
	b, err := readSmall(filepath.Join(common, "config"))
	if err != nil {
		return found
	}
	section := ""
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if inner, ok := strings.CutPrefix(line, "["); ok {
			inner, _, _ = strings.Cut(inner, "]")
			section = strings.ToLower(strings.TrimSpace(inner))
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.ToLower(strings.TrimSpace(value))
		if !ok || strings.Trim(value, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			continue
		}
		switch key := section + "." + name; key {
		case "extensions.objectformat", "extensions.refstorage":
			format = "1"
			found = append(found, setting{Key: key, Value: &value})
		case "core.filemode", "core.symlinks", "core.ignorecase", "core.precomposeunicode", "core.autocrlf", "core.eol":
			found = append(found, setting{Key: key, Value: &value})
		}
	}
	return found
}

// namesProgram reports whether a setting of a repository names a program, or a place that git sends to or takes from.
func namesProgram(s setting) bool {
	section, sub, name := s.name()
	switch section {
	case "filter", "lfs", "credential", "url", "http", "protocol", "ssh":
		return true
	case "core":
		return name == "sshcommand" || name == "gitproxy"
	case "remote":
		return sub != "" && slices.Contains([]string{"url", "pushurl", "uploadpack", "receivepack", "vcs", "proxy", "proxyauthmethod"}, name)
	}
	return false
}

// contentOfCore are the settings in core that decide how files become objects and how they are compared.
var contentOfCore = []string{
	"autocrlf", "eol", "safecrlf", "filemode", "symlinks", "ignorecase", "precomposeunicode", "protecthfs", "protectntfs",
	"sparsecheckout", "sparsecheckoutcone", "bigfilethreshold", "compression", "loosecompression", "trustctime", "checkstat",
	"checkroundtripencoding", "sharedrepository", "whitespace", "excludesfile", "attributesfile", "logallrefupdates",
}

// isContent reports whether a setting of a repository is data that its tasks go on with.
func isContent(s setting) bool {
	section, sub, name := s.name()
	switch section {
	case "core":
		return sub == "" && slices.Contains(contentOfCore, name)
	case "extensions":
		return slices.Contains([]string{"objectformat", "refstorage", "partialclone", "preciousobjects", "noop"}, name)
	case "submodule":
		return name == "ignore" || name == "active" || name == "url"
	case "sparse":
		return true
	case "index":
		return name == "sparse"
	}
	return isTracking(s)
}

// isTracking reports whether a setting says which branches follow which. It is never stale: a person adds branches and
// remotes at any time.
func isTracking(s setting) bool {
	section, sub, name := s.name()
	if section == "remote" && name == "fetch" && (s.Value == nil || !strings.Contains(*s.Value, ":refs/remotes/")) {
		return false // a fetch of muster's changes no branch, whatever an agent says
	}
	return (section == "branch" || section == "remote") && sub != "" && !namesProgram(s)
}

// ownSettings returns the format of the view and what belongs to its place.
func (r *Reader) ownSettings(f frozen) []setting {
	format := "0"
	if slices.ContainsFunc(f.Content, func(s setting) bool { return strings.HasPrefix(s.Key, "extensions.") }) {
		format = "1"
	}
	bare, storage := "false", filepath.Join(r.Common, "lfs")
	return []setting{
		{Key: "core.repositoryformatversion", Value: &format},
		{Key: "core.bare", Value: &bare},
		{Key: "lfs.storage", Value: &storage}, // git-lfs would keep its objects in the view
	}
}
