package host

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestShield_KeepsOthersOutOfTheMemory(t *testing.T) {
	t.Parallel()
	a := start(t, "shielded", "")
	if n := a.pid(t, "dumpable"); n != 0 {
		t.Errorf("the process is dumpable (%d), so others of its user may trace it", n)
	}
	mem := fmt.Sprintf("/proc/%d/mem", a.proc.PID)
	f, err := os.OpenFile(mem, os.O_RDWR, 0)
	if err == nil {
		_ = f.Close()
	}
	if os.Geteuid() != 0 && err == nil { // the administrator may always
		t.Error("its memory can be written")
	}
	if st, err := os.Stat(mem); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", mem, st, err)
	}
}

// roles are the roles that exist on this system only.
var roles = map[string]func(){"shielded": shielded}

// shielded is a role: it shields itself and says whether it is dumpable.
func shielded() {
	if err := Shield(); err != nil {
		fmt.Println("failed", err)
		return
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	fmt.Println("ready", os.Getpid())
	fmt.Println("dumpable", dumpable)
	select {}
}
