package await

import (
	"testing"
	"time"
)

// limit is how long Until waits. It is generous, because only a failing test reaches it.
const limit = 20 * time.Second

// Until polls ok until it returns true. After 20 s it fails the test with a message that contains what.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}
