package launch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/fence"
	"muster/internal/testkit/files"
	"muster/internal/testkit/proc"
)

// fenced returns an agent that may write its own directory, and the directory outside that it may not.
func fenced(t *testing.T, script string) (a *agent, outside string) {
	t.Helper()
	if _, err := fence.ABI(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	a = newAgent(t, script)
	real, _ := fence.Real(a.Dir)
	p := fence.System()
	p.Write = append(p.Write, real)
	a.Fence = &p
	outside = t.TempDir()
	a.Env = append(a.Env, "OUTSIDE="+outside)
	return a, outside
}

func TestExec_FencedAgentIsRefusedTheRest(t *testing.T) {
	t.Parallel()
	a, outside := fenced(t, `echo in > "$OUT"; (echo child > "$OUTSIDE/child"); echo out > "$OUTSIDE/file"`)
	files.Write(t, filepath.Join(outside, "secret"), "s3cret")
	code, said := proc.Finish(t, proc.Role("launch", a.write(t)))
	if code == 0 || a.out(t) != "in\n" {
		t.Errorf("exit %d, said %q, wrote %q", code, said, a.out(t))
	}
	for _, name := range []string{"file", "child"} {
		if files.Exists(filepath.Join(outside, name)) {
			t.Errorf("%s was written", name)
		}
	}
	if r := records(t, a); len(r) != 1 || r[0].State != event.RecordLaunched {
		t.Errorf("records %+v", r)
	}
}

func TestSpecKeepsItsFence(t *testing.T) {
	t.Parallel()
	a := newAgent(t, "true")
	for _, ports := range [][]int{nil, {}, {443}} {
		a.Fence = &fence.Policy{Read: []string{"/a\xe9"}, Write: []string{"/b"}, Unix: true, Ports: ports}
		got, err := Read(a.write(t))
		if err != nil {
			t.Fatal(err)
		}
		if want, is := fmt.Sprintf("%#v", *a.Fence), fmt.Sprintf("%#v", *got.Fence); is != want {
			t.Errorf("fence %s, want %s", is, want)
		}
	}
	lost := strings.Replace(files.Read(t, a.path), `"fence":`, `"other":`, 1)
	if _, err := Read(files.Write(t, a.path, lost)); err == nil || !strings.Contains(err.Error(), "lost its fence") {
		t.Errorf("a spec without its fence: %v", err)
	}
}

func TestExec_WithoutItsFenceThereIsNoAgent(t *testing.T) {
	t.Parallel()
	a, outside := fenced(t, `echo up > "$OUTSIDE/up"`)
	link := filepath.Join(a.Dir, "link")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	real, _ := fence.Real(a.Dir)
	a.Fence.Write = append(a.Fence.Write, filepath.Join(real, "link"))
	code, said := proc.Finish(t, proc.Role("launch", a.write(t)))
	if code != exitCannotStart || !strings.Contains(said, "its fence cannot be had") || !strings.Contains(said, "symbolic link") {
		t.Errorf("exit %d, said %q", code, said)
	}
	if r := records(t, a); len(r) != 1 || r[0].State != event.RecordExited || !strings.Contains(r[0].Note, "symbolic link") {
		t.Errorf("records %+v", r)
	}
	if files.Exists(filepath.Join(outside, "up")) {
		t.Error("the agent ran")
	}
}

func TestExec_AProgramThatTheFenceDoesNotGrantIsNamed(t *testing.T) {
	t.Parallel()
	a, outside := fenced(t, "true")
	files.Script(t, outside, "tool", "true")
	a.Argv = []string{filepath.Join(outside, "tool")}
	code, said := proc.Finish(t, proc.Role("launch", a.write(t)))
	if code != exitCannotStart || !strings.Contains(said, "inside the fence") || !strings.Contains(said, "read under [fence]") {
		t.Errorf("exit %d, said %q", code, said)
	}
}

// TestExec_AKillNeverLeavesAnUnfencedAgent kills launches at times that cover all of their steps.
func TestExec_AKillNeverLeavesAnUnfencedAgent(t *testing.T) {
	t.Parallel()
	ran := 0
	const kills = 40
	for i := range kills {
		a, outside := fenced(t, `echo in > "$OUT"; echo out > "$OUTSIDE/file"; exec sleep 5`)
		cmd := proc.Role("launch", a.write(t))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The launch takes some milliseconds; the last kills find the agent.
		timer := time.AfterFunc(time.Duration(i)*time.Millisecond, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		_ = cmd.Wait()
		timer.Stop()
		if a.out(t) != "" {
			ran++
		}
		if files.Exists(filepath.Join(outside, "file")) {
			t.Fatalf("killed after %d ms: the agent ran without its fence", i)
		}
	}
	t.Logf("%d of %d agents ran before their kill", ran, kills)
}

func TestRun_BecomesAFencedCommand(t *testing.T) {
	t.Parallel()
	a, outside := fenced(t, "")
	c := fence.Command{
		Argv: []string{"sh", "-c", `echo in > "$OUT"; pwd >> "$OUT"; echo out > "$OUTSIDE/file" || exit 7`}, Dir: a.Dir, Env: a.Env, Policy: *a.Fence,
	}
	if err := c.Write(a.path); err != nil {
		t.Fatal(err)
	}
	code, said := proc.Finish(t, proc.Role("launch", a.path))
	if code == 0 || a.out(t) != "in\n"+a.Dir+"\n" || files.Exists(filepath.Join(outside, "file")) {
		t.Errorf("exit %d, said %q, wrote %q", code, said, a.out(t))
	}
	if files.Exists(a.path) || a.status(t) != "" {
		t.Error("the spec is still there, or there is a record")
	}
	c.Policy.Write = append(c.Policy.Write, "relative")
	if err := c.Write(a.path); err != nil {
		t.Fatal(err)
	}
	if code, said := proc.Finish(t, proc.Role("launch", a.path)); code != exitCannotStart || !strings.Contains(said, "is not absolute") {
		t.Errorf("a fence that cannot be had: exit %d, said %q", code, said)
	}
}
