package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/environ"
	"muster/internal/run"
	"muster/internal/text"
)

// Timeouts of git commands. None of them has a terminal.
const (
	readTimeout = 30 * time.Second
	// idleLimit is how long a long call may make no progress. It has no other limit but that of its context: a checkout or a
	// snapshot of a very large repository, with filters that fetch what they need, takes its time.
	idleLimit    = 10 * time.Minute
	fetchTimeout = 2 * time.Minute
	// maxListing bounds the listing of a worktree, in bytes: about a million files.
	maxListing = 256 << 20
)

// handedOn lists the variables of the caller that git sees, besides those of the network. Everything else is dropped, above all GIT_DIR and
// GIT_INDEX_FILE of a git that started us. Names ending in _ are prefixes.
var handedOn = []string{
	"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_", "SSH_AUTH_SOCK", "SSH_AGENT_PID",
	"GIT_SSL_",
	"GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT",
	"GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM",
	"GH_CONFIG_DIR", "GH_HOST", "GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", // for gh as credential helper
	"DBUS_SESSION_BUS_ADDRESS", // for helpers that keep logins in the keyring
}

// fixedEnv is set for every git: no prompts, messages in English, and an identity that needs no configuration.
var fixedEnv = []string{
	"LANG=C.UTF-8", "GIT_TERMINAL_PROMPT=0", "GIT_EDITOR=true", "GIT_SEQUENCE_EDITOR=true", "GIT_PAGER=cat",
	"GIT_NO_REPLACE_OBJECTS=1", // what refs/replace says would be judged in place of what is published
	"GIT_ASKPASS=true", "SSH_ASKPASS=true", "SSH_ASKPASS_REQUIRE=force", "GIT_LITERAL_PATHSPECS=0",
	"GIT_AUTHOR_NAME=muster", "GIT_AUTHOR_EMAIL=muster@localhost",
	"GIT_COMMITTER_NAME=muster", "GIT_COMMITTER_EMAIL=muster@localhost",
}

// settings override the user's configuration for our commands and for git's own children. They are passed in the
// environment and not with -c, so that an error message shows the command without twenty flags.
var settings = [][2]string{
	{"core.hooksPath", "/dev/null"},
	{"commit.gpgSign", "false"},
	{"core.fsmonitor", "false"},
	// Agents write below objects. A commit graph says which tree a commit has, and git believes it without a look at the commit.
	{"core.commitGraph", "false"},
	{"core.multiPackIndex", "false"},
	{"core.alternateRefsCommand", "true"}, // otherwise fetch starts a git in each directory that objects/info/alternates names
	{"core.quotePath", "false"},
	{"core.safecrlf", "false"},   // a snapshot must not fail on a line ending
	{"core.splitIndex", "false"}, // temporary indexes leave no shared part behind
	{"gc.auto", "0"},
	{"maintenance.auto", "false"},
	{"submodule.recurse", "false"},
	{"protocol.version", "2"}, // nested repositories are fetched by commit
	{"log.showSignature", "false"},
	{"i18n.commitEncoding", "UTF-8"},
	{"advice.detachedHead", "false"},
	{"advice.addEmbeddedRepo", "false"},
}

// callEnv builds the environment of every git command from the caller's environment.
func callEnv(from []string) []string {
	values := map[string]string{}
	for _, kv := range from {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || !environ.IsNetwork(name) && !slices.ContainsFunc(handedOn, func(h string) bool {
			return name == h || strings.HasSuffix(h, "_") && strings.HasPrefix(name, h)
		}) {
			continue
		}
		values[name] = value
	}
	env := make([]string, 0, len(values)+len(fixedEnv)+2*len(settings)+1)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		env = append(env, name+"="+values[name])
	}
	return append(append(env, fixedEnv...), ConfigEnv(settings)...)
}

// ConfigEnv returns settings, pairs of a name and a value, as the environment variables that git reads them from.
func ConfigEnv(settings [][2]string) []string {
	env := []string{"GIT_CONFIG_COUNT=" + strconv.Itoa(len(settings))}
	for i, kv := range settings {
		n := strconv.Itoa(i)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+kv[0], "GIT_CONFIG_VALUE_"+n+"="+kv[1])
	}
	return env
}

// call is one run of git.
type call struct {
	args    []string
	in      *place // the worktree to run in; nil is the repository itself
	own     string // instead of in: an empty directory of muster's own, with a .git that has a configuration of its own
	native  string // instead of in: the directory for one of the calls that read a configuration that is not ours
	stdin   string
	stdout  io.Writer // nil returns the output
	env     []string  // in addition
	timeout time.Duration
	long    bool     // it may take as long as it makes progress
	lock    *os.File // the repository's lock, inherited by git, so that it stays held while git outlives us
}

// place pins a command to one worktree. All of it but the work tree is muster's own, see view. Git discovers nothing: a
// worktree whose .git is missing or leads elsewhere never leads git into another repository.
type place struct {
	gitDir   string // a temporary directory with a copy of HEAD
	workTree string
	view     string // the private git directory of the repository
	index    string // a copy
}

// env returns the variables by which git finds the place.
func (p *place) env() []string {
	return append(viewEnv(p.gitDir, p.view), "GIT_WORK_TREE="+p.workTree, "GIT_INDEX_FILE="+p.index)
}

// viewEnv returns the variables with which git reads a private git directory and no configuration of others. The
// user's own is part of it.
func viewEnv(gitDir, view string) []string {
	return []string{"GIT_DIR=" + gitDir, "GIT_COMMON_DIR=" + view, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"}
}

// Error is a git command that ran and failed.
type Error struct {
	Args   []string // without the program
	Exit   int      // -1 if ended by a signal
	Stderr string   // the end of its error output
	locked string   // the lock file that was in its way, as git knows it; "" if none was
	cause  error
}

// Error returns the subcommand and git's message.
func (e *Error) Error() string {
	said := strings.TrimSpace(e.Stderr)
	if said == "" {
		said = text.Exit(e.Exit, 0)
	}
	return "git " + e.Args[0] + ": " + strings.ReplaceAll(said, "\n", "; ")
}

// Unwrap returns the *run.ExitError.
func (e *Error) Unwrap() error { return e.cause }

// said reports whether err is a failed git command whose message contains one of the texts. Other packages branch on
// typed errors and never on texts.
func said(err error, texts ...string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(e.Stderr, t) })
}

// exited reports whether err is a git command that ended with this exit status.
func exited(err error, status int) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Exit == status
}

// git runs git and returns its output. On failure the output so far is returned with the *Error.
func (r *Reader) git(ctx context.Context, c call) (string, error) {
	env, dir := slices.Concat(r.env, c.env), c.native
	switch {
	case c.in != nil:
		if path := c.in.odd(); path != "" {
			return "", oddFile(c.args[0], path)
		}
		env, dir = append(env, c.in.env()...), c.in.workTree
	case c.own != "": // git finds the .git itself: a GIT_DIR would lead the programs of a hook astray, such as git lfs
		env, dir = append(env, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"), c.own
	case c.native == "":
		view, err := r.viewed(ctx)
		if err != nil {
			return "", err
		}
		env, dir = append(env, viewEnv(view, view)...), view
	}
	if c.lock == nil {
		env = append(env, "GIT_OPTIONAL_LOCKS=0")
	}
	cmd := run.Cmd{
		Argv: append([]string{r.program}, c.args...), Dir: dir, Env: env,
		Stdout: c.stdout, Timeout: c.timeout, MaxOutput: maxListing,
	}
	if c.stdin != "" { // otherwise it is /dev/null, which needs no pipe
		cmd.Stdin = strings.NewReader(c.stdin)
	}
	switch {
	case c.long:
		cmd.Timeout, cmd.Idle = -1, cmp.Or(r.idle, idleLimit)
	case cmd.Timeout == 0:
		cmd.Timeout = readTimeout
	}
	if c.lock != nil {
		cmd.Files = []*os.File{c.lock}
	}
	ctx, release := r.watched(ctx, c)
	defer release()
	res, err := run.Do(ctx, cmd)
	if err != nil && c.in != nil {
		c.in.unlock()
	}
	if odd := oddCause(ctx); err != nil && odd != nil {
		return string(res.Stdout), odd
	}
	if x, ok := errors.AsType[*run.ExitError](err); ok {
		said := string(res.Stderr)
		return string(res.Stdout), &Error{Args: c.args, Exit: x.Exit, Stderr: r.unviewed(said), locked: lockIn(said), cause: err}
	}
	if err != nil {
		return string(res.Stdout), fmt.Errorf("git %s: %w", c.args[0], err)
	}
	if res.Truncated {
		return "", fmt.Errorf("git %s: more than %d bytes of output", c.args[0], maxListing)
	}
	return string(res.Stdout), nil
}

// line runs git and returns its output without the final newline.
func (r *Reader) line(ctx context.Context, c call) (string, error) {
	out, err := r.git(ctx, c)
	return strings.TrimSuffix(out, "\n"), err
}

// fields splits output of a -z format.
func fields(out string) []string {
	out = strings.TrimSuffix(out, "\x00")
	if out == "" {
		return nil
	}
	return strings.Split(out, "\x00")
}
