package await

import (
	"testing"
	"time"
)

// limit is how long Until waits. It is generous, because it is reached only where a test fails.
const limit = 20 * time.Second

// Until polls ok until it returns true. It fails the test with a message that names what after 20 s.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}
