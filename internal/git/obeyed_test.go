package git

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// results are what the supervisor reads of a task's work, and what it makes of it.
type results struct {
	tree, diff, changed, commit, fetched string
}

// results does what the supervisor does with a task's work, with a Repo that knows nothing yet, as after a restart.
func (w *world) results(wt Worktree) (results, error) {
	ctx := w.t.Context()
	var err error
	if w.r, err = Find(ctx, Locator{GitDir: filepath.Join(w.repo, ".git"), Checkout: w.repo}, Under(w.under), Env(w.env), Private(w.private())); err != nil {
		return results{}, err
	}
	var got results
	s, err := w.r.Snapshot(ctx, wt.Path, "refs/muster/round/x/t1/1", "round")
	if err != nil {
		return got, err
	}
	got.tree = s.Tree
	var diff bytes.Buffer
	if err := w.r.Diff(ctx, &diff, wt.Base, wt.Path, DiffOptions{}); err != nil {
		return got, err
	}
	got.diff = diff.String()
	changed, err := w.r.OwnChanges(ctx, work(wt), s, true)
	if err != nil {
		return got, err
	}
	got.changed = fmt.Sprint(changed)
	if _, err := w.r.Unsaved(ctx, wt.Path, wt.Branch, wt.Base, false); err != nil {
		return got, err
	}
	if _, err := w.r.Keep(ctx, wt.Path, "t1", ""); err != nil {
		return got, err
	}
	commit, err := w.r.Land(ctx, LandSpec{WorkSpec: work(wt), Tree: s.Tree, Message: "work"})
	if err != nil {
		return got, err
	}
	lines := strings.Split(w.raw("cat-file", "commit", commit), "\n")
	got.commit = lines[0] + " " + lines[1]
	if err := w.r.Fetch(ctx, "origin"); err != nil && w.url == "" { // nothing answers at the others
		return got, err
	}
	got.fetched = w.raw("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/person", "refs/remotes/origin/main")
	if w.url != "" {
		got.fetched = ""
	}
	_, err = w.r.Prepare(ctx, w.spec("t2"))
	return got, err
}

// raw asks the repository as it is, with no configuration of an agent.
func (w *world) raw(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", args...)
	view := w.r.viewDir()
	cmd.Dir, cmd.Env = view, append([]string{"GIT_NO_REPLACE_OBJECTS=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=core.commitGraph", "GIT_CONFIG_VALUE_0=false"}, append(w.env, viewEnv(view, view)...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// upstreamed makes a world with a remote, a branch of a person's, and a worktree in which an agent has worked.
func upstreamed(t *testing.T, url string) (*world, Worktree) {
	t.Helper()
	w := newWorld(t)
	w.url = url
	w.git(w.repo, "branch", "person")
	w.git(w.dir, "clone", "-q", w.repo, "upstream")
	w.write(w.dir, "upstream/new.txt", "upstream\n")
	w.git(filepath.Join(w.dir, "upstream"), "add", "-A")
	for _, kv := range [][2]string{{"user.name", "U"}, {"user.email", "u@example.com"}} {
		w.git(filepath.Join(w.dir, "upstream"), "config", kv[0], kv[1])
	}
	w.at(filepath.Join(w.dir, "upstream"), "commit", "-qm", "upstream")
	if url == "" {
		url = filepath.Join(w.dir, "upstream")
	}
	w.git(w.repo, "remote", "add", "origin", url)
	wt := w.prepare("t1")
	w.write(wt.Path, "a.txt", "agent's\n")
	w.write(wt.Path, "b.crlf", "line\r\n")
	w.write(wt.Path, "new/file.txt", "new\n")
	if err := os.Chmod(filepath.Join(wt.Path, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	return w, wt
}

// at runs git with a fixed date, so that commits of several worlds are the same.
func (w *world) at(dir string, args ...string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"GIT_AUTHOR_DATE=@0 +0000", "GIT_COMMITTER_DATE=@0 +0000"}, w.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// configured returns a plant that sets keys of the repository's configuration; %s is the trap.
func configured(pairs ...string) func(*world, Worktree, string) {
	return func(w *world, wt Worktree, command string) {
		for i := 0; i < len(pairs); i += 2 {
			key := strings.ReplaceAll(pairs[i], "%s", command)
			w.git(wt.Path, "config", "--add", key, strings.ReplaceAll(strings.ReplaceAll(pairs[i+1], "%s", command), "%d", w.dir))
		}
	}
}

// TestNothingThatAnAgentConfiguresIsObeyed compares what muster's git reads, makes and fetches with an undisturbed world, for each
// setting and each file of a repository by which an agent could change that.
func TestNothingThatAnAgentConfiguresIsObeyed(t *testing.T) {
	t.Parallel()
	refusing := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("WWW-Authenticate", `Basic realm="r"`)
		out.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(refusing.Close)
	expected := sync.OnceValues(func() (results, error) {
		w, wt := upstreamed(t, "")
		return w.results(wt)
	})
	for name, row := range map[string]struct {
		plant func(w *world, wt Worktree, command string)
		url   string
	}{
		"core.worktree":                       {plant: configured("core.worktree", "%d/upstream")},
		"core.bare":                           {plant: configured("core.bare", "true")},
		"core.repositoryFormatVersion":        {plant: configured("core.repositoryFormatVersion", "99")},
		"an extension that git does not know": {plant: configured("core.repositoryFormatVersion", "1", "extensions.unheard", "true")},
		"core.fsmonitor":                      {plant: configured("core.fsmonitor", "%s", "core.untrackedCache", "true")},
		"core.sshCommand":                     {plant: configured("core.sshCommand", "%s", "ssh.variant", "simple"), url: "ssh://localhost:1/x"},
		"core.gitProxy":                       {plant: configured("core.gitProxy", "%s"), url: "git://localhost:1/x"},
		"core.askPass":                        {plant: configured("core.askPass", "%s"), url: "http"},
		"core.hooksPath":                      {plant: configured("core.hooksPath", "%d/hooks")},
		"core.pager":                          {plant: configured("core.pager", "%s", "pager.log", "%s", "pager.diff", "%s")},
		"core.editor":                         {plant: configured("core.editor", "%s", "sequence.editor", "%s")},
		"core.excludesFile":                   {plant: configured("core.excludesFile", "%d/all")},
		"core.attributesFile":                 {plant: configured("core.attributesFile", "%d/attributes", "filter.x.clean", "%s")},
		"core.autocrlf":                       {plant: configured("core.autocrlf", "true", "core.eol", "lf", "core.safecrlf", "true")},
		"core.fileMode":                       {plant: configured("core.fileMode", "false")},
		"core.ignoreCase":                     {plant: configured("core.ignoreCase", "true", "core.symlinks", "false")},
		"core.sparseCheckout":                 {plant: configured("core.sparseCheckout", "true")},
		"core.alternateRefsCommand":           {plant: configured("core.alternateRefsCommand", "%s")},
		"url.insteadOf":                       {plant: configured("protocol.ext.allow", "always", "url.ext::%s .insteadOf", "%d")},
		"url.pushInsteadOf":                   {plant: configured("protocol.ext.allow", "always", "url.ext::%s .pushInsteadOf", "%d")},
		"protocol.allow":                      {plant: configured("protocol.allow", "never", "protocol.file.allow", "never")},
		"remote.uploadpack":                   {plant: configured("remote.origin.uploadpack", "%s")},
		"remote.vcs":                          {plant: configured("remote.origin.vcs", "ext", "protocol.ext.allow", "always")},
		"remote.url":                          {plant: configured("remote.origin.url", "ext::%s", "protocol.ext.allow", "always")},
		"remote.fetch":                        {plant: configured("remote.origin.fetch", "+refs/heads/main:refs/heads/person")},
		"remote.proxy":                        {plant: configured("remote.origin.proxy", "http://localhost:1", "http.proxy", "http://localhost:1")},
		"uploadpack.packObjectsHook":          {plant: configured("uploadpack.packObjectsHook", "%s")},
		"credential.helper":                   {plant: configured("credential.helper", "!%s", "credential.http.helper", "!%s"), url: "http"},
		"gpg.program":                         {plant: configured("gpg.program", "%s", "commit.gpgSign", "true", "log.showSignature", "true", "gpg.format", "openpgp")},
		"diff.external":                       {plant: configured("diff.external", "%s", "diff.x.command", "%s", "diff.x.textconv", "%s", "diff.x.cachetextconv", "true")},
		"diff's settings":                     {plant: configured("diff.noprefix", "true", "diff.context", "0", "diff.orderFile", "/dev/stdin", "diff.ignoreSubmodules", "all", "color.ui", "always")},
		"merge.driver":                        {plant: configured("merge.x.driver", "%s %A", "merge.default", "x", "merge.tool", "x", "mergetool.x.cmd", "%s")},
		"an alias":                            {plant: configured("alias.add", "!%s", "alias.write-tree", "!%s", "alias.status", "!%s")},
		"include.path":                        {plant: configured("include.path", "%d/included")},
		"includeIf":                           {plant: configured("includeIf.gitdir:/**.path", "%d/included", "includeIf.onbranch:**.path", "%d/included", "includeIf.hasconfig:remote.*.url:**.path", "%d/included")},
		"a filter":                            {plant: configured("filter.x.clean", "%s", "filter.x.smudge", "%s")},
		"a filter with a process":             {plant: configured("filter.x.process", "%s", "filter.x.required", "true")},
		"a filter with dots in its name":      {plant: filter("a.b.c")},
		"a filter with a capital name":        {plant: filter("X")},
		"a filter with a Greek name":          {plant: filter("φίλτρο")},
		"a filter with quotes in its name":    {plant: filter(`a"b\c`)},
		"a filter without a name":             {plant: filter("")},
		"a filter named set":                  {plant: filter("set")},
		"submodule.update":                    {plant: configured("submodule.new.update", "!%s", "submodule.new.url", "%d/upstream", "submodule.recurse", "true")},
		"hooks": {plant: func(w *world, _ Worktree, command string) {
			for _, hook := range []string{"post-checkout", "pre-commit", "reference-transaction", "post-index-change", "post-merge", "pre-push", "fsmonitor-watchman"} {
				w.write(w.repo, ".git/hooks/"+hook, "#!/bin/sh\n"+command+" </dev/null\n")
				if err := os.Chmod(filepath.Join(w.repo, ".git/hooks", hook), 0o755); err != nil {
					w.t.Fatal(err)
				}
			}
		}},
		"a replacement of the base": {plant: func(w *world, wt Worktree, _ string) {
			other := strings.TrimSpace(w.git(wt.Path, "commit-tree", "-m", "other", w.tree(wt.Path)))
			w.git(wt.Path, "replace", wt.Base, other)
		}},
		"a replacement of a tree": {plant: func(w *world, wt Worktree, _ string) {
			w.git(wt.Path, "replace", w.head(wt.Base+"^{tree}"), w.tree(wt.Path))
		}},
		"a graft": {plant: func(w *world, wt Worktree, _ string) {
			other := strings.TrimSpace(w.git(wt.Path, "commit-tree", "-m", "other", w.tree(wt.Path)))
			w.write(w.repo, ".git/info/grafts", wt.Base+" "+other+"\n")
		}},
		"http-alternates": {plant: func(w *world, _ Worktree, _ string) {
			w.write(w.repo, ".git/objects/info/http-alternates", refusing.URL+"/objects\n")
		}},
		"info/exclude": {plant: func(w *world, _ Worktree, _ string) { w.write(w.repo, ".git/info/exclude", "*\n") }},
		"info/attributes": {plant: func(w *world, wt Worktree, command string) {
			w.write(w.repo, ".git/info/attributes", "* filter=x text -diff ident\n")
			w.git(wt.Path, "config", "filter.x.clean", command)
		}},
		"info/sparse-checkout": {plant: func(w *world, wt Worktree, _ string) {
			w.git(wt.Path, "config", "core.sparseCheckout", "true")
			for _, dir := range []string{".git/info", ".git/worktrees/t1-x/info"} {
				w.write(w.repo, dir+"/sparse-checkout", "/nothing\n")
			}
		}},
		"a configuration that is no configuration": {plant: func(w *world, _ Worktree, _ string) { w.write(w.repo, ".git/config", "[core\nx\n") }},
		"no configuration": {plant: func(w *world, _ Worktree, _ string) {
			if err := os.Remove(filepath.Join(w.repo, ".git/config")); err != nil {
				w.t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := expected()
			if err != nil || want.diff == "" || want.tree == "" || want.fetched == "" {
				t.Fatalf("an undisturbed world: %+v, %v", want, err)
			}
			if row.url == "http" {
				row.url = refusing.URL
			}
			w, wt := upstreamed(t, row.url)
			command, mark := w.trap()
			w.write(w.dir, "all", "*\n")
			w.write(w.dir, "attributes", "* filter=x text\n")
			w.write(w.dir, "included", hostile(command)+"[core]\n\texcludesFile = "+filepath.Join(w.dir, "all")+"\n")
			w.write(w.dir, "hooks/reference-transaction", "#!/bin/sh\n"+command+" </dev/null\n")
			if err := os.Chmod(filepath.Join(w.dir, "hooks/reference-transaction"), 0o755); err != nil {
				t.Fatal(err)
			}
			row.plant(w, wt, command)
			got, err := w.results(wt)
			if exists(mark) {
				t.Errorf("a program of the agent's ran: %s", w.read(w.dir, "ran"))
			}
			if row.url != "" {
				want.fetched = ""
			}
			if err != nil || got != want {
				t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
			}
		})
	}
}

// filter returns a plant of a filter with an odd name, which applies to no file of a world without attributes, so it gives info/attributes
// and a nested .gitattributes their say.
func filter(name string) func(*world, Worktree, string) {
	return func(w *world, wt Worktree, command string) {
		setting := renderConfig([]setting{{Key: "filter." + name + ".clean", Value: &command}, {Key: "filter." + name + ".smudge", Value: &command}})
		w.write(w.repo, ".git/config", w.read(w.repo, ".git/config")+setting)
		w.write(w.repo, ".git/info/attributes", "* filter="+name+"\n")
		if out := w.git(wt.Path, "config", "--list", "--local"); !strings.Contains(out, "filter."+name+".clean=") {
			w.t.Fatalf("git does not know the filter: %s", out)
		}
	}
}

// TestALaterDispatchObeysNoBranchOfAnAgent lets an agent write what a dispatch takes anew: which branch follows which, and what a fetch
// updates.
func TestALaterDispatchObeysNoBranchOfAnAgent(t *testing.T) {
	t.Parallel()
	w, wt := upstreamed(t, "")
	main := w.head("main")
	w.git(wt.Path, "commit", "-qam", "agent's")
	w.git(wt.Path, "config", "branch.main.remote", ".")
	w.git(wt.Path, "config", "branch.main.merge", "refs/heads/"+wt.Branch)
	w.git(wt.Path, "config", "--add", "remote.origin.fetch", "+refs/heads/main:refs/heads/person")
	w.r = w.open(w.repo)
	if err := w.r.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	next, err := w.r.Prepare(t.Context(), w.spec("t2"))
	if err != nil {
		t.Fatal(err)
	}
	if next.Base != main {
		t.Errorf("the next task starts at %s, where only an agent's branch is, and not at %s", next.Base, main)
	}
	if err := w.r.Fetch(t.Context(), "origin"); err != nil {
		t.Fatal(err)
	}
	if got := w.head("person"); got != main {
		t.Errorf("a fetch moved a branch of the person to %s", got)
	}
	if got := w.head("refs/remotes/origin/main"); got == main {
		t.Error("the fetch fetched nothing")
	}
}

// TestNoCommitGraphIsBelieved forges the file by which git knows the tree of a commit without reading the commit. The agent commits
// something else than what was judged.
func TestNoCommitGraphIsBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.write(wt.Path, "a.txt", "never judged\n")
	w.git(wt.Path, "commit", "-qam", "agent's")
	head := w.head(wt.Branch)
	evil := strings.TrimSpace(w.git(wt.Path, "rev-parse", "HEAD^{tree}"))
	w.write(wt.Path, "a.txt", "judged\n")
	judged := w.tree(wt.Path)
	w.git(wt.Path, "commit-graph", "write", "--reachable")
	path := filepath.Join(w.repo, ".git/objects/info/commit-graph")
	graph, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	from, _ := hex.DecodeString(evil)
	to, _ := hex.DecodeString(judged)
	forged := bytes.Replace(graph, from, to, 1)
	if bytes.Equal(forged, graph) {
		t.Fatal("the graph does not hold the tree")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.write(filepath.Dir(path), "commit-graph", string(forged))
	if got := strings.TrimSpace(w.git(wt.Path, "log", "-1", "--format=%T", head)); got != judged {
		t.Fatalf("git itself does not believe the graph: %s", got)
	}
	d, err := w.r.described(t.Context(), head)
	if err != nil || d.tree != evil {
		t.Errorf("the tree of the agent's commit is %s, %v; want %s", d.tree, err, evil)
	}
	commit, err := w.land(wt, judged)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.raw("cat-file", "commit", commit); !strings.Contains(got, "tree "+judged) {
		t.Errorf("landed a commit that was not judged:\n%s", got)
	}
}

// TestFiltersOfTheRepositoryWithOddNamesAreApplied is about filters that the repository has before the first dispatch.
func TestFiltersOfTheRepositoryWithOddNamesAreApplied(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a.b.c", "X", "φίλτρο", `a"b\c`, "", "set", "a,b:c)", "-x"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			clean, smudge := "sed s/^/X/", "sed s/^X//"
			setting := renderConfig([]setting{{Key: "filter." + name + ".clean", Value: &clean}, {Key: "filter." + name + ".smudge", Value: &smudge}})
			w.write(w.repo, ".git/config", w.read(w.repo, ".git/config")+setting)
			w.write(w.repo, ".gitattributes", "secret* filter="+name+"\n")
			w.write(w.repo, "secret.txt", "first\n")
			w.git(w.repo, "add", "-A")
			w.git(w.repo, "commit", "-qm", "with a secret")
			if got := w.git(w.repo, "cat-file", "blob", "HEAD:secret.txt"); got != "Xfirst\n" {
				t.Skipf("git itself does not apply it: %q", got)
			}
			w.r = w.open(w.repo)
			if err := w.r.Freeze(t.Context()); err != nil {
				t.Fatal(err)
			}
			wt := w.prepare("t1")
			if got := w.read(wt.Path, "secret.txt"); got != "first\n" {
				t.Errorf("secret.txt of a new worktree = %q", got)
			}
			w.write(wt.Path, "secret.txt", "mine\n")
			w.write(wt.Path, "secret2", "mine\n")
			w.git(wt.Path, "config", "filter."+name+".clean", "cat")
			w.git(wt.Path, "add", "-A")
			tree := w.tree(wt.Path)
			for _, file := range []string{"secret.txt", "secret2"} {
				if got := w.git(w.repo, "cat-file", "blob", tree+":"+file); got != "Xmine\n" {
					t.Errorf("%s = %q", file, got)
				}
			}
			if _, err := w.land(wt, tree); err != nil {
				t.Error(err)
			}
		})
	}
}
