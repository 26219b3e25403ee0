package all

import (
	"strings"
	"testing"

	"muster/internal/config"
	"muster/internal/fault"
)

func TestKindsAreKnown(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		a, err := New(kind)
		if err != nil || a.Facts().Kind != kind {
			t.Errorf("%s: %v, %v", kind, a, err)
		}
	}
	if _, err := New("nobody"); !fault.Is(err, fault.Usage) || !strings.Contains(fault.HintOf(err), "claude") {
		t.Errorf("an unknown kind: %v", err)
	}
}

func TestEveryKindIsAWordOfTheConfiguration(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		if a, err := config.Default().Agent(kind); err != nil || a.Kind != kind {
			t.Errorf("%s: %+v, %v", kind, a, err)
		}
	}
}
