package e2e

import (
	"os"
	"path/filepath"
	"time"
)

// skewFile is the file from which a test's supervisor reads how far its clock is ahead, so that minutes of waiting
// take no time.
func skewFile(home string) string { return filepath.Join(home, "test-clock") }

// skewed is Env.Now. The wall clock and the monotonic clock move together, as if that much time had passed without an
// event.
func skewed(home string) func() time.Time {
	return func() time.Time {
		data, _ := os.ReadFile(skewFile(home))
		d, _ := time.ParseDuration(string(data))
		return time.Now().Add(d)
	}
}

// later sets the supervisor's clock ahead, once for a fleet, and makes the supervisor look.
func (f *Fleet) later(d time.Duration) {
	f.t.Helper()
	f.write(skewFile(f.home), d.String())
	f.wake()
}

// wake does what every verb does after it has appended a request.
func (f *Fleet) wake() {
	f.t.Helper()
	if err := os.Chtimes(f.home+"/status/wake", time.Time{}, time.Now()); err != nil {
		f.t.Fatal(err)
	}
	fd, err := os.OpenFile(f.home+"/status/wake", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := fd.WriteString("\n"); err != nil {
		f.t.Error(err)
	}
	_ = fd.Close()
}
