package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// escape is a shell that leaves its session, clears its environment and closes every descriptor.
const escape = `exec 0<&- 1>&- 2>&- 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec env -i setsid sleep 3607`

// TestEndFindsWhatNothingButItsGroupTells starts a process that no marker, lock or ancestor identifies. If no group
// may be created (no delegation), it only checks that CgroupFor returns none.
func TestEndFindsWhatNothingButItsGroupTells(t *testing.T) {
	t.Parallel()
	name := fmt.Sprintf("%stest-%d", groupPrefix, os.Getpid())
	own := OwnCgroup()
	cmd := exec.Command("sh", "-c", "echo $$ > "+filepath.Join(own, name, "cgroup.procs")+" || exit\n("+escape+") &")
	if own == "" {
		if dir := CgroupFor(name); dir != "" {
			t.Errorf("no group may be made, and there is %q", dir)
		}
		return
	}
	dir := filepath.Join(own, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		all, _ := Grouped(dir)
		for _, p := range all {
			_ = p.Signal(syscall.SIGKILL)
		}
	})
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var daemon Process
	for deadline := time.Now().Add(20 * time.Second); daemon.PID == 0; time.Sleep(10 * time.Millisecond) {
		all, err := Grouped(dir)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the group holds %v (%v)", all, err)
		}
		for _, p := range all {
			if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID)); strings.HasPrefix(string(b), "sleep\x003607") {
				daemon = p
			}
		}
	}
	mustEnd(t, Ending{Group: dir, Grace: 10 * time.Second})
	if daemon.Alive() {
		t.Error("the daemon lives")
	}
	if err := LeaveCgroup(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the group is still there")
	}
	if err := LeaveCgroup(dir); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestWhatIsNoControlGroupHoldsNobody(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{t.TempDir(), "/nowhere"} {
		if all, err := Grouped(dir); err != nil || len(all) > 0 {
			t.Errorf("%s holds %v (%v)", dir, all, err)
		}
	}
}
