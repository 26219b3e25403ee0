package git

import (
	"strings"

	"muster/internal/fault"
)

// branchRef is the full name of a branch after the rules of git check-ref-format --branch; anything else, above
// all what could be taken for a flag, is a fault.Usage. The rules are applied here to save a process per task.
func branchRef(branch string) (string, error) {
	if branch == "HEAD" || strings.HasPrefix(branch, "-") || strings.HasPrefix(branch, "refs/") || !validRef(branch) {
		return "", fault.New(fault.Usage, "%q cannot be the name of a branch", branch)
	}
	return "refs/heads/" + branch, nil
}

// privateRef makes sure that a ref is one of muster's own.
func privateRef(ref string) error {
	if !strings.HasPrefix(ref, privatePrefix) || !validRef(ref) {
		return fault.New(fault.Usage, "%q is not a ref below %s", ref, privatePrefix)
	}
	return nil
}

// Private refs: nobody pushes or lists them by accident.
const (
	privatePrefix = "refs/muster/"
	keepPrefix    = privatePrefix + "keep/"
)

// keepDir is where the kept states of a task lie.
func keepDir(task string) (string, error) {
	if strings.Contains(task, "/") || !validRef(task) {
		return "", fault.New(fault.Usage, "%q cannot name kept work", task)
	}
	return keepPrefix + task + "/", nil
}

// validRef are the rules of gitrevisions for a name of one or more components.
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

// revision refuses what git would not take as the name of a revision but as something else.
func revision(rev string) error {
	if rev == "" || strings.HasPrefix(rev, "-") || strings.ContainsAny(rev, "\x00\n") {
		return fault.New(fault.Usage, "%q is not the name of a revision", rev)
	}
	return nil
}
