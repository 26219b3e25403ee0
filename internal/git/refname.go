package git

import (
	"strings"

	"muster/internal/fault"
)

// branchRef returns the full name of a branch, by the rules of git check-ref-format --branch. Anything else, above
// all a name that looks like a flag, is a fault.Usage. The rules are implemented here to save a process per task.
func branchRef(branch string) (string, error) {
	if branch == "HEAD" || strings.HasPrefix(branch, "-") || strings.HasPrefix(branch, "refs/") || !validRef(branch) {
		return "", fault.New(fault.Usage, "%q cannot be the name of a branch", branch)
	}
	return "refs/heads/" + branch, nil
}

// privateRef returns an error unless ref is one of muster's own.
func privateRef(ref string) error {
	if !strings.HasPrefix(ref, privatePrefix) || !validRef(ref) {
		return fault.New(fault.Usage, "%q is not a ref below %s", ref, privatePrefix)
	}
	return nil
}

// Prefixes of private refs, which git does not push or list by default.
const (
	privatePrefix = "refs/muster/"
	keepPrefix    = privatePrefix + "keep/"
)

// keepDir returns the prefix of the refs that hold the kept states of a task.
func keepDir(task string) (string, error) {
	if strings.Contains(task, "/") || !validRef(task) {
		return "", fault.New(fault.Usage, "%q cannot name kept work", task)
	}
	return keepPrefix + task + "/", nil
}

// validRef reports whether name follows git's rules for a ref of one or more components.
func validRef(name string) bool {
	if name == "" || name == "@" || strings.HasSuffix(name, ".") || strings.Contains(name, "..") ||
		strings.Contains(name, "@{") || strings.ContainsAny(name, " ~^:?*[\\\x7f") {
		return false
	}
	for _, c := range []byte(name) {
		if c < ' ' {
			return false
		}
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

// revision returns an error if git would not read rev as a revision.
func revision(rev string) error {
	if rev == "" || strings.HasPrefix(rev, "-") || strings.ContainsAny(rev, "\x00\n") {
		return fault.New(fault.Usage, "%q is not the name of a revision", rev)
	}
	return nil
}
