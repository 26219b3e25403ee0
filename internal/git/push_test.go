package git

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/fault"
	"muster/internal/testkit/hub"
)

// remote is a world whose repository has a remote on a server.
type remote struct {
	*world
	hub *hub.Hub
	wt  Worktree
}

// newRemote makes a remote with a task's worktree. ready changes the checkout before the first use of the repository.
func newRemote(t *testing.T, ready func(w *world)) *remote {
	t.Helper()
	w := newWorld(t)
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	h := hub.Start(t, program)
	h.Repo("widget")
	w.git(w.repo, "remote", "add", "origin", h.URL+"/widget.git")
	w.write(w.dir, "home/.gitconfig", "[credential]\n\thelper = \"!f() { echo username=x; echo password="+hub.Token+"; }; f\"\n")
	w.git(w.repo, "push", "-q", "origin", "main")
	if ready != nil {
		ready(w)
	}
	w.r = w.open(w.repo)
	if err := w.r.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &remote{world: w, hub: h, wt: w.prepare("t1")}
}

// commit adds a commit to the task's branch and returns it.
func (r *remote) commit(name string) string {
	r.t.Helper()
	r.write(r.wt.Path, name, name+"\n")
	r.git(r.wt.Path, "add", "-A")
	r.git(r.wt.Path, "commit", "-qm", name)
	return strings.TrimSpace(r.git(r.wt.Path, "rev-parse", "HEAD"))
}

func (r *remote) push(ctx context.Context, commit string) error {
	return r.r.Push(ctx, PushSpec{Remote: "origin", Branch: r.wt.Branch, Commit: commit, Task: "t1"})
}

// there returns the commit that the branch has on the server; "" if there is none.
func (r *remote) there() string {
	out, _ := r.tryGit(filepath.Join(r.hub.Dir, "widget.git"), "rev-parse", "-q", "--verify", "refs/heads/"+r.wt.Branch)
	return strings.TrimSpace(out)
}

func (r *remote) wantThere(commit string) {
	r.t.Helper()
	if got := r.there(); got != commit {
		r.t.Errorf("the branch of the server is at %q, want %s", got, commit)
	}
	if forced := r.hub.Forced("widget"); forced != nil {
		r.t.Errorf("a push was forced: %v", forced)
	}
}

func TestPushBringsTheCommitOnceAndFollowsIt(t *testing.T) {
	t.Parallel()
	r := newRemote(t, nil)
	first := r.commit("one")
	for range 2 {
		if err := r.push(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		r.wantThere(first)
	}
	second := r.commit("two")
	if err := r.push(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	r.wantThere(second)
	if n := len(r.hub.Pushes("widget")); n != 3 { // main, one, two
		t.Errorf("the server was pushed to %d times, want 3: %v", n, r.hub.Pushes("widget"))
	}
	if refs := r.git(r.repo, "for-each-ref", "refs/remotes"); strings.Contains(refs, "muster/") {
		t.Errorf("the push changed refs of the repository: %s", refs)
	}
}

func TestPushToAPathRunsTheHooksThere(t *testing.T) {
	t.Parallel()
	r := newRemote(t, func(w *world) { w.git(w.repo, "remote", "add", "disk", filepath.Join(w.dir, "disk.git")) })
	r.git(r.dir, "init", "-q", "--bare", "disk.git")
	commit := r.commit("one")
	to := PushSpec{Remote: "disk", Branch: r.wt.Branch, Commit: commit}
	hook := filepath.Join(r.dir, "disk.git/hooks/pre-receive")
	r.write(r.dir, "disk.git/hooks/pre-receive", "#!/bin/sh\necho GH013: a secret in line 3 >&2\nexit 1\n")
	if err := os.Chmod(hook, 0o755); err != nil {
		t.Fatal(err)
	}
	err := r.r.Push(t.Context(), to)
	if !errors.Is(err, ErrDeclined) || !strings.Contains(err.Error(), "GH013: a secret in line 3") || !strings.Contains(err.Error(), "pre-receive hook declined") {
		t.Errorf("Push = %v, want ErrDeclined with the words of the hook", err)
	}
	if err := os.Remove(hook); err != nil {
		t.Fatal(err)
	}
	if err := r.r.Push(t.Context(), to); err != nil {
		t.Error(err)
	}
	if got := strings.TrimSpace(r.git(filepath.Join(r.dir, "disk.git"), "rev-parse", r.wt.Branch)); got != commit {
		t.Errorf("the branch is at %s, want %s", got, commit)
	}
}

func TestPushNeverForces(t *testing.T) {
	t.Parallel()
	for name, setUp := range map[string]func(r *remote){
		"plain": func(*remote) {},
		"a mirror and a forcing refspec, by an agent": func(r *remote) {
			r.git(r.wt.Path, "config", "remote.origin.mirror", "true")
			r.git(r.wt.Path, "config", "remote.origin.push", "+refs/heads/*:refs/heads/*")
			if err := r.open(r.repo).Freeze(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRemote(t, nil)
			// Somebody else has written on the branch.
			r.git(r.repo, "checkout", "-q", "-b", "other")
			r.git(r.repo, "commit", "-q", "--allow-empty", "-m", "theirs")
			theirs := strings.TrimSpace(r.git(r.repo, "rev-parse", "HEAD"))
			r.git(r.repo, "push", "-q", "origin", "HEAD:refs/heads/"+r.wt.Branch)
			setUp(r)
			err := r.push(t.Context(), r.commit("one"))
			if !errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), theirs[:10]) {
				t.Errorf("Push = %v, want ErrDiverged with the commit", err)
			}
			r.wantThere(theirs)
			// Nothing else of the repository went along.
			if out, err := r.tryGit(filepath.Join(r.hub.Dir, "widget.git"), "rev-parse", "-q", "--verify", "refs/heads/other"); err == nil {
				t.Errorf("another branch was pushed, too: %s", out)
			}
		})
	}
}

// TestPushThatMeetsAFault has each fault of the server at the first request, and at the one that would push.
func TestPushThatMeetsAFault(t *testing.T) {
	t.Parallel()
	receives := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/git-receive-pack") }
	for _, tt := range []struct {
		name    string
		fault   hub.Fault
		at      func(r *http.Request) bool // nil is each request
		want    error
		arrives bool
	}{
		{"the service is down", hub.Unavailable, nil, ErrUnreachable, false},
		{"the connection is cut", hub.Cut, nil, ErrUnreachable, false},
		{"the login is refused", hub.Refused, nil, ErrLogin, false},
		{"it is forbidden", hub.Forbidden, nil, ErrDeclined, false},
		{"the service goes down before the push", hub.Unavailable, receives, ErrUnreachable, false},
		{"the connection is cut before the push", hub.Cut, receives, ErrUnreachable, false},
		{"the answer to the push is lost", hub.Lost, receives, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRemote(t, nil)
			commit := r.commit("one")
			r.hub.Break(func(req *http.Request) hub.Fault {
				if tt.at == nil || tt.at(req) {
					return tt.fault
				}
				return hub.None
			})
			err := r.push(t.Context(), commit)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("Push = %v, want %v", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), hub.Token) {
				t.Errorf("the error has the token: %v", err)
			}
			if arrived := r.there() != ""; arrived != tt.arrives {
				t.Errorf("the commit arrived: %v, want %v", arrived, tt.arrives)
			}
			r.hub.Break(nil)
			if err := r.push(t.Context(), commit); err != nil {
				t.Errorf("Push after the fault = %v", err)
			}
			r.wantThere(commit)
			if n := len(r.hub.Pushes("widget")); n != 2 { // main, and one
				t.Errorf("%d updates, want 2: %v", n, r.hub.Pushes("widget"))
			}
		})
	}
}

func TestPushWithoutAServerIsUnreachable(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"http": "http://127.0.0.1:1/x.git", "ssh": "ssh://127.0.0.1:1/x.git"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRemote(t, func(w *world) { w.git(w.repo, "remote", "add", "gone", url) })
			err := r.r.Push(t.Context(), PushSpec{Remote: "gone", Branch: r.wt.Branch, Commit: r.commit("one")})
			if !errors.Is(err, ErrUnreachable) {
				t.Errorf("Push = %v, want ErrUnreachable", err)
			}
		})
	}
}

// writePrePush writes a hook that records its input and its place, and fails if fails is set.
func (w *world) writePrePush(path, mark string, fails bool) {
	w.t.Helper()
	script := "#!/bin/sh\n(echo \"$1 task=$MUSTER_TASK\"; cat) >> " + mark + "\n"
	if fails {
		script += "echo the hook says no >&2\nexit 1\n"
	}
	w.write(filepath.Dir(path), filepath.Base(path), script)
	if err := os.Chmod(path, 0o755); err != nil {
		w.t.Fatal(err)
	}
}

func TestTryPushAsksForTheRightToWriteAndSendsNothing(t *testing.T) {
	t.Parallel()
	r := newRemote(t, func(w *world) {
		w.write(w.repo, ".git/hooks/pre-push", "#!/bin/sh\ntouch ran\nexit 1\n")
		if err := os.Chmod(filepath.Join(w.repo, ".git/hooks/pre-push"), 0o700); err != nil {
			t.Fatal(err)
		}
	})
	spec := PushSpec{Remote: "origin", Branch: r.wt.Branch, Commit: r.commit("work"), Task: "t1"}
	if err := r.r.TryPush(t.Context(), spec); err != nil {
		t.Errorf("a push that may be made: %v", err)
	}
	if at := r.there(); at != "" {
		t.Errorf("the branch is at %s on the server", at)
	}
	r.write(r.dir, "home/.gitconfig", "[credential]\n\thelper = \"!f() { echo username=x; echo password=wrong; }; f\"\n")
	if err := r.open(r.repo).TryPush(t.Context(), spec); !errors.Is(err, ErrLogin) {
		t.Errorf("with a login that is not accepted: %v, want ErrLogin", err)
	}
}

func TestPushRunsTheHookOfTheUser(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]func(w *world) string{
		"in the repository": func(w *world) string { return filepath.Join(w.repo, ".git/hooks/pre-push") },
		"in a directory of the repository's configuration": func(w *world) string {
			w.git(w.repo, "config", "core.hooksPath", filepath.Join(w.dir, "hooks"))
			return filepath.Join(w.dir, "hooks/pre-push")
		},
		"in a directory of the user's configuration": func(w *world) string {
			w.write(w.dir, "home/.gitconfig", w.read(w.dir, "home/.gitconfig")+"[core]\n\thooksPath = ~/hooks\n")
			return filepath.Join(w.dir, "home/hooks/pre-push")
		},
	} {
		for _, fails := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var mark string
				r := newRemote(t, func(w *world) {
					mark = filepath.Join(w.dir, "hook ran")
					w.writePrePush(place(w), "'"+mark+"'", fails)
				})
				if to, err := r.r.Destination(t.Context(), "main"); err != nil || to.Remote != "origin" || to.Notice != "" {
					t.Errorf("Destination = %+v, %v", to, err)
				}
				commit := r.commit("one")
				err := r.push(t.Context(), commit)
				if ran := r.read(r.dir, "hook ran"); !strings.Contains(ran, "origin task=t1\n") || !strings.Contains(ran, commit) {
					t.Errorf("the hook saw %q", ran)
				}
				switch {
				case !fails && err != nil:
					t.Error(err)
				case fails && (!errors.Is(err, ErrDeclined) || !strings.Contains(err.Error(), "the hook says no")):
					t.Errorf("Push = %v, want ErrDeclined with the words of the hook", err)
				case fails:
					commit = ""
				}
				r.wantThere(commit)
			})
		}
	}
}

func TestPushRunsNothingOfAnAgent(t *testing.T) {
	t.Parallel()
	r := newRemote(t, func(w *world) { w.git(w.repo, "config", "core.hooksPath", ".hooks") })
	commit := r.commit("one")
	command, mark := r.trap()
	r.write(r.repo, ".git/config", r.read(r.repo, ".git/config")+hostile(command)+
		"[url \"ext::"+command+" \"]\n\tpushInsteadOf = http\n[protocol \"ext\"]\n\tallow = always\n[remote \"origin\"]\n\treceivepack = "+command+"\n\tvcs = evil\n\tpushurl = /tmp/elsewhere\n")
	for _, hook := range []string{".git/hooks/pre-push", ".git/hooks/reference-transaction", ".hooks/pre-push"} {
		r.writePrePush(filepath.Join(r.repo, hook), mark, false)
	}
	r.writePrePush(filepath.Join(r.wt.Path, ".hooks/pre-push"), mark, false)
	if err := r.push(t.Context(), commit); err != nil {
		t.Error(err)
	}
	if exists(mark) {
		t.Errorf("a program of the agent's ran: %s", r.read(r.dir, "ran"))
	}
	r.wantThere(commit)
}

func TestDestinationFollowsTheConfiguration(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, base, want string
		code             fault.Code
		ready            func(w *world)
	}{
		{"no remote", "main", "", fault.Conflict, func(w *world) { w.git(w.repo, "remote", "remove", "origin") }},
		{"origin among others", "main", "origin", "", func(w *world) { w.git(w.repo, "remote", "add", "a", "/a") }},
		{"the only one", "", "mine", "", func(w *world) { w.git(w.repo, "remote", "rename", "origin", "mine") }},
		{"several", "@t1", "", fault.Conflict, func(w *world) {
			w.git(w.repo, "remote", "rename", "origin", "mine")
			w.git(w.repo, "remote", "add", "a", "/a")
		}},
		{"the push default", "main", "fork", "", func(w *world) {
			w.git(w.repo, "remote", "add", "fork", "/a")
			w.git(w.repo, "config", "branch.main.remote", "origin")
			w.git(w.repo, "config", "remote.pushDefault", "fork")
		}},
		{"the branch's own", "main", "fork", "", func(w *world) {
			w.git(w.repo, "remote", "add", "fork", "/a")
			w.git(w.repo, "config", "branch.main.pushRemote", "fork")
		}},
		{"one that is not there", "main", "", fault.Conflict, func(w *world) { w.git(w.repo, "config", "remote.pushDefault", "nowhere") }},
		{"a flag", "main", "", fault.Conflict, func(w *world) { w.git(w.repo, "config", "remote.pushDefault", "--mirror") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.git(w.repo, "remote", "add", "origin", "/x")
			tt.ready(w)
			w.r = w.open(w.repo)
			to, err := w.r.Destination(t.Context(), tt.base)
			if to.Remote != tt.want && err == nil || tt.code == "" && err != nil || tt.code != "" && fault.CodeOf(err) != tt.code {
				t.Errorf("Destination(%q) = %+v, %v; want %q", tt.base, to, err, tt.want)
			}
			if err != nil && fault.HintOf(err) == "" {
				t.Errorf("%v has no hint", err)
			}
		})
	}
}

func TestAHookThatChangedIsRefusedAtDispatch(t *testing.T) {
	t.Parallel()
	r := newRemote(t, nil)
	r.writePrePush(filepath.Join(r.repo, ".git/hooks/pre-push"), "/dev/null", false)
	again := r.open(r.repo)
	if err := again.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Destination(t.Context(), "main"); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "pre-push") {
		t.Errorf("Destination = %v, want a conflict about the hook", err)
	}
}

func TestAHookOfTheProjectIsNotRunAndSaidSo(t *testing.T) {
	t.Parallel()
	r := newRemote(t, func(w *world) {
		w.git(w.repo, "config", "core.hooksPath", ".hooks")
		w.writePrePush(filepath.Join(w.repo, ".hooks/pre-push"), filepath.Join(w.dir, "ran"), true)
	})
	to, err := r.r.Destination(t.Context(), "main")
	if err != nil || !strings.Contains(to.Notice, ".hooks/pre-push is not run") {
		t.Errorf("Destination = %+v, %v; want a notice", to, err)
	}
	if err := r.push(t.Context(), r.commit("one")); err != nil {
		t.Error(err)
	}
	if exists(filepath.Join(r.dir, "ran")) {
		t.Error("the hook of the project ran")
	}
}

// TestPushBringsTheFilesOfLFS pushes with the hook that git lfs installs, which uploads the files before their pointers.
// The remote is a path, where the files go to lfs/objects.
func TestPushBringsTheFilesOfLFS(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git-lfs"); err != nil {
		t.Skip("git-lfs is not installed")
	}
	r := newRemote(t, func(w *world) {
		w.git(w.dir, "init", "-q", "--bare", "disk.git")
		w.git(w.repo, "remote", "add", "disk", "file://"+filepath.Join(w.dir, "disk.git"))
		w.git(w.repo, "lfs", "install", "--local")
		w.write(w.repo, ".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
		w.git(w.repo, "add", "-A")
		w.git(w.repo, "commit", "-qm", "attributes")
	})
	r.write(r.wt.Path, "big.bin", "big\n")
	commit := r.commit("one")
	if err := r.r.Push(t.Context(), PushSpec{Remote: "disk", Branch: r.wt.Branch, Commit: commit}); err != nil {
		t.Fatal(err)
	}
	var found []string
	_ = filepath.WalkDir(filepath.Join(r.dir, "disk.git/lfs/objects"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			found = append(found, path)
		}
		return nil
	})
	if len(found) != 1 {
		t.Errorf("the remote has the LFS objects %v, want one", found)
	}
}

// TestPushGoesThroughAProxyByTheSettingsOfTheUser has the authority of the proxy in the user's configuration of git.
func TestPushGoesThroughAProxyByTheSettingsOfTheUser(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	h := hub.Start(t, program)
	h.Repo("acme/widget")
	p := h.Behind(t.TempDir())
	r := newRemote(t, func(w *world) {
		w.git(w.repo, "remote", "add", "company", "https://"+hub.Host+"/acme/widget.git")
		w.git(w.repo, "config", "--global", "http.sslCAInfo", p.Authority)
		w.git(w.repo, "config", "--global", "http.proxy", p.URL)
	})
	commit := r.commit("one")
	if err := r.r.Push(t.Context(), PushSpec{Remote: "company", Branch: r.wt.Branch, Commit: commit, Task: "t1"}); err != nil {
		t.Fatal(err)
	}
	if pushes := h.Pushes("acme/widget"); len(pushes) != 1 || !strings.HasSuffix(pushes[0], commit) {
		t.Errorf("the server was pushed to: %q", pushes)
	}
	if to, _ := p.Tunnels(); len(to) == 0 {
		t.Error("nothing went through the proxy")
	}
}

// TestPushTellsNothingOfTheLoginOfAProxy has a proxy that refuses the login, and one whose URL curl cannot read and quotes.
func TestPushTellsNothingOfTheLoginOfAProxy(t *testing.T) {
	t.Parallel()
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Proxy-Authenticate", `Basic realm="company"`)
		http.Error(w, "who are you?", http.StatusProxyAuthRequired)
	}))
	t.Cleanup(refuses.Close)
	for _, tt := range []struct {
		proxy, words string
		cause        error
	}{
		{"http://ann:s3cr-et@" + refuses.Listener.Addr().String(), "407", ErrUnreachable},
		{"http://ann:s3cr/et@127.0.0.1:1", "Unsupported proxy syntax in '[the rest is not shown", ErrDeclined},
	} {
		r := newRemote(t, func(w *world) {
			w.git(w.repo, "remote", "add", "company", "https://github.com/acme/widget.git")
			w.env = append(w.env, "HTTPS_PROXY="+tt.proxy, "NO_PROXY=127.0.0.1")
		})
		err := r.r.Push(t.Context(), PushSpec{Remote: "company", Branch: r.wt.Branch, Commit: r.commit("one"), Task: "t1"})
		if !errors.Is(err, tt.cause) || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: %v", tt.proxy, err)
		}
		for ; err != nil; err = errors.Unwrap(err) {
			if strings.Contains(err.Error(), "s3cr") {
				t.Errorf("%T tells the password: %v", err, err)
			}
		}
	}
}
