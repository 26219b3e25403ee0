package replace

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"muster/internal/regular"
)

// Secret returns the random bytes that a file keeps, size of them. A file that is missing or has another size is made anew.
// Two processes that make it at the same time get the same bytes, unless it was damaged. An error comes with bytes that no
// file keeps.
func Secret(path string, size int) ([]byte, error) {
	kept, err := regular.Read(path, int64(size))
	if err == nil && len(kept) == size {
		return kept, nil
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) { // damaged
		_ = os.Remove(path)
	}
	fresh := make([]byte, size)
	_, _ = rand.Read(fresh)                               // it never fails
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return fresh, err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // the link stays
	_, err = f.Write(fresh)
	if err = errors.Join(err, f.Close()); err != nil {
		return fresh, err
	}
	err = os.Link(f.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		if kept, err = regular.Read(path, int64(size)); err == nil && len(kept) == size {
			return kept, nil
		}
	}
	return fresh, err
}
