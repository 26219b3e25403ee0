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
	Number int
	URL    string
	State  string // open or closed
	Merged bool
	Head   string // commit
}

// ErrClosed is the error of Open if a person closed the change, which muster does not open again.
var ErrClosed = errors.New("the pull request was closed")

// Open returns the open change from a branch to another one, and opens one if there is none. It looks first, so that a second
// call opens no second one. It also returns one that was merged with this commit.
func (g *GitHub) Open(ctx context.Context, r Repo, d Draft) (Pull, error) {
	found, err := g.find(ctx, r, d)
	if err != nil || found.Number != 0 {
		return found, err
	}
	a, err := g.do(ctx, request{host: r.Host, method: "POST", path: r.path("pulls"), body: map[string]any{
		"title": text.Field(d.Title, maxTitle), "head": d.Head, "base": d.Base, "body": text.Cut(d.Body, maxBody),
	}})
	if e, ok := asError(err); ok && e.Status == 422 {
		if found, again := g.find(ctx, r, d); again == nil && found.Number != 0 {
			return found, nil
		}
	}
	if err != nil {
		return Pull{}, err
	}
	var made rawPull
	if err := json.Unmarshal(a.body, &made); err != nil || made.Number <= 0 {
		return Pull{}, &Error{Class: Unreachable, Status: a.status, Message: "its answer names no pull request"}
	}
	return made.pull(), nil
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
	return Pull{Number: p.Number, URL: text.Field(p.HTMLURL, 300), State: p.State, Merged: p.MergedAt != nil, Head: p.Head.SHA}
}

// find returns the change for a draft; a zero Pull if there is none, and ErrClosed if a person closed the newest. The filter
// of the API is not believed: without an owner, or for another repository, it returns others.
func (g *GitHub) find(ctx context.Context, r Repo, d Draft) (Pull, error) {
	q := url.Values{"head": {r.Owner + ":" + d.Head}, "base": {d.Base}, "state": {"all"}, "per_page": {"20"}}
	a, err := g.do(ctx, request{host: r.Host, method: "GET", path: r.path("pulls") + "?" + q.Encode()})
	if err != nil {
		return Pull{}, err
	}
	var all []rawPull
	if err := json.Unmarshal(a.body, &all); err != nil {
		return Pull{}, &Error{Class: Unreachable, Status: a.status, Message: "its answer is no list of pull requests"}
	}
	var closed *rawPull
	for _, p := range all {
		if p.Head.Ref != d.Head || p.Base.Ref != d.Base || p.Head.Repo == nil || !strings.EqualFold(p.Head.Repo.FullName, r.Owner+"/"+r.Name) {
			continue
		}
		switch {
		case p.State == "open", p.MergedAt != nil && p.Head.SHA == d.Commit:
			return p.pull(), nil
		case p.MergedAt == nil && (closed == nil || p.Number > closed.Number):
			closed = &p
		}
	}
	if closed != nil {
		return Pull{}, fmt.Errorf("%w: %s", ErrClosed, text.Field(closed.HTMLURL, 300))
	}
	return Pull{}, nil
}
