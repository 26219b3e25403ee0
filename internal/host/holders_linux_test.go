package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestEndFindsWhatClearedItsEnvironmentByAnOpenFile: and spares whoever only looks at that file.
func TestEndFindsWhatClearedItsEnvironmentByAnOpenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "alive")
	sleeper := func(flag int) Process {
		file, err := os.OpenFile(path, flag, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		cmd := exec.Command("sleep", "60")
		cmd.Env, cmd.ExtraFiles, cmd.SysProcAttr = []string{}, []*os.File{file}, &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		p, err := Identify(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			_ = cmd.Wait()
			close(ended)
		}()
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			<-ended
		})
		return p
	}
	holder, looker := sleeper(os.O_RDWR|os.O_CREATE), sleeper(os.O_RDONLY)
	mustEnd(t, Ending{Held: path, Grace: 10 * time.Second})
	if holder.Alive() {
		t.Error("the holder lives")
	}
	if !looker.Alive() {
		t.Error("the one who only looks was ended")
	}
}
