package scarce_test

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"muster/internal/fault"
	"muster/internal/scarce"
)

func TestWhatTheMachineLacksIsNobodysFault(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC},
		fmt.Errorf("start: %w", syscall.EMFILE),
		fmt.Errorf("a check: %w", scarce.Lack("fork: resource temporarily unavailable")),
		fault.Wrap(fault.Failed, syscall.EROFS, "write /x").WithHint("See."),
	} {
		if !scarce.Is(err) {
			t.Errorf("%v is not taken for a shortage", err)
		}
	}
	for _, err := range []error{nil, errors.New("disk"), syscall.ENOENT, fault.New(fault.Failed, "no")} {
		if scarce.Is(err) {
			t.Errorf("%v is taken for a shortage", err)
		}
	}
	if !scarce.Says("fatal: write error: No space left on device", syscall.ENOSPC) {
		t.Error("the words of git are not understood")
	}
	if err := scarce.In("cp: x\nld: cannot map: Cannot allocate memory"); !errors.Is(err, syscall.ENOMEM) {
		t.Errorf("the words of a linker are taken for %v", err)
	}
	if err := scarce.In("Resource temporarily unavailable; FAIL"); err != nil {
		t.Errorf("words that say much else are taken for %v", err)
	}
	if scarce.Says("Resource temporarily unavailable", syscall.EAGAIN) || scarce.Says("no such file or directory", syscall.ENOENT) {
		t.Error("words that say much else are taken for a shortage")
	}
}
