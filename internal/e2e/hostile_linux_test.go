package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/fence"
	"muster/internal/life"
)

// A reach is something that a hostile agent tries.
type reach struct {
	name   string
	script string // ends with 0 if it has what it wanted
	free   string // works or refused, without a fence
	fenced string
}

// scoped is the version of Landlock from which on signals are refused.
const scoped = 6

// reachesOf returns what an agent could reach in a fleet. supervisor and victim are processes outside, and signals is what becomes of
// a signal to them in a fence.
func reachesOf(supervisor, victim int, signals string) []reach {
	return []reach{
		{"read the environment of the fleet", `cat "$MUSTER_HOME/env"`, "works", "refused"},
		{"read the log", `head -c 16 "$MUSTER_HOME/muster.db" | grep SQLite`, "works", "refused"},
		{"write the log", `: >>"$MUSTER_HOME/muster.db"`, "works", "refused"},
		{"list the sessions of tmux", `tmux -S "$MUSTER_HOME/tmux.sock" list-sessions`, "works", "refused"},
		{"run a program through tmux", `tmux -S "$MUSTER_HOME/tmux.sock" run-shell 'exit 0'`, "works", "refused"},
		{"list the programs of muster", `ls "$MUSTER_HOME"/bin`, "works", "works"}, // it runs one of them
		{"replace the program of muster", `cd "$MUSTER_HOME/bin" && for p in muster*; do test -f "$p" && cp "$p" planted && mv planted "$p" && exit 0; done; exit 1`, "works", "refused"},
		{"list the worktrees of other tasks", `ls "$MUSTER_HOME/worktrees"`, "works", "refused"},
		{"write beside the worktrees of other tasks", `mkdir "$MUSTER_HOME/worktrees/planted" && rmdir "$MUSTER_HOME/worktrees/planted"`, "works", "refused"},
		{"list the directories of other tasks", `ls "$MUSTER_HOME/attempts" "$MUSTER_HOME/gen"`, "works", "refused"},
		{"list the results of checks", `ls "$MUSTER_HOME/jobs"`, "works", "refused"},
		{"write a result of checks", `mkdir -p "$MUSTER_HOME/jobs/$MUSTER_TASK/planted" && rm -r "$MUSTER_HOME/jobs/$MUSTER_TASK/planted"`, "works", "refused"},
		{"write into its own mailbox", `: >"$MUSTER_HOME/gen/$MUSTER_TASK.$MUSTER_GEN/ro/planted" && rm "$MUSTER_HOME/gen/$MUSTER_TASK.$MUSTER_GEN/ro/planted"`, "works", "refused"},
		{"list tasks as a person", "muster ls", "works", "refused"},
		{"stop a task as a person", `muster stop "$MUSTER_TASK"`, "refused", "refused"},
		{"answer a request as a person", `muster answer "$MUSTER_TASK" yes`, "refused", "refused"},
		{"end the fleet as a person", `muster down --kill`, "refused", "refused"},
		{"act as a person by a clean environment", `env -i HOME="$HOME" PATH="$PATH" MUSTER_HOME="$MUSTER_HOME" muster status`, "works", "refused"},
		{"signal the supervisor", fmt.Sprintf("kill -0 %d", supervisor), "works", signals},
		{"signal a process of the user", fmt.Sprintf("kill -0 %d", victim), "works", signals},
		{"read the environment of the supervisor", fmt.Sprintf("cat /proc/%d/environ", supervisor), "works", "refused"},
		{"read a key in HOME", `cat "$HOME/.ssh/id"`, "works", "refused"},
		{"write the profile in HOME", `echo planted >>"$HOME/.profile"`, "works", "refused"},
		{"move the user's branch", "git update-ref refs/heads/stolen HEAD", "works", "refused"},
		{"plant a hook for the user's next commit", `: >"$(git rev-parse --git-common-dir)/hooks/post-commit"`, "works", "refused"},
		{"plant an alias and a pager for the user's next git", "git config alias.x status && git config core.pager cat", "works", "refused"},
	}
}

// planting makes muster's own git run a program, if it would read what an agent can write: a filter in the repository's
// configuration, one behind the worktree's commondir, and one in the worktree's own configuration.
const planting = `
common=$(git rev-parse --path-format=absolute --git-common-dir); admin=$(git rev-parse --path-format=absolute --git-dir)
trap="sh -c 'echo ran >>%[1]s/ran; cat'"
git config filter.x.clean "$trap"; git config core.sshCommand "$trap"
git config extensions.worktreeConfig true
git init -q %[1]s/evil && git -C %[1]s/evil config filter.x.clean "$trap"
echo '* filter=x' >.gitattributes
printf '[filter "x"]\n\tclean = %%s\n' "$trap" >"$admin/config.worktree"
echo "%[1]s/evil/.git" >"$admin/commondir"
`

// TestHostileAgent runs each reach without and with a fence. A reach that fails without one would prove nothing with one.
func TestHostileAgent(t *testing.T) {
	t.Parallel()
	abi, err := fence.ABI()
	if err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	f := newFleet(t)
	for name, text := range map[string]string{".ssh/id": "s3cret", ".profile": "# mine\n"} {
		path := filepath.Join(f.root, "home", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		f.write(path, text)
	}
	f.userConfig(fmt.Sprintf("[fleet]\nmax_agents = 12\nmin_free_disk = 1\nmin_free_memory = 1\n[fence]\nmode = \"off\"\nwrite = [%s]\n", quoted(f.grants)))
	f.up()
	signals := "refused"
	if abi < scoped {
		signals = "works"
	}
	reaches := reachesOf(f.only("supervise"), os.Getpid(), signals)
	report := map[string]map[string]string{}
	for _, mode := range []string{"off", "on"} {
		var script strings.Builder
		for i, r := range reaches {
			fmt.Fprintf(&script, "(\n%s\n) >/dev/null 2>&1 && echo '%d works' >>%[3]s/%[4]s || echo '%[2]d refused' >>%[3]s/%[4]s\n", r.script, i, f.shared, mode)
		}
		f.write(f.shared+"/"+mode+".sh", script.String()+"echo x >a.txt\n")
		id := f.dispatchPrompt("reach", "--command", "sh "+f.shared+"/"+mode+".sh", "--fence", mode, "--no-checks")
		f.reaches(id, event.Done)
		text, err := os.ReadFile(f.shared + "/" + mode)
		if err != nil {
			t.Fatal(err)
		}
		report[mode] = map[string]string{}
		for _, m := range regexp.MustCompile(`(?m)^(\d+) (\w+)$`).FindAllStringSubmatch(string(text), -1) {
			report[mode][m[1]] = m[2]
		}
	}
	f.restoreConfiguration()
	for i, r := range reaches {
		t.Run(r.name, func(t *testing.T) {
			for mode, want := range map[string]string{"off": r.free, "on": r.fenced} {
				if got := report[mode][fmt.Sprint(i)]; got != want {
					t.Errorf("with fence = %q it is %q, want %q", mode, got, want)
				}
			}
		})
	}
	if text, err := os.ReadFile(f.root + "/home/.profile"); err != nil || strings.Count(string(text), "planted") != 1 {
		t.Errorf("the profile, which only the agent without a fence can write, holds %q, %v", text, err)
	}
	for _, name := range []string{".ssh", ".profile"} {
		if err := os.RemoveAll(filepath.Join(f.root, "home", name)); err != nil {
			t.Error(err)
		}
	}
}

// restoreConfiguration removes what the agent without a fence has planted in the repository.
func (f *Fleet) restoreConfiguration() {
	f.t.Helper()
	for _, args := range [][]string{{"config", "--unset", "alias.x"}, {"config", "--unset", "core.pager"}, {"update-ref", "-d", "refs/heads/stolen"}} {
		if _, err := f.tryGit(f.repo, args...); err != nil {
			f.t.Error(err)
		}
	}
	_ = os.Remove(f.repo + "/.git/hooks/post-commit")
}

// TestHostileAgent_RunsNothingThroughGit plants programs where the supervisor's git would find them. It is done all the same.
func TestHostileAgent_RunsNothingThroughGit(t *testing.T) {
	t.Parallel()
	if _, err := fence.ABI(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	for _, mode := range []string{"off", "on"} {
		t.Run("fence "+mode, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			f.userConfig(fmt.Sprintf("[fleet]\nmin_free_disk = 1\nmin_free_memory = 1\n[fence]\nmode = %q\nwrite = [%s]\n", mode, quoted(f.grants)))
			f.write(f.shared+"/plant.sh", fmt.Sprintf(planting, f.shared)+"echo x >a.txt\nexit 0\n")
			id := f.dispatchPrompt("plant", "--command", "sh "+f.shared+"/plant.sh", "--check", "there=test -f a.txt")
			f.reaches(id, event.Done)
			if text, err := os.ReadFile(f.shared + "/ran"); err == nil {
				t.Errorf("a program of the agent's ran in muster's git: %s", text)
			}
		})
	}
}

// TestHostileAgent_ForgesNoVerdictInAFence lets a check in a fence write results for a check that fails.
func TestHostileAgent_ForgesNoVerdictInAFence(t *testing.T) {
	t.Parallel()
	if _, err := fence.ABI(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	f := newFleet(t)
	f.userConfig(fmt.Sprintf("[fleet]\nmin_free_disk = 1\nmin_free_memory = 1\n[fence]\nmode = \"on\"\nwrite = [%s]\n", quoted(f.grants)))
	f.write(f.shared+"/forge.sh", forger+"kill -9 $runner && : >"+f.shared+"/killed\nexit 0\n")
	id := f.dispatch("write a.txt <<x\ndone", "--check", "one=sh "+f.shared+"/forge.sh", "--check", "two=false", "--rounds", "1")
	got := f.reaches(id, event.Done, event.Parked, event.Failed)
	if abi, err := fence.ABI(); err == nil && abi >= scoped && (got.State != event.Parked || got.Reason != life.ReasonRounds) {
		t.Errorf("it is %s (%s): %s", got.State, got.Reason, got.Detail)
	}
	f.unpublished(id)
}
