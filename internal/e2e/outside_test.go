package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"muster/internal/event"
)

// withVar sets a variable in the environment that the fleet is started with.
func (f *Fleet) withVar(name, value string) {
	f.env = append(slices.DeleteFunc(slices.Clone(f.env), func(kv string) bool { return strings.HasPrefix(kv, name+"=") }), name+"="+value)
}

// TestSecretsReachTheAgentAlone checks that a value named by env_from is in the agent's environment, and in no command
// line, event, log or file other than the two private files that are documented to hold it.
func TestSecretsReachTheAgentAlone(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	const secret, other = "s3cret-0f-the-n1ght", "n0t-f0r-agents"
	f.withVar("MY_TOKEN", secret)
	f.withVar("OTHER_TOKEN", other)
	f.withVar("CLAUDE_CONFIG_DIR", f.root+"/elsewhere")
	f.withVar("TMUX_TMPDIR", f.root+"/of-the-user") // an agent has its own
	f.write(f.repo+"/muster.toml", "[agents.sim]\nenv_from = [\"MY_TOKEN\"]\n")
	f.git("add", "muster.toml")
	f.git("commit", "-q", "-m", "configured")
	id := f.dispatch("run env > go-env\nmark here\nawait-file go-on\nwrite a.txt <<x\ndone", "--check", "seen=test ${#MY_TOKEN} = 19")
	f.marks(id, "here")
	env, err := os.ReadFile(f.task(id).Worktree + "/go-env")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(env), "MY_TOKEN="+secret) {
		t.Error("the agent has not got what it was promised")
	}
	for _, leak := range []string{other, "CLAUDE_CONFIG_DIR", "of-the-user"} {
		if strings.Contains(string(env), leak) {
			t.Errorf("%s reached the agent", leak)
		}
	}
	if err := os.Remove(f.task(id).Worktree + "/go-env"); err != nil {
		t.Error(err)
	}
	for _, p := range f.processes() {
		if line := strings.Join(p.argv, " "); strings.Contains(line, secret) || strings.Contains(line, other) {
			t.Errorf("process %d shows it: %s", p.pid, line)
		}
	}
	f.release(id, "go-on")
	f.reaches(id, event.Done)
	f.untold(id, secret)
	f.nowhere(secret, other)
}

// TestUpgrade_ReducesTheSavedEnvironment checks that a file of an older version, which holds every variable that
// `muster up` saw, is reduced to what launches may take as soon as a supervisor of this version starts.
func TestUpgrade_ReducesTheSavedEnvironment(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	const secret, other = "s3cret-0f-the-n1ght", "n0t-f0r-agents"
	f.withVar("MY_TOKEN", secret)
	f.write(f.repo+"/muster.toml", "[agents.sim]\nenv_from = [\"MY_TOKEN\"]\n")
	f.git("add", "muster.toml")
	f.git("commit", "-q", "-m", "configured")
	id := f.dispatch("mark here\nawait-file go-on\nwrite a.txt <<x\ndone", "--check", "seen=test ${#MY_TOKEN} = 19")
	f.marks(id, "here")
	saved, err := os.ReadFile(f.home + "/env")
	if err != nil {
		t.Fatal(err)
	}
	f.write(f.home+"/env", string(saved)+"\x00OTHER_TOKEN="+other)
	f.kill(f.only("supervise")) // the keeper starts the next one, as after an upgrade
	f.eventually("the saved environment is reduced", func() bool {
		saved, err := os.ReadFile(f.home + "/env")
		return err == nil && !bytes.Contains(saved, []byte(other))
	})
	f.release(id, "go-on")
	f.reaches(id, event.Done)
	f.nowhere(secret, other)
}

// untold fails the test if a verb tells a secret about a task.
func (f *Fleet) untold(id event.TaskID, secret string) {
	f.t.Helper()
	for _, args := range [][]string{{"events", "--json"}, {"show", string(id), "--json"}, {"why", string(id)}, {"logs", string(id)}} {
		if r := f.run(args...); strings.Contains(r.out+r.err, secret) {
			f.t.Errorf("muster %s tells it", args[0])
		}
	}
}

// nowhere fails the test if any file of the state directory holds one of the secrets. The first one may be in the private
// files that are documented to hold it.
func (f *Fleet) nowhere(secrets ...string) {
	f.t.Helper()
	err := filepath.WalkDir(f.home, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(f.home, path)
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(name, "bin/") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		for _, s := range secrets {
			// Only the first secret is named by env_from. The private files that may hold it are the environment of
			// the last `up`, and the spec of a job that has not begun.
			private := s == secrets[0] && info.Mode().Perm() == 0o600 && (name == "env" || filepath.Base(name) == "spec.json")
			if bytes.Contains(data, []byte(s)) && !private {
				f.t.Errorf("%s (%v) holds a secret", name, info.Mode())
			}
		}
		return nil
	})
	if err != nil {
		f.t.Error(err)
	}
}

// TestAnEmptyEnvironment starts muster with a nearly empty environment, as a service manager, cron or ssh does.
func TestAnEmptyEnvironment(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	path := os.Getenv("PATH")
	f.env = []string{"MUSTER_HOME=" + f.home}
	if r := f.run("up"); r.exit == 0 || !strings.Contains(r.err, "PATH") && !strings.Contains(r.err, "tmux") {
		t.Errorf("without PATH: exit %d, %s", r.exit, r.err)
	} else {
		t.Logf("without PATH it says: %s", r.err)
	}
	f.env = append(f.env, "PATH="+path, "HOME="+f.root+"/home")
	id := f.dispatch("say grün → 日本\nmark here\nawait-file go-on\nwrite a.txt <<x\ndone", "--check", `locale=test -n "$PATH"`)
	f.marks(id, "here")
	if screen := f.tmux("-u", "capture-pane", "-p", "-t", "="+f.task(id).Session+":agent"); !strings.Contains(screen, "grün → 日本") {
		t.Errorf("the screen is not in UTF-8:\n%s", screen)
	}
	f.release(id, "go-on")
	f.reaches(id, event.Done)
}
