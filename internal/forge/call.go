package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/run"
	"muster/internal/text"
)

// Limits of a call. gh has no time limit of its own.
const (
	readTimeout  = 30 * time.Second
	writeTimeout = time.Minute
	maxAnswer    = 24 << 20
	maxMessage   = 500
)

// GitHub calls GitHub through gh. It is safe for concurrent use.
type GitHub struct {
	program string
	env     []string
}

// handedOn are the variables of the user that gh gets, besides those of the network and those that set its behavior.
var handedOn = []string{
	"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS",
	"GH_CONFIG_DIR", "GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN",
}

// quiet keeps gh from asking, from looking for newer versions, and from color.
var quiet = []string{
	"GH_PROMPT_DISABLED=1", "GH_NO_UPDATE_NOTIFIER=1", "GH_NO_EXTENSION_UPDATE_NOTIFIER=1", "GH_SPINNER_DISABLED=1", "GH_PAGER=cat", "NO_COLOR=1", "LANG=C.UTF-8",
}

// New returns a GitHub for an environment. Without a gh on its PATH the error is a fault.Conflict.
func New(env []string) (*GitHub, error) {
	program, err := run.LookPath("gh", env)
	if err != nil {
		return nil, fault.Wrap(fault.Conflict, err, "no gh on the PATH").
			WithHint("Install it (https://cli.github.com, version 2.4 or later), then: gh auth login")
	}
	g := &GitHub{program: program, env: slices.Clone(quiet)}
	for _, kv := range env {
		if name, _, ok := strings.Cut(kv, "="); ok && (environ.IsNetwork(name) || slices.Contains(handedOn, name)) {
			g.env = append(g.env, kv)
		}
	}
	return g, nil
}

// Repo is a repository of a forge. Its owner is a path on forges that have groups within groups.
type Repo struct{ Host, Owner, Name string }

// Deep reports whether the owner is a group within another one, which GitHub does not have.
func (r Repo) Deep() bool { return strings.Contains(r.Owner, "/") }

// String returns HOST/OWNER/NAME.
func (r Repo) String() string { return r.Host + "/" + r.Owner + "/" + r.Name }

// ParseRepo parses what String returns.
func ParseRepo(s string) (Repo, error) {
	p := strings.Split(s, "/")
	if len(p) < 3 || slices.ContainsFunc(p, func(word string) bool { return !plain(word) }) {
		return Repo{}, fault.New(fault.Usage, "%q is not HOST/OWNER/NAME", s)
	}
	last := len(p) - 1
	return Repo{Host: p[0], Owner: strings.Join(p[1:last], "/"), Name: p[last]}, nil
}

// RepoOf returns the repository that the URL of a git remote names: https://HOST/OWNER/NAME.git, ssh://git@HOST/OWNER/NAME
// or git@HOST:OWNER/NAME.git; false if it names none.
func RepoOf(url string) (Repo, bool) {
	rest := url
	if _, after, ok := strings.Cut(url, "://"); ok {
		rest = after
	} else if host, path, ok := strings.Cut(url, ":"); ok && !strings.Contains(host, "/") {
		rest = host + "/" + path
	} else {
		return Repo{}, false // a path
	}
	if at := strings.LastIndexByte(strings.SplitN(rest, "/", 2)[0], '@'); at >= 0 {
		rest = rest[at+1:]
	}
	rest = strings.TrimSuffix(strings.TrimSuffix(rest, "/"), ".git")
	host, path, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, ":")
	if host == "ssh.github.com" { // ssh over the port of https
		host = "github.com"
	}
	r, err := ParseRepo(host + "/" + path)
	return r, err == nil
}

// plain reports whether a word is part of a path and nothing else.
func plain(s string) bool {
	return s != "" && s[0] != '-' && s != "." && s != ".." && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}

// Class is what follows from an error of a forge.
type Class string

// The classes.
const (
	Unreachable Class = "unreachable" // the network, or the service is down
	Limited     Class = "limited"     // a limit of requests; Error.Wait says how long
	Login       Class = "login"
	Forbidden   Class = "forbidden" // or the repository is not there
	Refused     Class = "refused"   // this act, by its content
)

// ErrTooLarge means that an answer is longer than anybody reads. Strangers write comments as long as they like.
var ErrTooLarge = errors.New("the answer of the forge is too long")

// Error is a call that failed.
type Error struct {
	Class   Class
	Status  int    // of HTTP; 0 if there was no answer
	Message string // of the forge or of gh, cleaned
	// Wait is how long to wait before the next request, by the forge; 0 if it did not say.
	Wait time.Duration
}

// Error returns the message with the status.
func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("the forge answers %d: %s", e.Status, e.Message)
	}
	return "the forge: " + e.Message
}

// Pauses after requests that failed.
const (
	firstRetry      = 5 * time.Second
	longRetry       = 5 * time.Minute
	limitRetry      = time.Minute
	longLimit       = time.Hour
	firstLoginRetry = 10 * time.Second // a login that is refused once may pass the next time
)

// Pause returns how long nothing is asked after a number of requests in a row that ended with this class of error.
func (e *Error) Pause(failed int) time.Duration {
	switch {
	case e.Wait > 0:
		return e.Wait
	case e.Class == Limited:
		return min(limitRetry<<min(failed-1, 10), longLimit)
	case e.Class == Login && failed == 1:
		return firstLoginRetry
	case e.Class == Login:
		return longRetry
	}
	return min(firstRetry<<min(failed-1, 10), longRetry)
}

// asError returns the error of a call; false if it is of another kind.
func asError(err error) (*Error, bool) { return errors.AsType[*Error](err) }

// answer is what the forge answered.
type answer struct {
	status int
	header textproto.MIMEHeader
	body   []byte
	left   float64 // the share of the limit that is left; 0 if it is not known
}

// request is one call of the API.
type request struct {
	host, method, path string
	body               any // nil sends none
	raw                bool
	tag                string // of an answer that the caller has; the forge may answer that nothing has changed
}

// do calls the API once. The error is an *Error, unless gh could not be run.
func (g *GitHub) do(ctx context.Context, q request) (answer, error) {
	argv := []string{g.program, "api", "-i", "--hostname", q.host, "-X", q.method, q.path}
	if q.tag != "" {
		argv = append(argv, "-H", "If-None-Match: "+q.tag)
	}
	cmd := run.Cmd{Env: g.env, Timeout: readTimeout, MaxOutput: maxAnswer}
	if q.body != nil {
		b, err := json.Marshal(q.body)
		if err != nil {
			return answer{}, err
		}
		argv = append(argv, "--input", "-")
		cmd.Stdin = bytes.NewReader(b)
	}
	if q.method != "GET" {
		cmd.Timeout = writeTimeout
	}
	cmd.Argv = argv
	res, err := run.Do(ctx, cmd)
	x, exited := errors.AsType[*run.ExitError](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return answer{}, &Error{Class: Unreachable, Message: "it did not answer in time"}
	case err != nil && !exited:
		return answer{}, fmt.Errorf("run gh: %w", err)
	}
	a, ok := parse(res.Stdout)
	if !ok {
		said, exit := "", 0
		if exited {
			said, exit = x.Stderr, x.Exit
		}
		return a, unanswered(exit, said)
	}
	if res.Truncated {
		return a, fmt.Errorf("%w: more than %d MiB", ErrTooLarge, maxAnswer>>20)
	}
	return a, a.failed(q, exited)
}

// parse splits what gh api -i prints into status, header and body; false if there is no status.
func parse(out []byte) (answer, bool) {
	head, body, ok := bytes.Cut(out, []byte("\r\n\r\n"))
	if !ok {
		return answer{}, false
	}
	lines := strings.Split(strings.ReplaceAll(string(head), "\r\n", "\n"), "\n")
	f := strings.Fields(lines[0])
	if len(f) < 2 || !strings.HasPrefix(f[0], "HTTP/") {
		return answer{}, false
	}
	status, err := strconv.Atoi(f[1])
	if err != nil {
		return answer{}, false
	}
	a := answer{status: status, header: textproto.MIMEHeader{}, body: body}
	for _, l := range lines[1:] {
		if name, value, ok := strings.Cut(l, ":"); ok {
			a.header.Add(name, strings.TrimSpace(value))
		}
	}
	limit, _ := strconv.ParseFloat(a.header.Get("X-Ratelimit-Limit"), 64)
	if left, err := strconv.ParseFloat(a.header.Get("X-Ratelimit-Remaining"), 64); err == nil && limit > 0 {
		a.left = max(left/limit, 1e-6)
	}
	return a, true
}

// unanswered returns the error of a call without a status line, by what gh said.
func unanswered(exit int, said string) error {
	e := &Error{Class: Unreachable, Message: text.Line(said, maxMessage)}
	if e.Message == "" {
		e.Message = "the answer was cut off"
	}
	if exit == 4 || strings.Contains(said, "gh auth login") {
		e.Class = Login
	}
	return e
}

// failed returns the error that an answer means; nil if it means success.
func (a answer) failed(q request, exited bool) error {
	var said struct {
		Message string
		Errors  []struct{ Message, Type, Code string }
	}
	_ = json.Unmarshal(a.body, &said) // a list has no message, and errors that are strings have no fields
	notJSON := !json.Valid(a.body)
	e := &Error{Status: a.status, Message: said.Message}
	for _, one := range said.Errors {
		if one.Message != "" && !strings.Contains(e.Message, one.Message) {
			e.Message += "; " + one.Message
		}
	}
	e.Message = text.Line(strings.TrimPrefix(e.Message, "; "), maxMessage)
	e.Wait = a.wait()
	limited := a.header.Get("X-Ratelimit-Remaining") == "0" || a.header.Get("Retry-After") != "" || strings.Contains(said.Message, "secondary rate limit")
	switch {
	case a.status == 304 && q.tag != "":
		return nil
	case a.status == 401:
		e.Class = Login
	case a.status == 403 && limited, a.status == 429:
		e.Class = Limited
	case a.status == 403, a.status == 404, a.status == 410, a.status == 451:
		e.Class = Forbidden
	case a.status >= 500:
		e.Class = Unreachable
	case a.status >= 400:
		e.Class = Refused
	case a.status >= 300:
		e.Class, e.Message = Unreachable, "an unexpected answer"
	case q.raw:
		return nil
	case notJSON:
		e.Class, e.Message = Unreachable, "its answer is no JSON, or was cut off"
	case len(said.Errors) > 0 && said.Errors[0].Type == "RATE_LIMITED":
		e.Class = Limited
	case strings.Contains(e.Message, "Something went wrong"):
		e.Class = Unreachable
	case exited && len(said.Errors) == 0:
		e.Class, e.Message = Unreachable, "its answer was cut off"
	default:
		return nil
	}
	if e.Message == "" {
		e.Message = "without words"
	}
	return e
}

// wait returns how long the forge says to wait; 0 if it does not.
func (a answer) wait() time.Duration {
	if s, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil && s > 0 {
		return time.Duration(s) * time.Second
	}
	reset, err := strconv.ParseInt(a.header.Get("X-Ratelimit-Reset"), 10, 64)
	if err != nil || a.header.Get("X-Ratelimit-Remaining") != "0" {
		return 0
	}
	now := time.Now()
	if date, err := time.Parse(time.RFC1123, a.header.Get("Date")); err == nil { // its own clock
		now = date
	}
	return max(0, time.Unix(reset, 0).Sub(now)) + 5*time.Second
}
