package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/fault"
)

// narrow sets a key of the fence from a project's file, where that allows less than the user's file does, and reports
// whether it did. A value that could only widen the fence is an error: a repository must not open it.
func (k *key) narrow(field any, e entry) (changed bool, err error) {
	wider := fault.New(fault.Usage, "is more than a project's %s may say: it can only narrow the fence", ProjectFile).
		WithHint("Put it into your own ~/.config/muster/%s ($MUSTER_HOME/%s if that is set).", UserFile, UserFile)
	switch f := field.(type) {
	case *string: // the words stand from the widest to the narrowest
		var word string
		if err := k.setText(&word, e.value); err != nil {
			return false, err
		}
		switch at := slices.Index(k.words, word); {
		case at == 0:
			return false, wider
		case at <= slices.Index(k.words, *f):
			return false, nil
		}
		*f = word
		return true, nil
	case *Ports:
		var ports Ports
		if err := k.setPorts(&ports, e.value); err != nil {
			return false, err
		}
		if ports == nil {
			return false, wider
		}
		if *f != nil {
			ports = slices.DeleteFunc(ports, func(p int) bool { return !slices.Contains(*f, p) })
		}
		*f = ports
		return true, nil
	case *[]string:
		if err := k.setList(new([]string), e.value); err != nil {
			return false, err
		}
		return false, wider
	}
	return false, fmt.Errorf("has a field of type %T, which no value fits", field)
}

// expandFence replaces ~ in the paths of the fence.
func (d *draft) expandFence() error {
	for _, list := range []*[]string{&d.Fence.Read, &d.Fence.Write} {
		*list = slices.Clone(*list)
		for i, path := range *list {
			if !strings.HasPrefix(path, "~") {
				continue
			}
			home, err := os.UserHomeDir()
			if err != nil {
				return fault.Wrap(fault.Usage, err, "[fence]: %s begins with ~", path)
			}
			(*list)[i] = filepath.Join(home, strings.TrimPrefix(path, "~"))
		}
	}
	return nil
}
