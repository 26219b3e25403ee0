//go:build planted

package life

// Planted names the bug that this program has on purpose; "" for none. Only programs built with the tag planted, by
// which the simulation is tested, have any.
var Planted string

func planted(bug string) bool { return Planted == bug }
