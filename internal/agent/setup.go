package agent

import (
	"os"
	"path/filepath"

	"muster/internal/home"
	"muster/internal/regular"
)

// An adapter reads files of an agent's set-up: those of the user, who may have linked them from elsewhere (a repository of dotfiles),
// and those in a private home, where an agent may have made the links. The supervisor reads them outside of the fence.

// ReadSetup reads a regular file of an agent's set-up, of at most limit bytes. Links of the user are followed. A link in a private
// home is followed within that home only.
func ReadSetup(path string, limit int64) ([]byte, error) {
	dir := home.PrivateOf(path)
	if dir == "" {
		return regular.ReadFollow(path, limit)
	}
	root, name, err := openPrivate(dir, path)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // only read
	return regular.ReadIn(root, name, limit)
}

// OpenSetup opens a file as ReadSetup reads it.
func OpenSetup(path string) (*os.File, error) {
	dir := home.PrivateOf(path)
	if dir == "" {
		return regular.Follow(path)
	}
	root, name, err := openPrivate(dir, path)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // the file stays open
	return regular.OpenIn(root, name)
}

// openPrivate opens a private home, and returns the name of a file in it.
func openPrivate(dir, path string) (*os.Root, string, error) {
	name, err := filepath.Rel(dir, path)
	if err != nil {
		return nil, "", err
	}
	root, err := os.OpenRoot(dir)
	return root, name, err
}
