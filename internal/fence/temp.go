package fence

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
)

// MakeTemp makes the directory for temporary files of a task, which only this user can enter.
func MakeTemp(h home.Dir, t event.TaskID) (string, error) {
	dir := h.TempDir(t)
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Mkdir(d, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", fault.Wrap(fault.Failed, err, "make the directory for temporary files of %s", t).WithHint("Make %s writable.", filepath.Dir(d))
		}
		var st unix.Stat_t
		err := unix.Lstat(d, &st)
		if err == nil && (st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&0o077 != 0 || int(st.Uid) != os.Geteuid()) {
			err = errors.New("it is no private directory of this user")
		}
		if err != nil {
			return "", fault.Wrap(fault.Conflict, err, "the directory for temporary files %s cannot be used", d).WithHint("Remove it.")
		}
	}
	return dir, nil
}
