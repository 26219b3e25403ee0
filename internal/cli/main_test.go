package cli

import (
	"bytes"
	"errors"
	"testing"

	"muster/internal/fault"
)

func TestPrintError_IsCleaned(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	printError(Env{Stderr: &out}, fault.Wrap(fault.Failed, errors.New("\x1b]0;PWNED\a.txt"), "remove").WithHint("rm \x1b[2J\u202ex"))
	if got, want := out.String(), "muster: remove: .txt\n  rm x\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}
