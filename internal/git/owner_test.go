package git

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/fault"
)

// otherUser is set in the process that plays muster in TestFilesOfAnotherUserAreKeptOrSetAside.
const otherUser = "GIT_TEST_OTHER_USER"

// TestFilesOfAnotherUserAreKeptOrSetAside checks what happens to files of another user in a worktree, such as the build
// output of a container's root. The test runs itself as a user who may not remove them, and puts files of root there.
func TestFilesOfAnotherUserAreKeptOrSetAside(t *testing.T) {
	t.Parallel()
	if os.Getenv(otherUser) != "" {
		playOtherUser(t)
		return
	}
	if os.Getuid() != 0 {
		t.Skip("only root can create files of another user")
	}
	dir, err := os.MkdirTemp("/tmp", "muster-git-owner-") // t.TempDir lies below a directory that is root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program := filepath.Join(dir, "git.test")
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, self, 0o755); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	const nobody = 65534
	home := filepath.Join(dir, "tmp")
	for _, err := range []error{os.Chmod(dir, 0o755), os.Mkdir(home, 0o700), os.Chown(home, nobody, nobody)} { //nolint:gosec // another user reads it
		if err != nil {
			t.Fatal(err)
		}
	}

	cmd := exec.CommandContext(t.Context(), program, "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", "5m")
	cmd.Dir, cmd.WaitDelay = home, time.Second
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, otherUser + "=yes"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	planted := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		file, create := strings.CutPrefix(line, "file of root: ")
		dir, remove := strings.CutPrefix(line, "remove: ")
		switch {
		case create:
			name, mode, _ := strings.Cut(file, " ")
			if err := plantFile(name, mode); err != nil {
				t.Error(err)
			}
			planted++
		case remove && strings.HasPrefix(dir, home):
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		default:
			t.Log(line)
			continue
		}
		_, _ = fmt.Fprintln(in)
	}
	if err := cmd.Wait(); err != nil || planted != 2 {
		t.Errorf("the process of the other user: %v, with %d files", err, planted)
	}
}

// plantFile creates a file, and its directory, which only their owner can change.
func plantFile(name, mode string) error {
	perm := os.FileMode(0o644)
	if mode == "secret" {
		perm = 0o600
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // another user reads it
		return err
	}
	return os.WriteFile(name, []byte("built\n"), perm)
}

// playOtherUser is the part of the test in which this process may not remove some files.
func playOtherUser(t *testing.T) {
	w := newWorld(t)
	answers := bufio.NewReader(os.Stdin)
	ask := func(line string) {
		fmt.Println(line)
		if _, err := answers.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	plant := func(path, mode string) {
		ask("file of root: " + path + " " + mode)
		if st, err := os.Stat(path); err != nil || st.Sys().(*syscall.Stat_t).Uid == uint32(os.Getuid()) { //nolint:gosec // a user id
			t.Fatalf("%s is not another user's: %v", path, err)
		}
	}
	aside := filepath.Join(w.dir, "state", "kept")
	defer ask("remove: " + aside) // the end of the test could not

	// What can be read is kept. What cannot be removed is set aside, whole.
	readable := w.prepare("t1")
	w.write(readable.Path, "own.txt", "own\n")
	plant(filepath.Join(readable.Path, "build", "out.txt"), "public")
	ref := w.keep(readable.Path, "t1")
	if got := w.git(w.repo, "show", ref+":build/out.txt"); got != "built\n" {
		t.Errorf("kept: %q", got)
	}
	if err := w.r.RemoveWorktree(t.Context(), readable.Path, true); err == nil {
		t.Error("a file was removed that this user may not remove")
	}
	at, err := SetAside(readable.Path, aside)
	if err != nil || w.read(at, "build/out.txt") != "built\n" {
		t.Errorf("SetAside = %q, %v", at, err)
	}
	if err := w.r.RemoveWorktree(t.Context(), readable.Path, true); err != nil {
		t.Errorf("after its files were set aside: %v", err)
	}

	// What cannot be read cannot be kept, and nothing is removed then.
	unreadable := w.prepare("t2")
	w.write(unreadable.Path, "own.txt", "own\n")
	secret := filepath.Join(unreadable.Path, "secret.txt")
	plant(secret, "secret")
	if _, err := w.r.Keep(t.Context(), unreadable.Path, "t2", ""); err == nil || !strings.Contains(err.Error()+fault.HintOf(err), "secret.txt") {
		t.Errorf("Keep does not name the file: %v", err)
	}
	if w.read(unreadable.Path, "own.txt") != "own\n" || !exists(secret) {
		t.Error("a file is gone that was not kept")
	}
	if at, err = SetAside(unreadable.Path, aside); err != nil || w.read(at, "own.txt") != "own\n" || !exists(filepath.Join(at, "secret.txt")) {
		t.Errorf("SetAside = %q, %v", at, err)
	}
}
