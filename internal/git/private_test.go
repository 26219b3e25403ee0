package git

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/fault"
	"muster/internal/fault/faulttest"
)

// trap is a command that leaves a mark when it runs, and passes its input on.
func (w *world) trap() (command, mark string) {
	mark = filepath.Join(w.dir, "ran")
	w.write(w.dir, "trap.sh", "#!/bin/sh\necho \"$0 $*\" >> "+mark+"\nexec cat\n")
	return "sh " + filepath.Join(w.dir, "trap.sh"), mark
}

// hostile returns a configuration that runs a command in as many ways as git has.
func hostile(command string) string {
	return fmt.Sprintf(`[core]
	fsmonitor = %[1]q
	sshCommand = %[1]q
	pager = %[1]q
	editor = %[1]q
	hooksPath = hooks
	gitProxy = %[1]q
[filter "x"]
	clean = %[1]q
	smudge = %[1]q
[credential]
	helper = !%[1]s
[diff]
	external = %[1]q
[diff "x"]
	textconv = %[1]q
	command = %[1]q
[gpg]
	program = %[1]q
[commit]
	gpgSign = true
[log]
	showSignature = true
[uploadpack]
	packObjectsHook = %[1]q
`, command)
}

// operations are what the supervisor does with a worktree, in an order in which all of it is possible.
func (w *world) operations(wt Worktree) error {
	ctx := w.t.Context()
	var errs []error
	s, err := w.r.Snapshot(ctx, wt.Path, "refs/muster/round/x/t1/1", "round")
	errs = append(errs, err)
	_, err = w.r.Obstacles(ctx, work(wt), s, false)
	errs = append(errs, err)
	_, err = w.r.OwnChanges(ctx, work(wt), s, true)
	errs = append(errs, err, w.r.Diff(ctx, io.Discard, wt.Base, wt.Path, DiffOptions{}))
	_, err = w.r.Unsaved(ctx, wt.Path, wt.Branch, wt.Base, false)
	errs = append(errs, err)
	_, err = w.r.Uncommitted(ctx)
	errs = append(errs, err)
	_, err = w.r.WatchStash(ctx, "refs/muster/round/x/t1/stash", "refs/muster/stash/t1")
	errs = append(errs, err)
	_, err = w.r.Prepare(ctx, w.spec("t1"))
	errs = append(errs, err)
	_, err = w.r.Prepare(ctx, w.spec("t2"))
	errs = append(errs, err)
	ref, err := w.r.Keep(ctx, wt.Path, "t1", "")
	errs = append(errs, err)
	_, err = w.r.Land(ctx, LandSpec{WorkSpec: work(wt), Tree: s.Tree, Message: "work"})
	errs = append(errs, err, w.r.RemoveWorktree(ctx, wt.Path, true), w.r.Restore(ctx, RestoreSpec{Path: wt.Path, Branch: wt.Branch, Ref: ref}))
	return errors.Join(errs...)
}

// TestWhatAnAgentConfiguresIsNotRun plants a program in each place where an agent can write and git looks, and does
// everything that the supervisor does.
func TestWhatAnAgentConfiguresIsNotRun(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(w *world, wt Worktree, command string){
		"filter in the common configuration": func(w *world, wt Worktree, command string) {
			w.git(wt.Path, "config", "filter.x.clean", command)
			w.git(wt.Path, "config", "filter.x.smudge", command)
		},
		"everything in the common configuration": func(w *world, wt Worktree, command string) {
			w.write(w.repo, ".git/config", w.read(w.repo, ".git/config")+hostile(command))
		},
		"included by the common configuration": func(w *world, wt Worktree, command string) {
			w.write(wt.Path, "evil", hostile(command))
			w.git(wt.Path, "config", "include.path", filepath.Join(wt.Path, "evil"))
			w.git(wt.Path, "config", "includeIf.gitdir:/**.path", filepath.Join(wt.Path, "evil"))
		},
		"config.worktree": func(w *world, wt Worktree, command string) {
			w.git(w.repo, "config", "extensions.worktreeConfig", "true")
			w.write(w.repo, ".git/worktrees/t1-x/config.worktree", hostile(command))
			w.write(w.repo, ".git/config.worktree", hostile(command))
		},
		"commondir": func(w *world, wt Worktree, command string) {
			w.git(w.dir, "init", "-q", "evil")
			w.write(w.dir, "evil/.git/config", "[core]\n\trepositoryformatversion = 0\n"+hostile(command))
			w.write(w.repo, ".git/worktrees/t1-x/commondir", filepath.Join(w.dir, "evil/.git")+"\n")
		},
		".git of the worktree": func(w *world, wt Worktree, command string) {
			w.git(w.dir, "init", "-q", "evil")
			w.write(w.dir, "evil/.git/config", "[core]\n\trepositoryformatversion = 0\n"+hostile(command))
			w.write(wt.Path, ".git", "gitdir: "+filepath.Join(w.dir, "evil/.git")+"\n")
		},
		"hooks": func(w *world, wt Worktree, command string) {
			for _, hook := range []string{"post-index-change", "reference-transaction", "post-checkout", "pre-commit", "post-commit", "pre-auto-gc"} {
				w.write(w.repo, ".git/hooks/"+hook, "#!/bin/sh\n"+command+" </dev/null\n")
				if err := os.Chmod(filepath.Join(w.repo, ".git/hooks", hook), 0o755); err != nil {
					w.t.Fatal(err)
				}
			}
		},
		"a submodule's own configuration": func(w *world, wt Worktree, command string) {
			w.git(w.dir, "init", "-q", "lib")
			w.write(w.dir, "lib/f", "f\n")
			w.git(filepath.Join(w.dir, "lib"), "add", "-A")
			w.git(filepath.Join(w.dir, "lib"), "commit", "-qm", "lib")
			w.git(wt.Path, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", filepath.Join(w.dir, "lib"), "sub")
			w.git(wt.Path, "commit", "-qm", "sub")
			config := filepath.Join(w.repo, ".git/worktrees/t1-x/modules/sub")
			w.write(config, "config", w.read(config, "config")+hostile(command))
			w.write(wt.Path, "sub/.gitattributes", "* filter=x diff=x\n")
			w.write(wt.Path, "sub/f", "g\n")
		},
		"a nested repository's own configuration": func(w *world, wt Worktree, command string) {
			w.git(wt.Path, "init", "-q", "inner")
			inner := filepath.Join(wt.Path, "inner")
			w.write(inner, "f.txt", "f\n")
			w.git(inner, "add", "-A")
			w.git(inner, "commit", "-qm", "inner")
			w.write(inner, ".gitattributes", "* filter=x diff=x\n")
			w.write(inner, "f.txt", "changed\n")
			w.write(inner, ".git/config", w.read(inner, ".git/config")+hostile(command))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wt := w.prepare("t1")
			command, mark := w.trap()
			plant(w, wt, command)
			w.write(wt.Path, ".gitattributes", "* filter=x diff=x\n")
			w.write(wt.Path, "a.txt", "agent's\n")
			err := w.operations(wt)
			if exists(mark) {
				t.Errorf("a program of the agent's ran: %s", w.read(w.dir, "ran"))
			}
			if err != nil && !strings.Contains(name, "submodule") { // which is an obstacle
				t.Error(err)
			}
		})
	}
}

// TestFetchRunsNothingOfAnAgent checks the ways in which a fetch starts programs.
func TestFetchRunsNothingOfAnAgent(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(w *world, command string){
		"core.sshCommand": func(w *world, command string) { w.git(w.repo, "config", "core.sshCommand", command) },
		"insteadOf": func(w *world, command string) {
			w.git(w.repo, "config", "protocol.ext.allow", "always")
			w.git(w.repo, "config", "url.ext::"+command+" .insteadOf", w.dir)
		},
		"uploadpack": func(w *world, command string) { w.git(w.repo, "config", "remote.origin.uploadpack", command) },
		"vcs":        func(w *world, command string) { w.git(w.repo, "config", "remote.origin.vcs", "evil") },
		"alternates": func(w *world, command string) {
			// fetch starts a git in each repository whose objects are used, and that git fetches what its refs lack.
			w.git(w.dir, "init", "-q", "evil")
			w.write(w.dir, "evil/.git/refs/heads/gone", strings.Repeat("1", 40)+"\n")
			for _, kv := range [][2]string{
				{"core.repositoryformatversion", "1"},
				{"extensions.partialClone", "o"},
				{"remote.o.url", w.dir},
				{"remote.o.promisor", "true"},
				{"remote.o.uploadpack", command},
			} {
				w.git(filepath.Join(w.dir, "evil"), "config", kv[0], kv[1])
			}
			w.write(w.repo, ".git/objects/info/alternates", filepath.Join(w.dir, "evil/.git/objects")+"\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.git(w.dir, "clone", "-q", w.repo, "upstream")
			url := filepath.Join(w.dir, "upstream")
			if name == "core.sshCommand" {
				url = "ssh://localhost:1/x"
			}
			w.git(w.repo, "remote", "add", "origin", url)
			w.prepare("t1")
			command, mark := w.trap()
			plant(w, command)
			err := w.r.Fetch(t.Context(), "origin")
			if exists(mark) {
				t.Errorf("a program of the agent's ran: %s", w.read(w.dir, "ran"))
			}
			if err != nil && name != "core.sshCommand" {
				t.Error(err)
			}
		})
	}
}

// TestSnapshotWhileCommondirIsSwitched lets a process left behind switch the worktree's commondir to and fro, and its
// common configuration, while snapshots are taken.
func TestSnapshotWhileCommondirIsSwitched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	command, mark := w.trap()
	w.git(w.dir, "init", "-q", "evil")
	w.write(w.dir, "evil/.git/config", "[core]\n\trepositoryformatversion = 0\n"+hostile(command))
	w.write(wt.Path, ".gitattributes", "* filter=x diff=x\n")
	admin := filepath.Join(w.repo, ".git/worktrees/t1-x")
	done, stopped := make(chan struct{}), make(chan struct{})
	stop := sync.OnceFunc(func() { close(done); <-stopped })
	defer stop()
	go func() {
		defer close(stopped)
		for _, at := range []string{filepath.Join(w.dir, "evil/.git") + "\n", "../..\n"} {
			_ = os.WriteFile(filepath.Join(admin, "common"+fmt.Sprint(len(at))), []byte(at), 0o600)
		}
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			to := "../..\n"
			if i%2 == 0 {
				to = filepath.Join(w.dir, "evil/.git") + "\n"
			}
			_ = os.WriteFile(filepath.Join(admin, "switch"), []byte(to), 0o600)
			_ = os.Rename(filepath.Join(admin, "switch"), filepath.Join(admin, "commondir"))
			time.Sleep(200 * time.Microsecond)
		}
	}()
	for i := range 8 {
		w.write(wt.Path, "a.txt", fmt.Sprintln("round", i))
		s, err := w.r.Snapshot(t.Context(), wt.Path, fmt.Sprintf("refs/muster/round/x/t1/%d", i), "round")
		if err != nil {
			t.Fatal(err)
		}
		if got := w.git(w.repo, "show", s.Tree+":a.txt"); got != fmt.Sprintln("round", i) {
			t.Errorf("round %d: a.txt = %q", i, got)
		}
	}
	stop()
	if exists(mark) {
		t.Errorf("a program of the agent's ran: %s", w.read(w.dir, "ran"))
	}
}

// crypt gives the repository a filter like that of git-crypt, set up in its own configuration.
func (w *world) crypt() {
	w.t.Helper()
	w.git(w.repo, "config", "filter.crypt.clean", "sed s/^/X/")
	w.git(w.repo, "config", "filter.crypt.smudge", "sed s/^X//")
	w.write(w.repo, ".gitattributes", "[attr]hidden filter=crypt\nsecret* filter=crypt\n")
	w.write(w.repo, "deep/er/.gitattributes", "key hidden\n/sub/pass filter=crypt\n")
	w.write(w.repo, "secret.txt", "first\n")
	w.git(w.repo, "add", "-A")
	w.git(w.repo, "commit", "-qm", "with a secret")
	if err := w.r.Freeze(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func TestAFilterOfTheRepositoryIsAppliedAsItWasAtTheDispatch(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *world, dir string){
		"as it is": func(*world, string) {},
		"removed":  func(w *world, dir string) { w.git(dir, "config", "--remove-section", "filter.crypt") },
		"altered":  func(w *world, dir string) { w.git(dir, "config", "filter.crypt.clean", "cat") },
		"no attributes": func(w *world, dir string) {
			w.write(dir, ".gitattributes", "")
			w.write(dir, "deep/er/.gitattributes", "* -filter\n")
		},
		"info/attributes": func(w *world, dir string) { w.write(w.repo, ".git/info/attributes", "* !filter\n") },
		"staged as it is": func(w *world, dir string) {
			w.git(dir, "config", "filter.crypt.clean", "cat")
			w.git(dir, "add", "-A")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.crypt()
			wt := w.prepare("t1")
			if got := w.read(wt.Path, "secret.txt"); got != "first\n" {
				t.Errorf("secret.txt of a new worktree = %q", got)
			}
			files := []string{"secret.txt", "deep/er/secret2", "deep/er/est/key", "deep/er/sub/pass"}
			for _, file := range files {
				w.write(wt.Path, file, "mine\n")
				then := time.Now().Add(-time.Hour) // so that git believes an index that says the file is unchanged
				if err := os.Chtimes(filepath.Join(wt.Path, file), then, then); err != nil {
					t.Fatal(err)
				}
			}
			w.write(wt.Path, "deep/sub/pass", "mine\n")
			spoil(w, wt.Path)
			s, err := w.r.Snapshot(t.Context(), wt.Path, "refs/muster/round/x/t1/1", "round")
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				if got := w.git(w.repo, "cat-file", "blob", s.Tree+":"+file); got != "Xmine\n" {
					t.Errorf("%s = %q", file, got)
				}
			}
			if got := w.git(w.repo, "cat-file", "blob", s.Tree+":deep/sub/pass"); got != "mine\n" {
				t.Errorf("deep/sub/pass = %q", got)
			}
		})
	}
}

func TestPlainContentInTheAgentsCommitsIsNotPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.crypt()
	wt := w.prepare("t1")
	w.write(wt.Path, "secret.txt", "second\n")
	w.git(wt.Path, "commit", "-qam", "with the filter")
	w.write(wt.Path, "secret2", "third\n")
	if _, err := w.land(wt, w.tree(wt.Path)); err != nil {
		t.Fatal(err)
	}
	w.git(wt.Path, "config", "filter.crypt.clean", "cat")
	w.write(wt.Path, "secret.txt", "plain\n")
	w.git(wt.Path, "commit", "-qam", "without it")
	w.write(wt.Path, "secret.txt", "fourth\n")
	_, err := w.land(wt, w.tree(wt.Path))
	faulttest.Want(t, err, fault.Conflict, "must be applied to: secret.txt")
	w.git(wt.Path, "reset", "-q", "--soft", wt.Base)
	if _, err := w.land(wt, w.tree(wt.Path)); err != nil {
		t.Errorf("after the agent took it out: %v", err)
	}
}

func TestAFilterThatFailsStopsTheTask(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.crypt()
	w.git(w.repo, "config", "filter.crypt.clean", "nosuchprogram-at-all")
	if err := os.RemoveAll(w.private()); err != nil {
		t.Fatal(err)
	}
	wt := w.prepare("t1")
	w.write(wt.Path, "secret.txt", "mine\n")
	if _, err := w.r.Tree(t.Context(), wt.Path); err == nil || !strings.Contains(err.Error(), "crypt") {
		t.Errorf("Tree = %v, want an error that names the filter", err)
	}
}

func TestAFilterOfTheUserWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.write(w.dir, "home/.gitconfig", "[include]\n\tpath = more\n[includeIf \"gitdir:"+w.repo+"/\"]\n\tpath = here\n")
	w.write(w.dir, "home/more", "[filter \"big\"]\n\tclean = \"sed s/^/P/\"\n\trequired\n")
	w.write(w.dir, "home/here", "[filter \"big\"]\n\tsmudge = \"sed 's/^P//'\" # \"quoted\"\n")
	w.write(wt.Path, ".gitattributes", "*.bin filter=big\n")
	w.write(wt.Path, "x.bin", "content\n")
	if got := w.git(w.repo, "cat-file", "blob", w.tree(wt.Path)+":x.bin"); got != "Pcontent\n" {
		t.Errorf("x.bin = %q", got)
	}
}

func TestFreezeOfAnAgentTakesNoPrograms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	agents, err := Open(t.Context(), w.repo, Under(w.under), Env(w.env), Private(w.private()), Distrust(true))
	if err != nil {
		t.Fatal(err)
	}
	w.git(w.repo, "config", "filter.x.clean", "evil")
	faulttest.Want(t, agents.Freeze(t.Context()), fault.Conflict, "filter.x.clean", "shell of your own")
	if err := w.open(w.repo).Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := agents.Freeze(t.Context()); err != nil {
		t.Errorf("after a person's dispatch: %v", err)
	}
}

func TestFreezeInAWorktreeChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.crypt()
	wt := w.prepare("t1")
	before := w.read(w.r.viewDir(), "frozen.json")
	w.write(wt.Path, ".gitattributes", "")
	w.git(wt.Path, "commit", "-qam", "nothing is secret")
	if err := w.open(wt.Path).Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := w.read(w.r.viewDir(), "frozen.json"); after != before {
		t.Errorf("frozen again:\n%s\n%s", before, after)
	}
}

func TestFreezeRefusesProgramsThatChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if err := w.r.Freeze(ctx); err != nil {
		t.Fatal(err)
	}
	w.prepare("t1")
	w.git(w.repo, "remote", "add", "origin", w.dir)
	w.git(w.repo, "config", "core.eol", "crlf")
	if err := w.open(w.repo).Freeze(ctx); err != nil {
		t.Errorf("a new remote: %v", err)
	}
	if got := w.read(w.r.viewDir(), "frozen.json"); strings.Contains(got, "crlf") {
		t.Errorf("content changed while a worktree is there: %s", got)
	}
	w.git(w.repo, "config", "remote.origin.uploadpack", "evil")
	faulttest.Want(t, w.open(w.repo).Freeze(ctx), fault.Conflict, "remote.origin.uploadpack", "rm -r "+w.r.viewDir())
	w.git(w.repo, "config", "--unset", "remote.origin.uploadpack")
	w.git(w.repo, "config", "filter.x.clean", "evil")
	faulttest.Want(t, w.open(w.repo).Freeze(ctx), fault.Conflict, "filter.x.clean")
	if err := os.RemoveAll(w.r.viewDir()); err != nil {
		t.Fatal(err)
	}
	if err := w.open(w.repo).Freeze(ctx); err != nil {
		t.Errorf("after it was removed: %v", err)
	}
}

// TestLFSWorks uses git-lfs as a user sets it up, for all repositories or for this one. Its objects must lie in the
// repository, where a later checkout and a push look for them.
func TestLFSWorks(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git-lfs"); err != nil {
		t.Skip("git-lfs is not installed")
	}
	for _, how := range []string{"--global", "--local"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for key, command := range map[string]string{"clean": "git-lfs clean -- %f", "smudge": "git-lfs smudge -- %f", "process": "git-lfs filter-process"} {
				w.git(w.repo, "config", how, "filter.lfs."+key, command)
			}
			w.git(w.repo, "config", how, "filter.lfs.required", "true")
			w.write(w.repo, ".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
			w.write(w.repo, "old.bin", "old\x00content\n")
			w.git(w.repo, "add", "-A")
			w.git(w.repo, "commit", "-qm", "with a large file")
			if err := w.r.Freeze(t.Context()); err != nil {
				t.Fatal(err)
			}
			wt := w.prepare("t1")
			if got := w.read(wt.Path, "old.bin"); got != "old\x00content\n" {
				t.Errorf("old.bin of a new worktree = %q", got)
			}
			w.write(wt.Path, "new.bin", "new\x00content\n")
			tree := w.tree(wt.Path)
			if got := w.git(w.repo, "cat-file", "blob", tree+":new.bin"); !strings.HasPrefix(got, "version https://git-lfs") {
				t.Errorf("new.bin = %q", got)
			}
			if _, err := w.land(wt, tree); err != nil {
				t.Fatal(err)
			}
			w.git(w.repo, "checkout", "-q", "--detach", wt.Branch)
			if got := w.read(w.repo, "new.bin"); got != "new\x00content\n" {
				t.Errorf("new.bin of another checkout = %q", got)
			}
			if got := w.git(wt.Path, "status", "--porcelain"); got != "" {
				t.Errorf("status = %q", got)
			}
		})
	}
}

func TestASplitIndexIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.write(wt.Path, "forced.log", "tracked although it is ignored\n")
	w.git(wt.Path, "add", "-f", "forced.log")
	w.git(wt.Path, "update-index", "--split-index")
	if shared, _ := filepath.Glob(filepath.Join(w.repo, ".git/worktrees/t1-x/sharedindex.*")); len(shared) == 0 {
		t.Fatal("the index is not split")
	}
	w.git(w.repo, "cat-file", "-e", w.tree(wt.Path)+":forced.log")
}

// TestAnIndexIsNotWrittenThroughALink replaces the index by a link to a file of the user's.
func TestAnIndexIsNotWrittenThroughALink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.write(w.dir, "home/.profile", "the user's\n")
	index := filepath.Join(w.repo, ".git/worktrees/t1-x/index")
	if err := errors.Join(os.Remove(index), os.Symlink(filepath.Join(w.dir, "home/.profile"), index)); err != nil {
		t.Fatal(err)
	}
	w.write(wt.Path, "new", "n\n")
	if _, err := w.land(wt, w.tree(wt.Path)); err != nil {
		t.Log(err)
	}
	if got := w.read(w.dir, "home/.profile"); got != "the user's\n" {
		t.Errorf("a file of the user's was written: %q", got)
	}
}

func TestGitCryptWorks(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git-crypt"); err != nil {
		t.Skip("git-crypt is not installed")
	}
	w := newWorld(t)
	if out, err := exec.Command("sh", "-c", "cd "+w.repo+" && HOME="+w.dir+"/home git-crypt init").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.write(w.repo, ".gitattributes", "secret* filter=git-crypt diff=git-crypt\n")
	w.write(w.repo, "secret.txt", "first\n")
	w.git(w.repo, "add", "-A")
	w.git(w.repo, "commit", "-qm", "with a secret")
	if err := w.r.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	wt := w.prepare("t1")
	if got := w.read(wt.Path, "secret.txt"); got != "first\n" {
		t.Errorf("secret.txt of a new worktree = %q", got)
	}
	w.write(wt.Path, "secret.txt", "second\n")
	w.git(wt.Path, "config", "--remove-section", "filter.git-crypt")
	tree := w.tree(wt.Path)
	if got := w.git(w.repo, "cat-file", "blob", tree+":secret.txt"); !strings.HasPrefix(got, "\x00GITCRYPT\x00") {
		t.Errorf("secret.txt = %q", got)
	}
	if _, err := w.land(wt, tree); err != nil {
		t.Fatal(err)
	}
}
