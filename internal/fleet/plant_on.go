//go:build planted

package fleet

import "muster/internal/life"

func planted(bug string) bool { return life.Planted == bug }
