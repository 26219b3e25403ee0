package boot

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/life"
)

// Environ returns the environment of an agent and its checks: the allowed variables of the fleet's environment, the
// variables that the task names, and muster's own. The directory of the fleet's program comes first on PATH.
func Environ(h home.Dir, t life.Task, gen int) ([]string, error) {
	saved, err := environ.Load(h.Env())
	if err != nil {
		return nil, err
	}
	return EnvironFrom(saved, h, t, gen)
}

// EnvironFrom is Environ for a fleet that is started with the environment saved.
func EnvironFrom(saved []string, h home.Dir, t life.Task, gen int) ([]string, error) {
	env, err := lasting(saved, h, t)
	if err != nil {
		return nil, err
	}
	files := h.Gen(t.ID, gen)
	vars := map[string]string{
		environ.Home:       string(h),
		environ.Task:       string(t.ID),
		environ.Gen:        fmt.Sprint(gen),
		environ.StatusFile: h.StatusFile(t.ID, gen),
		environ.PromptFile: filepath.Join(files.RO(), "prompt.md"),
		environ.Worktree:   t.Worktree,
		environ.Wait:       fmt.Sprint(int(t.Spec.LongestWait().Seconds())),
	}
	if dir := tmuxDir(files.RW()); dir != "" && environ.Get(env, tmuxTemp) == "" {
		vars[tmuxTemp] = dir
	}
	return environ.With(env, vars), nil
}

// lasting returns the part of an environment that all generations of a task share.
func lasting(saved []string, h home.Dir, t life.Task) ([]string, error) {
	env, missing := environ.ForLaunch(saved, t.Spec.EnvFrom)
	if len(missing) > 0 {
		return nil, fault.New(fault.Conflict, "the fleet's environment has no %s", strings.Join(missing, ", ")).
			WithHint("Set it and run `muster up`, which saves the environment again.")
	}
	vars := map[string]string{}
	maps.Copy(vars, t.Spec.Env)
	if account, ok := t.TaskAccount(); ok {
		of, missing := AccountEnv(account, saved)
		if len(missing) > 0 {
			return nil, fault.New(fault.Conflict, "account %s needs %s, and the fleet's environment does not have it", account.Name, strings.Join(missing, ", ")).
				WithHint("Set it and run `muster up`, which saves the environment again.")
		}
		maps.Copy(vars, of)
	}
	vars["PATH"] = h.PathDir()
	if v, ok := environ.Lookup(env, "PATH"); ok {
		vars["PATH"] += string(os.PathListSeparator) + v
	}
	return environ.With(env, vars), nil
}

// AccountEnv returns the variables that select an account, from the fleet's environment. missing are those of the fleet's
// environment that the account needs and that are not there.
func AccountEnv(a event.TaskAccount, from []string) (vars map[string]string, missing []string) {
	vars = maps.Clone(a.Env)
	if vars == nil {
		vars = map[string]string{}
	}
	for _, name := range slices.Sorted(maps.Keys(a.EnvFrom)) {
		value, ok := environ.Lookup(from, a.EnvFrom[name])
		if !ok {
			missing = append(missing, a.EnvFrom[name])
			continue
		}
		vars[name] = value
	}
	return vars, missing
}

// tmuxTemp is the variable for the directory of tmux servers. An environment has it only if the task names it.
const tmuxTemp = "TMUX_TMPDIR"

// maxTmuxDir is the maximum length of TMUX_TMPDIR in bytes. The path of a socket has at most 104 bytes on macOS, and
// tmux appends the user's id and the name of the server.
const maxTmuxDir = 70

// tmuxDir makes and returns the directory for tmux servers that an agent starts. In the user's own directory such a
// server would be shared with others, and it would end with the task that started it. It returns "" if it cannot make
// one.
func tmuxDir(rw string) string {
	dir := filepath.Join(rw, "tmux")
	if len(dir) > maxTmuxDir || os.MkdirAll(dir, 0o700) != nil {
		return ""
	}
	return dir
}
