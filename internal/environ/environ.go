package environ

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"muster/internal/fault"
	"muster/internal/regular"
	"muster/internal/replace"
)

// allowed are the variables that every launch takes from the environment which the fleet was started with
// (design section 9), besides those of the network (IsNetwork); a name that ends in * stands for all that begin so.
var allowed = []string{"HOME", "USER", "LOGNAME", "PATH", "SHELL", "LANG", "LC_*", "TZ", "TMPDIR", "XDG_*", "SSH_AUTH_SOCK"}

// maxSaved is the largest file that Load reads, in bytes.
const maxSaved = 4 << 20

// Save writes what launches may take of an environment (NAME=VALUE) to a file that only its owner reads: the allow-list,
// and what names asks for by name. Nothing else is saved, since every agent knows the path of that file.
func Save(path string, environ, names []string) error {
	kept, _ := ForLaunch(environ, names)
	data := []byte(strings.Join(kept, "\x00"))
	if err := replace.File(path, data, 0o600); err != nil {
		return fault.Wrap(fault.Failed, err, "save environment").WithHint("Make %s writable, and see that its disk has room.", path)
	}
	return nil
}

// Load reads what Save wrote; the error is fs.ErrNotExist where no fleet was ever up.
func Load(path string) ([]string, error) {
	data, err := regular.Read(path, maxSaved)
	if err != nil {
		return nil, fmt.Errorf("read environment: %w", err)
	}
	var out []string
	for kv := range bytes.SplitSeq(data, []byte{0}) {
		if len(kv) > 0 {
			out = append(out, string(kv))
		}
	}
	return out, nil
}

// ForLaunch returns the environment of a launch: the allow-list, and what names asks for by name. missing are those
// of names that environ does not have.
func ForLaunch(environ, names []string) (env, missing []string) {
	missing = slices.Clone(names)
	for _, kv := range environ {
		name, _, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			continue
		}
		wanted := slices.Contains(names, name)
		if wanted {
			missing = slices.DeleteFunc(missing, func(m string) bool { return m == name })
		}
		if wanted || isAllowed(name) {
			env = append(env, kv)
		}
	}
	return env, missing
}

func isAllowed(name string) bool {
	for _, a := range allowed {
		if prefix, many := strings.CutSuffix(a, "*"); name == a || many && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return IsNetwork(name)
}
