package e2e

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/testkit/claude"
	"muster/internal/testkit/model"
)

// The night takes a quarter of an hour, so only `make night` runs it.
var (
	nightTasks = flag.Int("night.tasks", 0, "queue so many tasks on three repositories; 0 skips the test")
	nightSetup = flag.Duration("night.setup", time.Minute, "how long the setup of the monorepo takes")
)

// nightRepo is one repository of the night, with the person who works in it.
type nightRepo struct {
	name    string
	dir     string
	commits []string // the subjects of the person's commits while the fleet works
}

// nightTask is one task: the shell commands that the scripted model uses in each turn, and how the task has to end.
type nightTask struct {
	repo  *nightRepo
	name  string
	turns [][]string // the second turn follows the first feedback, and so on
	want  event.State
	// reasons are the allowed reasons of a parked task.
	reasons []event.Reason
	// published checks a fresh clone of the branch of a done task.
	published func(clone string) error
	id        event.TaskID
}

// goodbye is the text that the person's Stop hook requires before any turn of the third repository ends.
const goodbye = "Say goodbye before you stop."

// TestANightOnThreeRepositories runs tasks of the newest Claude Code on a repository with a submodule and LFS, on a
// monorepo with a sparse checkout and a long setup, and on one with a commit hook, signed commits and a Stop hook of
// the person. Supervisor and tmux server are killed twice each, and a person commits in each checkout all the time.
func TestANightOnThreeRepositories(t *testing.T) {
	if *nightTasks == 0 {
		t.Skip("run make night")
	}
	if _, err := exec.LookPath("git-lfs"); err != nil {
		t.Skip("git-lfs is not installed")
	}
	r := newClaudeRigOf(t, claude.Newest, "", nil)
	r.userConfig("[fleet]\nmax_agents = 3\nmax_checks = 2\nmin_free_disk = 1\nmin_free_memory = 1\n")
	r.write(r.root+"/user/.gitconfig", "[user]\n\tname = Pat\n\temail = pat@example.org\n[protocol \"file\"]\n\tallow = always\n"+
		"[filter \"lfs\"]\n\tclean = git-lfs clean -- %f\n\tsmudge = git-lfs smudge -- %f\n\tprocess = git-lfs filter-process\n\trequired = true\n")
	media, mono, signed := r.media(), r.mono(), r.signed()
	repos := []*nightRepo{media, mono, signed}
	r.user = claude.SetUp(t, claude.Newest, r.root+"/user", media.dir, mono.dir, signed.dir)
	r.user.Settings(t, map[string]any{"permissions": map[string]any{"allow": []string{"Bash"}}})
	r.model.Otherwise(brain)

	var tasks []*nightTask
	for i := 0; len(tasks) < *nightTasks; i++ {
		tasks = append(tasks, mediaTask(media, i), monoTask(mono, i), signedTask(signed, i))
	}
	tasks = tasks[:*nightTasks]
	for _, n := range tasks { // the first starts the fleet
		n.id = r.queue(n.name, n.prompt(), "--repo", n.repo.dir)
	}
	over := func() int {
		return len(slices.DeleteFunc(slices.Clone(tasks), func(n *nightTask) bool {
			s := r.task(n.id).State
			return !s.Final() && s != event.Parked
		}))
	}
	kills := []func(){
		func() { r.kill(r.only("supervise")) }, func() { r.kill(r.server()) },
		func() { r.kill(r.only("supervise")) }, func() { r.kill(r.server()) },
	}
	deadline := time.Now().Add(40 * time.Minute)
	for n := 0; over() < len(tasks); time.Sleep(2 * time.Second) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d tasks are over after 40 minutes:\n%s", over(), len(tasks), r.must("ls", "--all"))
		}
		for _, p := range repos {
			p.work(r)
		}
		if n < len(kills) && over() >= (n+1)*len(tasks)/(len(kills)+1) {
			t.Logf("%d tasks are over: kill %d", over(), n+1)
			kills[n]()
			n++
		}
	}
	t.Logf("\n%s", r.must("ls", "--all"))
	for _, n := range tasks {
		r.judge(n)
	}
	for _, p := range repos {
		p.unharmed(r)
	}
}

// brain is the model of the night. A prompt names the commands of each turn. The feedback so far tells which turn it
// is.
func brain(q model.Request) model.Reply {
	last := strings.Join(q.Last().Texts, "\n")
	if strings.Contains(last, goodbye) {
		return model.Say("goodbye")
	}
	var turns [][]string
	heard := map[string]bool{} // the tags of messages
	done := 0                  // commands since the newest of these messages
	for _, m := range q.Messages {
		for _, text := range m.Texts {
			if m.Role != "user" {
				continue
			}
			for line := range strings.Lines(text) {
				line = strings.TrimSpace(line)
				if command, ok := strings.CutPrefix(line, "turn "); ok && len(heard) == 0 {
					number, command, _ := strings.Cut(command, ": ")
					n, _ := strconv.Atoi(number)
					for len(turns) < n {
						turns = append(turns, nil)
					}
					if n > 0 && !slices.Contains(turns[n-1], command) {
						turns[n-1] = append(turns[n-1], command)
					}
				}
				if tag, _, ok := strings.Cut(line, "]"); ok && strings.HasPrefix(tag, "[muster m") && !heard[tag] {
					heard[tag] = true
					done = 0
				}
			}
		}
		for _, result := range m.ToolResults {
			if !result.IsError {
				done++
			}
		}
	}
	if turn := len(heard); turn < len(turns) && done < len(turns[turn]) {
		return model.Use("Bash", map[string]any{"command": turns[turn][done], "description": "as the task says"})
	}
	return model.Say("That is all.")
}

// prompt returns the text that brain reads.
func (n *nightTask) prompt() string {
	var out strings.Builder
	out.WriteString("Do exactly this.\n")
	for i, commands := range n.turns {
		for _, c := range commands {
			fmt.Fprintf(&out, "turn %d: %s\n", i+1, c)
		}
	}
	return out.String()
}

// newRepo makes a repository with these files and one commit.
func (r *agentRig) newRepo(dir string, files map[string]string) {
	r.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as a person's repository is
			r.t.Fatal(err)
		}
		r.write(path, files[name])
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		r.gitIn(dir, "init", "-q", "-b", "main")
	}
	r.gitIn(dir, "add", "-A")
	r.gitIn(dir, "commit", "-q", "-m", "first")
}

// toml returns the muster.toml of a repository. Every task's check requires that no line of the work says bad.
func (r *agentRig) toml(setup string) string {
	return "[task]\nagent = \"claude\"\nrounds = 3\n[workspace]\nsetup = \"" + setup + `"
[checks]
work = "sh check.sh"
` + r.agentTables("", "")
}

// media makes the repository with a submodule and a file in LFS. Its origin accepts the submodule's commits.
func (r *agentRig) media() *nightRepo {
	lib := r.root + "/lib"
	r.newRepo(lib, map[string]string{"lib.txt": "one\n"})
	r.gitIn(r.root, "clone", "-q", "--bare", lib, r.root+"/lib.git")
	p := &nightRepo{name: "media", dir: r.repo}
	r.write(p.dir+"/.gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
	r.write(p.dir+"/big.bin", strings.Repeat("media\n", 20_000))
	r.write(p.dir+"/check.sh", "set -e\nif grep bad work-*; then exit 1; fi\ntest -f lib/lib.txt\ntest $(wc -c < big.bin) -ge 120000\n")
	r.write(p.dir+"/muster.toml", r.toml("git submodule update --init"))
	r.gitIn(p.dir, "submodule", "add", "-q", r.root+"/lib.git", "lib")
	r.gitIn(p.dir, "add", "-A")
	r.gitIn(p.dir, "commit", "-q", "-m", "media")
	return p
}

func mediaTask(p *nightRepo, i int) *nightTask {
	n := &nightTask{repo: p, name: fmt.Sprintf("media-%d", i), want: event.Done}
	work := "work-" + n.name
	bad, good := "echo bad > "+work, "echo good > "+work
	n.turns = [][]string{{bad}, {good}}
	switch i % 5 {
	case 1: // the file in LFS
		n.turns = [][]string{{good, "echo more >> big.bin"}}
		n.published = func(clone string) error {
			b, err := os.ReadFile(filepath.Join(clone, "big.bin"))
			if err == nil && !strings.HasSuffix(string(b), "media\nmore\n") {
				err = fmt.Errorf("big.bin ends with %q", string(b[max(0, len(b)-40):]))
			}
			return err
		}
	case 2: // an edit in the submodule that is not committed
		n.turns = [][]string{{good, "echo two >> lib/lib.txt"}}
		n.want = event.Parked
	case 3: // a commit of the submodule that its origin does not have
		n.turns = [][]string{{good, "cd lib && echo two >> lib.txt && git commit -qam two"}}
		n.want = event.Parked
	case 4: // a commit that its origin has
		n.turns = [][]string{{good, "cd lib && echo two >> lib.txt && git commit -qam two && git push -q origin HEAD:refs/heads/" + n.name}}
		n.published = func(clone string) error {
			b, err := os.ReadFile(filepath.Join(clone, "lib", "lib.txt"))
			if err == nil && string(b) != "one\ntwo\n" {
				err = fmt.Errorf("lib.txt is %q", b)
			}
			return err
		}
	}
	return n
}

// mono makes the monorepo of which the person has checked out two of three packages.
func (r *agentRig) mono() *nightRepo {
	p := &nightRepo{name: "mono", dir: r.root + "/mono"}
	files := map[string]string{
		"muster.toml": r.toml(fmt.Sprintf("sleep %d", int(nightSetup.Seconds()))),
		"check.sh":    "set -e\nif grep -r bad packages; then exit 1; fi\ntest ! -e packages/c\n",
	}
	for _, name := range []string{"a", "b", "c"} {
		for i := range 100 {
			files[fmt.Sprintf("packages/%s/%d.txt", name, i)] = name + "\n"
		}
	}
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		r.t.Fatal(err)
	}
	r.newRepo(p.dir, files)
	r.gitIn(p.dir, "sparse-checkout", "set", "packages/a", "packages/b")
	return p
}

func monoTask(p *nightRepo, i int) *nightTask {
	n := &nightTask{repo: p, name: fmt.Sprintf("mono-%d", i), want: event.Done}
	bad, good := "echo bad > packages/a/"+n.name, "echo good > packages/a/"+n.name
	n.turns = [][]string{{bad}, {good}}
	switch i % 5 {
	case 1: // it never fixes its work
		n.turns = [][]string{{bad}}
		n.want, n.reasons = event.Parked, []event.Reason{life.ReasonNoProgress}
	case 2: // it changes nothing
		n.turns = [][]string{{"ls packages"}}
		n.want = event.Parked
	case 3: // it commits by itself
		n.turns = [][]string{{good, "git add -A && git commit -qm own"}}
	}
	n.published = func(clone string) error {
		_, err := os.Stat(filepath.Join(clone, "packages", "c", "99.txt")) // a file that was not checked out still exists
		return err
	}
	return n
}

// signed makes the repository with a commit hook, signed commits, and a Stop hook of the person that blocks once.
func (r *agentRig) signed() *nightRepo {
	p := &nightRepo{name: "signed", dir: r.root + "/signed"}
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		r.t.Fatal(err)
	}
	key := r.root + "/user/key"
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil { //nolint:noctx // it ends by itself
		r.t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	stop := `case $(cat) in *'"stop_hook_active":true'*) ;; *) echo '{"decision":"block","reason":"` + goodbye + `"}';; esac`
	settings := `{"hooks":{"Stop":[{"hooks":[{"type":"command","command":` + strconv.Quote(stop) + `}]}]}}`
	r.newRepo(p.dir, map[string]string{
		"muster.toml": r.toml(""), "check.sh": "set -e\nif grep bad work-*; then exit 1; fi\n", ".claude/settings.json": settings,
	})
	for _, kv := range [][2]string{{"gpg.format", "ssh"}, {"user.signingkey", key}, {"commit.gpgsign", "true"}} {
		r.gitIn(p.dir, "config", kv[0], kv[1])
	}
	hook := p.dir + "/.git/hooks/pre-commit"
	r.write(hook, "#!/bin/sh\necho hook >> '"+r.root+"/user/hooks.log'\n")
	if err := os.Chmod(hook, 0o700); err != nil { //nolint:gosec // a hook is a program
		r.t.Fatal(err)
	}
	return p
}

func signedTask(p *nightRepo, i int) *nightTask {
	n := &nightTask{repo: p, name: fmt.Sprintf("signed-%d", i), want: event.Done}
	work := "work-" + n.name
	n.turns = [][]string{{"echo bad > " + work}, {"echo good > " + work}}
	switch i % 5 {
	case 1: // several turns
		n.turns = [][]string{{"echo bad > " + work}, {"echo still bad > " + work}, {"echo good > " + work}}
	case 2: // it commits, so the hook and the signature run for its own commit
		n.turns = [][]string{{"echo good > " + work, "git add -A && git commit -qm own"}}
	case 3: // it leaves a merge with conflicts
		n.turns = [][]string{{
			"echo good > " + work, "echo x > same && git add -A && git commit -qm mine",
			"git checkout -q -B other-" + n.name + " HEAD~1 && echo y > same && git add -A && git commit -qm theirs",
			"git checkout -q - && (git merge other-" + n.name + " || true)", // the branches of the repository are shared by its tasks
		}}
		n.want = event.Parked
	}
	return n
}

// work makes a commit in the checkout as the person does, with the hooks and the signature of the person's Git.
func (p *nightRepo) work(r *agentRig) {
	subject := fmt.Sprintf("person %d", len(p.commits)+1)
	r.write(filepath.Join(p.dir, "person.txt"), subject+"\n")
	r.gitIn(p.dir, "add", "person.txt")
	r.gitIn(p.dir, "commit", "-q", "-m", subject)
	p.commits = append(p.commits, subject)
}

// unharmed proves that the person's checkout is unchanged.
func (p *nightRepo) unharmed(r *agentRig) {
	r.t.Helper()
	subjects := strings.Split(r.gitIn(p.dir, "log", "--reverse", "--format=%s", "main"), "\n")
	if got := subjects[len(subjects)-len(p.commits):]; !slices.Equal(got, p.commits) {
		r.t.Errorf("%s: the person's commits are %q, want %q", p.name, got, p.commits)
	}
	if st := r.gitIn(p.dir, "status", "--porcelain"); st != "" {
		r.t.Errorf("%s: the checkout was touched:\n%s", p.name, st)
	}
	if branch := r.gitIn(p.dir, "symbolic-ref", "HEAD"); branch != "refs/heads/main" {
		r.t.Errorf("%s: the checkout is on %s", p.name, branch)
	}
	if out, err := r.tryGit(p.dir, "fsck", "--no-dangling", "--connectivity-only"); err != nil {
		r.t.Errorf("%s: %v\n%s", p.name, err, out)
	}
}

// judge checks how a task ended. For a done task it also checks the published branch in a fresh clone.
func (r *agentRig) judge(n *nightTask) {
	r.t.Helper()
	got := r.task(n.id)
	said := fmt.Sprintf("%s %s is %s (%s: %s)", n.id, n.name, got.State, got.Reason, got.Detail)
	if got.State != n.want || len(n.reasons) > 0 && !slices.Contains(n.reasons, got.Reason) {
		r.t.Errorf("%s, want %s %v\n%s", said, n.want, n.reasons, r.must("why", string(n.id)))
		return
	}
	r.t.Log(said)
	published := r.gitIn(n.repo.dir, "branch", "--list", got.Branch, "--format=%(objectname)")
	if n.want == event.Parked {
		r.keptWork(n, got)
		return
	}
	clone := fmt.Sprintf("%s/clone-%s", r.root, n.id)
	r.gitIn(r.root, "clone", "-q", "-b", got.Branch, n.repo.dir, clone)
	if n.repo.name == "media" {
		r.gitIn(clone, "submodule", "update", "-q", "--init")
	}
	check := exec.Command("sh", "check.sh") //nolint:noctx // it ends by itself
	check.Dir, check.Env = clone, r.env
	if n.repo.name == "mono" { // the check of a whole checkout is a different one
		check = exec.Command("sh", "-c", "! grep -rq bad packages") //nolint:noctx // it ends by itself
		check.Dir, check.Env = clone, r.env
	}
	if out, err := check.CombinedOutput(); err != nil {
		r.t.Errorf("%s, and what it published (%s) is red in a fresh clone: %v\n%s", said, published, err, out)
	}
	if n.published != nil {
		if err := n.published(clone); err != nil {
			r.t.Errorf("%s: %v", said, err)
		}
	}
}

// keptWork proves that a parked task still has its worktree with its work, and has published nothing.
func (r *agentRig) keptWork(n *nightTask, got life.Task) {
	r.t.Helper()
	if _, err := os.Stat(got.Worktree); err != nil {
		r.t.Errorf("%s: the worktree of a parked task: %v", n.id, err)
	}
	if wrote := strings.Contains(n.turns[0][0], "> "); wrote && !strings.Contains(r.must("diff", string(n.id)), n.name) {
		r.t.Errorf("%s: its work is not in its diff", n.id)
	}
	if own, err := r.tryGit(n.repo.dir, "rev-list", "--count", "main.."+got.Branch); err == nil && len(n.turns[0]) < 4 && own != "0" {
		r.t.Errorf("%s is parked, and its branch has %s commits", n.id, own)
	}
}
