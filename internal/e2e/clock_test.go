package e2e

import (
	"os"
	"path/filepath"
	"time"
)

// A supervisor of a test reads from skewFile how far its clock is ahead: minutes of waiting take no time.
func skewFile(home string) string { return filepath.Join(home, "test-clock") }

// skewed is Env.Now. Wall and monotonic clock move together, as if so much time had passed while nothing happened.
func skewed(home string) func() time.Time {
	return func() time.Time {
		data, _ := os.ReadFile(skewFile(home))
		d, _ := time.ParseDuration(string(data))
		return time.Now().Add(d)
	}
}

// later sets the supervisor's clock ahead, once for a fleet, and has it look.
func (f *Fleet) later(d time.Duration) {
	f.t.Helper()
	f.write(skewFile(f.home), d.String())
	f.wake()
}

// wake does what every verb does when it has asked for something.
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
