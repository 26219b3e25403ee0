package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/text"
)

// Limits of the calls that ask a remote.
const (
	askTimeout = time.Minute
	// maxWords bounds the words of a server or a hook in an error, in bytes.
	maxWords = 2000
)

// Causes of a PushError.
var (
	// ErrUnreachable means that the remote did not answer, or answered that it cannot serve now. A later attempt may work.
	ErrUnreachable = errors.New("the remote cannot be reached")
	// ErrLogin means that the remote did not accept the login, or that there is none.
	ErrLogin = errors.New("the remote does not accept the login")
	// ErrDeclined means that the remote, or the user's pre-push hook, does not accept this push.
	ErrDeclined = errors.New("the push was declined")
	// ErrDiverged means that the branch of the remote has commits that the work does not have.
	ErrDiverged = errors.New("the branch of the remote has other commits")
)

// PushError is a push that failed. errors.Is finds its cause.
type PushError struct {
	Remote, Branch string
	Cause          error
	Words          string // what the server, the hook or git said, cleaned
}

// Error returns the cause with what was said.
func (e *PushError) Error() string {
	msg := fmt.Sprintf("push %s to %s: %s", e.Branch, e.Remote, e.Cause)
	if e.Words != "" {
		msg += ": " + e.Words
	}
	return msg
}

// Unwrap returns the cause.
func (e *PushError) Unwrap() error { return e.Cause }

// PushSpec describes a push of one commit to one branch.
type PushSpec struct {
	Remote string // its name
	Branch string
	Commit string
	// Task is in the environment of the user's pre-push hook (environ.Task), so that a hook can make an exception.
	Task string
}

// Push makes the branch of a remote lead to a commit. It never forces: the branch must not exist there, or lead to an
// ancestor of the commit. It asks the remote first, so that a second call after a crash does nothing, and it asks again
// after a push that failed, because the answer to one that worked can be lost. Everything that git reads for it is the
// user's own configuration and that of the repository as it was frozen. Failures are *PushError.
func (r *Repo) Push(ctx context.Context, spec PushSpec) error {
	return r.pushing(ctx, spec, (*pushing).arrive)
}

// TryPush returns the error with which the remote would refuse every push: an unknown host, or a login without the right to
// write. It sends nothing and runs no hook, so that a server's rules for a branch are not tried.
func (r *Repo) TryPush(ctx context.Context, spec PushSpec) error {
	return r.pushing(ctx, spec, func(p *pushing, ctx context.Context) error { return p.push(ctx, "--dry-run", "--no-verify") })
}

// TryPushCommand returns the command by which a person tries what TryPush tries.
func TryPushCommand(checkout, remote string) string {
	return text.Command([]string{"git", "-C", checkout, "push", "--dry-run", remote, "HEAD:refs/heads/muster/try"})
}

// pushing calls do with a git directory that is ready for a push.
func (r *Repo) pushing(ctx context.Context, spec PushSpec, do func(*pushing, context.Context) error) error {
	ref, err := branchRef(spec.Branch)
	if err != nil {
		return err
	}
	if !remoteName(spec.Remote) {
		return fault.New(fault.Usage, "%q is not the name of a remote", spec.Remote)
	}
	if !isHash(spec.Commit) {
		return fault.New(fault.Usage, "%q is not the name of a commit", spec.Commit)
	}
	tmp, err := r.tempDir(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // otherwise sweep does
	p := pushing{r: r, spec: spec, ref: ref, dir: filepath.Join(tmp, ".git")}
	if err := p.ready(ctx); err != nil {
		return err
	}
	return do(&p, ctx)
}

// arrive makes the remote's branch lead to the commit.
func (p *pushing) arrive(ctx context.Context) error {
	spec := p.spec
	there, err := p.ask(ctx)
	if err != nil || there == spec.Commit {
		return err
	}
	if there != "" {
		if err := p.follows(ctx, there); err != nil {
			return err
		}
	}
	failed := p.push(ctx)
	if failed == nil {
		return nil
	}
	switch there, err := p.ask(ctx); {
	case err != nil:
		return failed
	case there == spec.Commit:
		return nil // it arrived, and only the answer was lost
	case there != "" && errors.Is(failed, ErrDiverged):
		if err := p.follows(ctx, there); err != nil {
			return err
		}
	}
	return failed
}

// remoteName reports whether name can be that of a remote, and is neither a flag nor a URL.
func remoteName(name string) bool { return !strings.HasPrefix(name, "-") && validRef(name) }

// pushing is one push. git runs in a git directory that only this push has.
type pushing struct {
	r    *Repo
	spec PushSpec
	ref  string
	dir  string   // the git directory
	env  []string // of each call
}

// ready fills the git directory: links to the objects and refs, a configuration without anything that an agent may have
// written, and the user's pre-push hook. What the repository says about the branches of its remotes is left out, so
// that a push changes no ref of the repository.
func (p *pushing) ready(ctx context.Context) error {
	view, err := p.r.viewed(ctx)
	if err != nil {
		return err
	}
	read, f := p.r.view.settings()
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		return fault.Wrap(fault.Failed, err, "prepare the push")
	}
	if err := linkShared(p.dir, p.r.Common); err != nil {
		return err
	}
	head, err := readSmall(filepath.Join(view, "HEAD"))
	if err != nil {
		return fault.Wrap(fault.Failed, err, "prepare the push")
	}
	content := slices.DeleteFunc(slices.Clone(f.Content), isTracking)
	hooks, err := p.hooks(read, f)
	if err != nil {
		return err
	}
	for name, data := range map[string]string{"HEAD": string(head), "config": renderConfig(read.user, p.r.ownSettings(f), content, p.absolute(f.Programs))} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(data), 0o600); err != nil {
			return fault.Wrap(fault.Failed, err, "prepare the push")
		}
	}
	own := slices.DeleteFunc(slices.Clone(settings), func(kv [2]string) bool { return kv[0] == "core.hooksPath" })
	p.env = append(ConfigEnv(append(own,
		[2]string{"core.hooksPath", hooks},
		[2]string{"remote." + p.spec.Remote + ".mirror", "false"}, // which would force
		[2]string{"push.followTags", "false"},
		[2]string{"push.recurseSubmodules", "no"},
		[2]string{"push.negotiate", "false"},
	)), environ.Task+"="+p.spec.Task)
	p.env = append(p.env, p.r.quietSSH(read, f)...)
	return nil
}

// absolute returns settings in which the paths of remotes do not depend on the directory that git runs in.
func (p *pushing) absolute(all []setting) []setting {
	out := slices.Clone(all)
	for i, s := range out {
		section, _, name := s.name()
		if section != "remote" || name != "url" && name != "pushurl" || s.Value == nil {
			continue
		}
		first, _, _ := strings.Cut(*s.Value, "/")
		if *s.Value == "" || strings.HasPrefix(*s.Value, "/") || strings.Contains(first, ":") {
			continue // a URL, or HOST:PATH
		}
		path := filepath.Join(p.r.Root, *s.Value)
		out[i].Value = &path
	}
	return out
}

// quietSSH returns the environment that keeps ssh from asking a person and from waiting for a host without end. A
// command that the user configured is not replaced.
func (r *Reader) quietSSH(read readings, f frozen) []string {
	for _, kv := range r.env {
		if strings.HasPrefix(kv, "GIT_SSH_COMMAND=") || strings.HasPrefix(kv, "GIT_SSH=") {
			return nil
		}
	}
	if slices.ContainsFunc(slices.Concat(read.user, f.Programs), func(s setting) bool { return s.Key == "core.sshcommand" }) {
		return nil
	}
	return []string{"GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ConnectTimeout=15"}
}

// git runs git for the push.
func (p *pushing) git(ctx context.Context, c call) (string, error) {
	c.own, c.env = filepath.Dir(p.dir), p.env
	return p.r.git(ctx, c)
}

// ask returns the commit that the branch of the remote leads to; "" if it does not exist there.
func (p *pushing) ask(ctx context.Context) (string, error) {
	out, err := p.git(ctx, call{args: []string{"ls-remote", "--quiet", "--", p.spec.Remote, p.ref}, timeout: askTimeout})
	if err != nil {
		return "", p.failed(err)
	}
	for line := range strings.Lines(out) {
		if hash, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); name == p.ref && isHash(hash) {
			return hash, nil
		}
	}
	return "", nil
}

// follows returns an error unless the commit to push comes after the one that the remote has.
func (p *pushing) follows(ctx context.Context, there string) error {
	_, err := p.git(ctx, call{args: []string{"merge-base", "--is-ancestor", there, p.spec.Commit}})
	switch {
	case err == nil:
		return nil
	case exited(err, 1), exited(err, 128): // 128: the commit is not here
		return &PushError{
			Remote: p.spec.Remote, Branch: p.spec.Branch, Cause: ErrDiverged,
			Words: fmt.Sprintf("it is at %.10s, which is not part of the work", there),
		}
	}
	return err
}

// push pushes.
func (p *pushing) push(ctx context.Context, flags ...string) error {
	args := slices.Concat([]string{"push", "--porcelain"}, flags, []string{"--", p.spec.Remote, p.spec.Commit + ":" + p.ref})
	out, err := p.git(ctx, call{args: args, long: true})
	if err == nil {
		return nil
	}
	failed := p.failed(err)
	e, ok := errors.AsType[*PushError](failed)
	if why := statusOf(out); ok && why != "" {
		switch {
		case strings.Contains(why, "failed to update ref"): // it was locked, or the push was sent twice
			e.Cause = ErrUnreachable
		case strings.HasPrefix(why, "[remote rejected]"):
			e.Cause = ErrDeclined
		default:
			e.Cause = ErrDiverged
		}
		e.Words = strings.TrimSuffix(text.Line(why+": "+e.Words, maxWords), ":")
	}
	return failed
}

// statusOf returns what git push --porcelain says about a ref that was not updated; "" if it says nothing.
func statusOf(out string) string {
	for line := range strings.Lines(out) { // !	COMMIT:refs/heads/x	[remote rejected] (why)
		if rest, ok := strings.CutPrefix(line, "!\t"); ok {
			_, why, _ := strings.Cut(rest, "\t")
			return strings.TrimSpace(why)
		}
	}
	return ""
}

// The texts by which git, curl, ssh and the servers say what went wrong. git speaks English to us. The first list with
// a match counts.
var (
	saysLogin = []string{
		"Authentication failed", "could not read Username", "could not read Password", "Permission denied (", "returned error: 401",
		"Host key verification failed", "terminal prompts disabled", "Too many authentication failures",
	}
	saysUnreachable = []string{
		"Could not resolve", "Temporary failure in name resolution", "Name or service not known", "Connection refused", "Connection timed out", "Operation timed out",
		"timed out", "Failed to connect", "Couldn't connect", "Could not connect", "Connection reset", "Connection closed", "Broken pipe",
		"Network is unreachable", "No route to host", "Empty reply from server", "early EOF", "unexpected disconnect", "SSL_ERROR_SYSCALL", "SSL_read",
		"GnuTLS recv error", "transfer closed with", "RPC failed", "returned error: 500", "returned error: 502", "returned error: 503", "returned error: 504",
		"returned error: 429", "CONNECT tunnel failed", "from proxy after CONNECT", "Proxy CONNECT aborted",
	}
)

// failed returns the error of a call that asked the remote as a *PushError.
func (p *pushing) failed(err error) error {
	e := &PushError{Remote: p.spec.Remote, Branch: p.spec.Branch, Cause: ErrDeclined}
	g, ok := errors.AsType[*Error](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		e.Cause, e.Words = ErrUnreachable, "it did not answer in time"
		return e
	case !ok:
		return err
	case said(err, saysLogin...):
		e.Cause = ErrLogin
	case said(err, saysUnreachable...):
		e.Cause = ErrUnreachable
	}
	var kept []string
	for line := range strings.Lines(g.Stderr) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "remote:"))
		if line != "" && !strings.HasPrefix(line, "hint:") && !slices.Contains(kept, line) {
			kept = append(kept, line)
		}
	}
	e.Words = text.Line(strings.ReplaceAll(strings.Join(kept, "; "), p.dir, p.r.Common), maxWords)
	return e
}
