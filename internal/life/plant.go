//go:build !planted

package life

// planted tells whether a bug is there on purpose, for the test that the simulation finds it: never in a program
// that was built without the tag.
func planted(string) bool { return false }
