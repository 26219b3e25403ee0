package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/regular"
)

// An agent takes a part of its configuration from the worktree, where it and everything that it runs can write. An adapter of such
// an agent compares that part with the commit with which the task began before each start, and hands over the one of the commit if
// they differ.

// The bounds of what is compared. A configuration beyond them counts as changed.
const (
	maxConfigurationFile  = 1 << 20 // bytes
	maxConfigurationBytes = 8 << 20
	maxConfigurationFiles = 500
)

// Places are the files and directories of a repository that configure a kind of agent, by paths with slashes.
type Places struct {
	Compare []string
	Ignore  func(name string) bool // what the agent itself writes at those places; nil ignores nothing
	Also    []string               // are read as the task began with them, and not compared
}

// Configuration is what configures an agent at some places of a repository.
type Configuration struct {
	// Began are the files of the commit with which the task began, and those that a person has copied into each worktree.
	Began map[string][]byte
	// Changed reports whether the worktree has others.
	Changed bool
}

// ReadConfiguration compares the configuration in the worktree of a launch with the one with which its task began. Launch.Base
// must be set.
func ReadConfiguration(l Launch, at Places) (Configuration, error) {
	began, err := l.Base(slices.Concat(at.Also, at.Compare)...)
	if err != nil {
		return Configuration{}, fmt.Errorf("read the project's configuration as the task began with it: %w", err)
	}
	compared := map[string][]byte{}
	for name, b := range began {
		if !slices.ContainsFunc(at.Also, func(place string) bool { return within(place, name) }) {
			compared[name] = b
		}
	}
	for _, name := range l.Spec.Copy { // what a person copies into each worktree is part of how the task began
		name := path.Clean(filepath.ToSlash(name))
		b, err := ReadSetup(filepath.Join(l.Spec.Repo, name), maxConfigurationFile)
		if err != nil || began[name] != nil || !slices.ContainsFunc(at.Compare, func(place string) bool { return within(place, name) }) {
			continue
		}
		began[name], compared[name] = b, b
	}
	now, linked, err := configurationIn(l.Worktree, at)
	if err != nil {
		return Configuration{}, err
	}
	if len(linked) > 0 {
		more, err := l.Base(linked...)
		if err != nil {
			return Configuration{}, fmt.Errorf("read the project's configuration as the task began with it: %w", err)
		}
		maps.Copy(began, more)
		maps.Copy(compared, more)
	}
	if at.Ignore != nil {
		maps.DeleteFunc(compared, func(name string, _ []byte) bool { return at.Ignore(name) })
	}
	return Configuration{Began: began, Changed: !maps.EqualFunc(compared, now, sameText)}, nil
}

// within reports whether a path is place or below it.
func within(place, name string) bool { return name == place || strings.HasPrefix(name, place+"/") }

// sameText compares two files without regard to the ends of lines, which git may convert.
func sameText(a, b []byte) bool {
	return bytes.Equal(bytes.ReplaceAll(a, []byte("\r\n"), []byte("\n")), bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")))
}

// unreadable stands for the content of a file that cannot be compared. No commit is known to have it.
var unreadable = []byte("\x00 not a regular file of a usual size in the worktree")

// configurationIn returns the files of a worktree at places, by path, and the directories within the worktree to which links there
// lead. The files of those are among the others.
func configurationIn(worktree string, at Places) (files map[string][]byte, linked []string, err error) {
	root := RealPath(worktree)
	files = map[string][]byte{}
	size := 0
	places := slices.Clone(at.Compare)
	read := func(name, from string) {
		b, err := regular.Read(from, maxConfigurationFile)
		if err != nil {
			b = unreadable
		}
		size += len(b)
		files[filepath.ToSlash(name)] = b
	}
	for i := 0; i < len(places); i++ {
		err := filepath.WalkDir(filepath.Join(root, places[i]), func(path string, e fs.DirEntry, err error) error {
			name, relErr := filepath.Rel(root, path)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case relErr != nil:
				return relErr
			case at.Ignore != nil && at.Ignore(filepath.ToSlash(name)):
				if e.IsDir() {
					return fs.SkipDir
				}
				return nil
			case e.IsDir():
				return nil
			case size > maxConfigurationBytes || len(files) > maxConfigurationFiles:
				files[""] = unreadable // more than a commit is compared with
				return fs.SkipAll
			case e.Type()&fs.ModeSymlink == 0:
				read(name, path)
				return nil
			}
			target, err := filepath.EvalSymlinks(path)
			inside, relErr := filepath.Rel(root, target)
			switch st, statErr := os.Stat(path); {
			case errors.Join(err, relErr, statErr) != nil || !filepath.IsLocal(inside):
				files[filepath.ToSlash(name)] = unreadable
			case !st.IsDir():
				read(name, target)
			default:
				inside = filepath.ToSlash(inside)
				files[filepath.ToSlash(name)] = []byte("-> " + inside) // as Launch.Base has it: files of another place count only by a link of the commit
				if !slices.Contains(places, inside) {
					places, linked = append(places, inside), append(linked, inside)
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return nil, nil, fmt.Errorf("read the project's configuration: %w", err)
		}
		if err != nil {
			files[places[i]] = unreadable
		}
	}
	return files, linked, nil
}
