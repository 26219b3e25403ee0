package keeper

import (
	"testing"

	"muster/internal/testkit/proc"
)

func TestMain(m *testing.M) {
	proc.Main(m, map[string]func(string) int{"keep": playKeeper, "supervise": playSupervisor})
}
