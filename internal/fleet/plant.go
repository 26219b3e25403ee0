//go:build !planted

package fleet

// planted is like that of life: no bug is there on purpose.
func planted(string) bool { return false }
