package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestEnd_FindsHoldersOfAFile covers processes that cleared their environment, by whichever path the file is named, and
// spares a process that only reads the file.
func TestEnd_FindsHoldersOfAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for name, held := range map[string]string{"real path": dir, "symbolic link": link} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endsHolders(t, filepath.Join(dir, strings.ReplaceAll(name, " ", "_")), filepath.Join(held, strings.ReplaceAll(name, " ", "_")))
		})
	}
}

func endsHolders(t *testing.T, path, held string) {
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
	holder, reader := sleeper(os.O_RDWR|os.O_CREATE), sleeper(os.O_RDONLY)
	mustEnd(t, Ending{Held: held, Grace: 10 * time.Second})
	if holder.Alive() {
		t.Error("the holder is still alive")
	}
	if !reader.Alive() {
		t.Error("the reader was ended")
	}
}
