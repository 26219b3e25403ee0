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
	if scarce.Says("Resource temporarily unavailable", syscall.EAGAIN) || scarce.Says("no such file or directory", syscall.ENOENT) {
		t.Error("words that say much else are taken for a shortage")
	}
}
