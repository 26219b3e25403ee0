package forge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"muster/internal/text"
)

// Limits of what is opened. GitHub's own are a little higher.
const (
	maxTitle = 200
	maxBody  = 60_000
)

// Access is what is known of the login at a repository.
type Access struct {
	Name    string
	Push    bool // it may push to the repository
	Archive bool // the repository takes no changes
	Left    float64
	Expires string // when its token ends, in the forge's words; "" if it does not say
}

// Check returns who is logged in and what the login may do.
func (g *GitHub) Check(ctx context.Context, r Repo) (Access, error) {
	a, err := g.do(ctx, request{host: r.Host, method: "GET", path: "user"})
	if err != nil {
		return Access{}, err
	}
	var user struct{ Login string }
	var repo struct {
		Archived    bool
		Permissions struct{ Push bool }
	}
	l := Access{Left: a.left, Expires: a.header.Get("Github-Authentication-Token-Expiration")}
	if err := json.Unmarshal(a.body, &user); err != nil {
		return l, err
	}
	if a, err = g.do(ctx, request{host: r.Host, method: "GET", path: r.path("")}); err != nil {
		return l, err
	}
	if err := json.Unmarshal(a.body, &repo); err != nil {
		return l, err
	}
	l.Name, l.Push, l.Archive = text.Field(user.Login, 100), repo.Permissions.Push, repo.Archived
	return l, nil
}

// path returns the path of a resource of the repository.
func (r Repo) path(of string) string {
	return strings.TrimSuffix("repos/"+url.PathEscape(r.Owner)+"/"+url.PathEscape(r.Name)+"/"+of, "/")
}

// Draft is a change to open.
type Draft struct {
	Head, Base  string // branches
	Commit      string // of Head
	Title, Body string
}

// Pull is a pull request.
type Pull struct {
	Number     int
	URL        string
	State      string // open or closed
	Merged     bool
	Commit     string // of Head
	Head, Base string // branches
	Repo       string // OWNER/NAME of Head
}

// ErrClosed is the error of Open if a person closed the change, which muster does not open again.
var ErrClosed = errors.New("the pull request was closed")

// Forge is what muster asks of a forge. A method is one request or a few; none of them tries again. An error is an *Error where the
// forge, or what stands for it, has failed.
type Forge interface {
	// Check returns who is logged in and what the login may do.
	Check(ctx context.Context, r Repo) (Access, error)
	// Find returns the changes of a draft's head and base in every state. It may return others, too.
	Find(ctx context.Context, r Repo, d Draft) ([]Pull, error)
	// Create opens a change. A second one for the same head and base is refused by the forge.
	Create(ctx context.Context, r Repo, d Draft) (Pull, error)
	// Poll returns the state of at most MostAtOnce changes by their numbers.
	Poll(ctx context.Context, r Repo, numbers []int) (Polled, error)
	// MayWrite reports whether a person may write to a repository.
	MayWrite(ctx context.Context, r Repo, login string) (bool, error)
	// Log returns the useful part of the log of a check, cleaned; "" if it has none or cannot be read.
	Log(ctx context.Context, r Repo, job string) string
}

// Open returns the open change from a branch to another one, and opens one if there is none. It looks first, so that a second
// call opens no second one. It also returns one that was merged with this commit.
func Open(ctx context.Context, f Forge, r Repo, d Draft) (Pull, error) {
	d.Title, d.Body = text.Field(d.Title, maxTitle), text.Cut(d.Body, maxBody)
	found, err := find(ctx, f, r, d)
	if err != nil || found.Number != 0 {
		return found, err
	}
	made, err := f.Create(ctx, r, d)
	if e, ok := asError(err); ok && e.Class == Refused {
		if found, again := find(ctx, f, r, d); again == nil && found.Number != 0 {
			return found, nil
		}
	}
	return made, err
}

// find returns the change for a draft; a zero Pull if there is none, and ErrClosed if a person closed the newest. The filter
// of a forge is not believed: GitHub's, without an owner or for another repository, returns others.
func find(ctx context.Context, f Forge, r Repo, d Draft) (Pull, error) {
	all, err := f.Find(ctx, r, d)
	if err != nil {
		return Pull{}, err
	}
	var closed *Pull
	for _, p := range all {
		if p.Head != d.Head || p.Base != d.Base || !strings.EqualFold(p.Repo, r.Owner+"/"+r.Name) {
			continue
		}
		switch {
		case p.State == "open", p.Merged && p.Commit == d.Commit:
			return p, nil
		case !p.Merged && (closed == nil || p.Number > closed.Number):
			closed = &p
		}
	}
	if closed != nil {
		return Pull{}, fmt.Errorf("%w: %s", ErrClosed, closed.URL)
	}
	return Pull{}, nil
}

// Create implements Forge.
func (g *GitHub) Create(ctx context.Context, r Repo, d Draft) (Pull, error) {
	a, err := g.do(ctx, request{host: r.Host, method: "POST", path: r.path("pulls"), body: map[string]any{
		"title": d.Title, "head": d.Head, "base": d.Base, "body": d.Body,
	}})
	if err != nil {
		return Pull{}, err
	}
	var made rawPull
	if err := json.Unmarshal(a.body, &made); err != nil || made.Number <= 0 {
		return Pull{}, &Error{Class: Unreachable, Status: a.status, Message: "its answer names no pull request"}
	}
	return made.pull(), nil
}

// Find implements Forge.
func (g *GitHub) Find(ctx context.Context, r Repo, d Draft) ([]Pull, error) {
	q := url.Values{"head": {r.Owner + ":" + d.Head}, "base": {d.Base}, "state": {"all"}, "per_page": {"20"}}
	a, err := g.do(ctx, request{host: r.Host, method: "GET", path: r.path("pulls") + "?" + q.Encode()})
	if err != nil {
		return nil, err
	}
	var all []rawPull
	if err := json.Unmarshal(a.body, &all); err != nil {
		return nil, &Error{Class: Unreachable, Status: a.status, Message: "its answer is no list of pull requests"}
	}
	var out []Pull
	for _, p := range all {
		out = append(out, p.pull())
	}
	return out, nil
}

// rawPull is a pull request as the API has it.
type rawPull struct {
	Number   int
	HTMLURL  string `json:"html_url"`
	State    string
	MergedAt *time.Time `json:"merged_at"`
	Head     rawEnd
	Base     rawEnd
}

type rawEnd struct {
	Ref, SHA string
	Repo     *struct {
		FullName string `json:"full_name"`
	}
}

func (p rawPull) pull() Pull {
	out := Pull{Number: p.Number, URL: text.Field(p.HTMLURL, 300), State: p.State, Merged: p.MergedAt != nil, Commit: p.Head.SHA, Head: p.Head.Ref, Base: p.Base.Ref}
	if p.Head.Repo != nil {
		out.Repo = p.Head.Repo.FullName
	}
	return out
}
