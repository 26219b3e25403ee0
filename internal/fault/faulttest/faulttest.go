package faulttest

import (
	"strings"
	"testing"

	"muster/internal/fault"
)

// Want fails the test unless err has the code, and its message and hint together contain every text.
func Want(t testing.TB, err error, code fault.Code, texts ...string) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Fatalf("error = %v (%s), want code %s and %q", err, fault.CodeOf(err), code, texts)
	}
	all := err.Error() + "\n" + fault.HintOf(err)
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("error %q does not say %q", all, text)
		}
	}
}
