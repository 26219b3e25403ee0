package boot

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/regular"
	"muster/internal/replace"
	"muster/internal/run"
	"muster/internal/store"
)

// Program returns the copy of the program that the fleet must run: the copy of this program, or the one that replaced
// it in an upgrade. An old `muster` on the PATH does not undo the upgrade.
func (f Fleet) Program() (string, error) {
	current, err := f.successor()
	if current != "" || err != nil {
		return current, err
	}
	return install(f.Exe, f.Home)
}

// successor returns the program that replaced this one in an upgrade; "" if there is none.
func (f Fleet) successor() (string, error) {
	all := superseded(f.Home)
	if len(all) == 0 {
		return "", nil
	}
	own, err := copyPath(f.Exe, Version(), f.Home)
	if err != nil || !slices.Contains(all, filepath.Base(own)) {
		return "", err
	}
	current, err := os.Readlink(f.Home.Program())
	if err != nil || current == own {
		return "", nil //nolint:nilerr // no link, no successor
	}
	if _, err := os.Stat(current); err != nil {
		return "", nil //nolint:nilerr // it was removed, and the old one is better than none
	}
	return current, nil
}

// GiveWay replaces this process by the successor of this program, if it has one. A fleet that starts without a
// person, for example after a reboot, may have a state that only the successor can read.
func (f Fleet) GiveWay(args ...string) error {
	current, err := f.successor()
	if err != nil || current == "" {
		return err
	}
	return run.Replace(current, append([]string{current}, args...), f.Environ)
}

func superseded(h home.Dir) []string {
	b, err := regular.Read(h.Superseded(), 1<<20)
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

// supersede makes a copy in BinDir the fleet's program and records the previous one as superseded.
func supersede(h home.Dir, program string) error {
	was, err := os.Readlink(h.Program())
	if err == nil && was != program {
		all := slices.DeleteFunc(superseded(h), func(s string) bool { return s == filepath.Base(was) || s == filepath.Base(program) })
		text := strings.Join(append(all, filepath.Base(was)), "\n") + "\n"
		if err := replace.File(h.Superseded(), []byte(text), 0o600); err != nil {
			return fault.Wrap(fault.Failed, err, "record the superseded program")
		}
	}
	return link(program, h.Program())
}

// sweepAge is the minimum age of a copy that is removed: a new one may be about to be used.
const sweepAge = time.Hour

// mostNaming bounds the files of a generation that may name a program, in bytes; a prompt may be larger.
const mostNaming = 1 << 20

// Sweep removes the copies of the program that are not used any more: by the fleet, or by a live generation, whose
// agent calls its copy at every hook. A running program does not need its file. Errors are ignored, because the next
// call tries again.
func (f Fleet) Sweep(ctx context.Context) {
	current, err := os.Readlink(f.Home.Program())
	if err != nil {
		return
	}
	if _, err := os.Stat(f.Home.Upgrade()); err == nil {
		return // an upgrade is pending, and a rollback needs the old copy
	}
	db, err := store.Open(ctx, f.Home.DB(), store.Options{ReadOnly: true})
	if err != nil {
		return
	}
	defer func() { _ = db.Close() }()
	live, err := db.Live(ctx)
	if err != nil {
		return
	}
	var naming [][]byte
	for _, t := range live {
		naming = append(naming, smallFiles(f.Home.Gen(t.ID, t.Gen).RO())...)
	}
	copies, _ := filepath.Glob(filepath.Join(f.Home.BinDir(), "muster-*"))
	for _, c := range copies {
		named := slices.ContainsFunc(naming, func(b []byte) bool { return bytes.Contains(b, []byte(filepath.Base(c))) })
		st, err := os.Stat(c)
		if c == current || named || err != nil || f.Now().Sub(st.ModTime()) < sweepAge {
			continue
		}
		_ = os.Remove(c)
	}
}

// smallFiles returns the contents of the files below a directory that may name a program. Unreadable files are
// skipped.
func smallFiles(dir string) (out [][]byte) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil
	}
	defer func() { _ = root.Close() }()
	_ = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // it is gone or is not a regular file
		}
		if info, err := d.Info(); err != nil || info.Size() > mostNaming {
			return nil //nolint:nilerr // as above
		}
		if b, err := root.ReadFile(path); err == nil {
			out = append(out, b)
		}
		return nil
	})
	return out
}
