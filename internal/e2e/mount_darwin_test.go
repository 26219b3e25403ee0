package e2e

import "errors"

func mountSmall(string, int) error { return errors.New("not known on this system") }

func unmount(string) error { return nil }
