package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"muster/internal/environ"

	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/life"
)

// Environ returns the environment of an agent and its checks: the allow-list of what the fleet was started with, what
// the task names, and muster's own variables (design section 11). The fleet's own program comes first on PATH.
func Environ(h home.Dir, t life.Task, gen int) ([]string, error) {
	saved, err := environ.Load(h.Env())
	if err != nil {
		return nil, err
	}
	env, missing := environ.ForLaunch(saved, t.Spec.EnvFrom)
	if len(missing) > 0 {
		return nil, fault.New(fault.Conflict, "the fleet's environment has no %s", strings.Join(missing, ", ")).
			WithHint("Set it and run `muster up`, which takes the environment anew.")
	}
	vars := map[string]string{}
	for k, v := range t.Spec.Env {
		vars[k] = v
	}
	gendir := h.GenDir(t.ID, gen)
	vars[environ.Home] = string(h)
	vars[environ.Task] = string(t.ID)
	vars[environ.Gen] = fmt.Sprint(gen)
	vars[environ.StatusFile] = h.StatusFile(t.ID, gen)
	vars[environ.PromptFile] = filepath.Join(gendir, "prompt.md")
	vars[environ.Worktree] = t.Worktree
	vars[environ.Wait] = fmt.Sprint(int(t.Spec.WaitLimit.Seconds()))
	if dir := tmuxDir(gendir); dir != "" && vars["TMUX_TMPDIR"] == "" {
		vars["TMUX_TMPDIR"] = dir
	}
	vars["PATH"] = h.PathDir()
	if v, ok := environ.Lookup(env, "PATH"); ok {
		vars["PATH"] += string(os.PathListSeparator) + v
	}
	return environ.With(env, vars), nil
}

// maxTmuxDir is the longest TMUX_TMPDIR in bytes: a socket's path has at most 104 with its end on macOS, and tmux adds
// the user's id and the name of the server.
const maxTmuxDir = 70

// tmuxDir makes and returns the directory of the tmux servers that an agent starts. On the user's own one such a server
// would be shared with others, and would end with the task that happened to start it. It is "" if there can be none.
func tmuxDir(gendir string) string {
	dir := filepath.Join(gendir, "tmux")
	if len(dir) > maxTmuxDir || os.MkdirAll(dir, 0o700) != nil {
		return ""
	}
	return dir
}
