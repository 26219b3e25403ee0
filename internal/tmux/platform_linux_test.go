package tmux_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/internal/testkit/await"
	"muster/internal/tmux/tmuxtest"
)

// hasOwnProgram reports whether this system can run the program of a process whose file is gone: here, /proc/PID/exe.
const hasOwnProgram = true

// copyTmux copies the installed program.
func copyTmux(t *testing.T, to string) {
	t.Helper()
	from, err := exec.LookPath("tmux")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestTheServerMayOpenManyDescriptors(t *testing.T) {
	t.Parallel()
	c, _, _ := tmuxtest.Connect(t)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", c.Identity().PID))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.SplitSeq(string(b), "\n") {
		if rest, ok := strings.CutPrefix(l, "Max open files"); ok {
			soft, hard := strings.Fields(rest)[0], strings.Fields(rest)[1]
			if soft != "65536" && soft != hard {
				t.Errorf("limit %s of %s, want 65536 or all", soft, hard)
			}
			return
		}
	}
	t.Errorf("no limit in %s", b)
}

// TestConnectionsThatComeAndGoLeaveNothing plays a day of supervisors, and of people who attach and detach.
func TestConnectionsThatComeAndGoLeaveNothing(t *testing.T) {
	t.Parallel()
	c, s, _ := tmuxtest.Connect(t)
	c.Close()
	await.Until(t, "no client is left", func() bool { return len(clients(t, s)) == 0 })
	held := func() int {
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.Identity().PID))
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	before := held()
	for range 60 {
		next, err := s.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		next.Close()
	}
	await.Until(t, "no client is left", func() bool { return len(clients(t, s)) == 0 })
	await.Until(t, "the server holds no more than before", func() bool { return held() <= before })
}

func TestAnIdleConnectionCostsNothing(t *testing.T) {
	t.Parallel()
	c, s, dir := tmuxtest.Connect(t)
	for i := range 5 {
		open(t, c, dir, fmt.Sprint("t", i), sleeper...)
	}
	client := clients(t, s)[0]
	// One tick may be the end of the startup; a busy loop would use a hundred.
	ticks := func() (sum int) {
		for _, pid := range []string{client, fmt.Sprint(c.Identity().PID)} {
			b, err := os.ReadFile("/proc/" + pid + "/stat")
			if err != nil {
				t.Fatal(err)
			}
			f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')'):]))
			for _, n := range f[12:14] {
				v, err := strconv.Atoi(n)
				if err != nil {
					t.Fatal(err)
				}
				sum += v
			}
		}
		return sum
	}
	before := ticks()
	time.Sleep(time.Second)
	if used := ticks() - before; used > 1 {
		t.Errorf("server and client used %d ticks in an idle second", used)
	}
}
