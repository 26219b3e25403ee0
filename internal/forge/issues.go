package forge

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/text"
)

// Limits of what is read of issues.
const (
	issuesOfPage  = 100
	mostPages     = 10 // of issues, and of the comments of one issue
	maxETag       = 200
	labelsOfIssue = 100
)

// IssueRef is an issue in a list.
type IssueRef struct {
	Number  int
	Updated time.Time // in whole seconds
}

// IssueList is an answer to Issues.
type IssueList struct {
	Issues []IssueRef // the oldest first
	// Tag is given to the next call, which then costs nothing of the limit while nothing has changed.
	Tag string
	// Same means that nothing has changed since the call with the tag; Issues is empty then.
	Same bool
	// Left is the share of the forge's limit that is left; 0 if it is not known.
	Left float64
}

// Issues returns the open issues with a label. It asks the database and not the search index, which is behind it. Pull requests
// are issues to the forge, and are left out.
func (g *GitHub) Issues(ctx context.Context, r Repo, label, tag string) (IssueList, error) {
	var out IssueList
	for page := 1; page <= mostPages; page++ {
		q := url.Values{
			"labels": {label}, "state": {"open"}, "sort": {"created"}, "direction": {"asc"},
			"per_page": {strconv.Itoa(issuesOfPage)}, "page": {strconv.Itoa(page)},
		}
		call := request{host: r.Host, method: http.MethodGet, path: r.path("issues") + "?" + q.Encode()}
		if page == 1 {
			call.tag = tag
		}
		a, err := g.do(ctx, call)
		if err != nil {
			return out, err
		}
		out.Left = a.left
		if a.status == http.StatusNotModified {
			out.Tag, out.Same = tag, true
			return out, nil
		}
		var all []struct {
			Number      int
			UpdatedAt   time.Time       `json:"updated_at"`
			PullRequest json.RawMessage `json:"pull_request"`
		}
		if err := json.Unmarshal(a.body, &all); err != nil {
			return out, &Error{Class: Unreachable, Status: a.status, Message: "its answer is no list of issues"}
		}
		for _, i := range all {
			if i.PullRequest == nil && i.Number > 0 {
				out.Issues = append(out.Issues, IssueRef{Number: i.Number, Updated: i.UpdatedAt})
			}
		}
		if len(all) < issuesOfPage {
			if page == 1 { // the tag of one page says nothing about the next one
				out.Tag = plainTag(a.header.Get("Etag"))
			}
			return out, nil
		}
	}
	return out, nil
}

// plainTag returns a tag that can be sent back; "" if it is none.
func plainTag(s string) string {
	if len(s) > maxETag || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return s
}

// Issue is an issue with what decides whether it may become a task. Title and Body are as their author wrote them.
type Issue struct {
	Number      int
	ID          string // of the forge
	URL         string
	Title, Body string
	Author      string
	Open        bool
	// Labels are those that it has now.
	Labels []string
	// Edited is when its text was changed last, title or body; the zero time if it never was.
	Edited time.Time
	// Labeled says who set each of its labels last, and when, as far as the forge still shows it.
	Labeled []Labeling
	// Comments are those that muster wrote, of any fleet, and what copies them; the oldest first.
	Comments []Comment
	// Now is the time of the forge.
	Now time.Time
}

// Labeling says who set a label.
type Labeling struct {
	Label, By string
	At        time.Time
}

// Comment is a comment on an issue.
type Comment struct {
	ID     int64
	Author string
	Body   string
	At     time.Time
	// Mine reports whether the login that asks wrote it.
	Mine bool
	// Member reports whether the forge shows its author as somebody who may write.
	Member bool
}

// HasLabel reports whether an issue has a label. Labels are not case-sensitive.
func (i Issue) HasLabel(label string) bool {
	return slices.ContainsFunc(i.Labels, func(l string) bool { return strings.EqualFold(l, label) })
}

// LabeledBy returns who set a label last; false if the forge does not show it.
func (i Issue) LabeledBy(label string) (last Labeling, ok bool) {
	for _, l := range i.Labeled {
		if strings.EqualFold(l.Label, label) && !l.At.Before(last.At) {
			last, ok = l, true
		}
	}
	return last, ok
}

// issueFields are what is asked about an issue; its comments follow in pages.
const issueFields = `id number url title body state lastEditedAt author { login }
  labels(first: 100) { nodes { name } }
  timelineItems(last: 100, itemTypes: [LABELED_EVENT, RENAMED_TITLE_EVENT]) { nodes {
    __typename
    ... on LabeledEvent { createdAt actor { login } label { name } }
    ... on RenamedTitleEvent { createdAt }
  } }`

// rawIssue is an issue as GraphQL has it.
type rawIssue struct {
	ID, URL, Title, Body, State string
	Number                      int
	LastEditedAt                *time.Time
	Author                      *struct{ Login string }
	Labels                      struct{ Nodes []struct{ Name string } }
	TimelineItems               struct {
		Nodes []struct {
			Typename  string `json:"__typename"`
			CreatedAt time.Time
			Actor     *struct{ Login string }
			Label     struct{ Name string }
		}
	}
	Comments struct {
		PageInfo struct {
			HasNextPage bool
			EndCursor   string
		}
		Nodes []struct {
			rawWord
			DatabaseID      int64
			ViewerDidAuthor bool
		}
	}
}

// Issue returns an issue with muster's comments on it. What can change between two requests is in the first one. An issue that is
// not there is not open.
func (g *GitHub) Issue(ctx context.Context, r Repo, number int) (Issue, error) {
	var out Issue
	cursor := ""
	for page := range mostPages {
		fields, after := "", ""
		vars := map[string]string{"owner": r.Owner, "name": r.Name}
		head := "query($owner: String!, $name: String!"
		if page == 0 {
			fields = issueFields
		} else {
			head += ", $after: String!"
			after, vars["after"] = ", after: $after", cursor
		}
		query := head + fmt.Sprintf(`) { repository(owner: $owner, name: $name) { issue(number: %d) { %s
  comments(first: 100%s) { pageInfo { hasNextPage endCursor } nodes { databaseId body createdAt authorAssociation viewerDidAuthor author { login } } }
} } }`, number, fields, after)
		raw, now, err := g.issuePage(ctx, r, query, vars)
		if err != nil || raw == nil {
			return out, err
		}
		if page == 0 {
			out = raw.issue()
		}
		out.Now = now
		for _, c := range raw.Comments.Nodes {
			if !strings.HasPrefix(strings.TrimSpace(c.Body), Marker) {
				continue
			}
			word := Comment{ID: c.DatabaseID, Body: text.Cut(c.Body, maxMessage), At: c.CreatedAt, Mine: c.ViewerDidAuthor, Member: isMember(c.AuthorAssociation)}
			if c.Author != nil {
				word.Author = c.Author.Login
			}
			out.Comments = append(out.Comments, word)
		}
		if !raw.Comments.PageInfo.HasNextPage {
			slices.SortFunc(out.Comments, func(a, b Comment) int { return cmp.Compare(a.ID, b.ID) })
			return out, nil
		}
		cursor = raw.Comments.PageInfo.EndCursor
	}
	return out, &Error{Class: Refused, Message: fmt.Sprintf("the issue %d has more than %d comments", number, mostPages*100)}
}

// issuePage asks for one page of an issue; nil without an error means that the issue is not there.
func (g *GitHub) issuePage(ctx context.Context, r Repo, query string, vars map[string]string) (*rawIssue, time.Time, error) {
	a, err := g.do(ctx, request{host: r.Host, method: http.MethodPost, path: "graphql", body: map[string]any{"query": query, "variables": vars}})
	if err != nil {
		return nil, time.Time{}, err
	}
	var said struct {
		Data   struct{ Repository *struct{ Issue *rawIssue } }
		Errors []struct{ Message, Type string }
	}
	if err := json.Unmarshal(a.body, &said); err != nil {
		return nil, time.Time{}, &Error{Class: Unreachable, Status: a.status, Message: "its answer has another shape"}
	}
	now, err := time.Parse(time.RFC1123, a.header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	wrong := &Error{Class: Forbidden, Status: a.status, Message: "the repository " + r.String() + " is not there"}
	if len(said.Errors) > 0 {
		wrong.Message = text.Line(said.Errors[0].Message, maxMessage)
	}
	switch {
	case said.Data.Repository == nil:
		return nil, now, wrong
	case len(said.Errors) > 0 && said.Errors[0].Type != "NOT_FOUND": // half of an issue is no issue
		return nil, now, wrong
	}
	return said.Data.Repository.Issue, now, nil
}

func (raw *rawIssue) issue() Issue {
	out := Issue{
		Number: raw.Number, ID: text.Field(raw.ID, maxID), URL: text.Field(raw.URL, 300), Title: raw.Title, Body: raw.Body, Open: raw.State == "OPEN",
	}
	if raw.Author != nil {
		out.Author = text.Field(raw.Author.Login, 100)
	}
	if raw.LastEditedAt != nil {
		out.Edited = *raw.LastEditedAt
	}
	for _, l := range raw.Labels.Nodes[:min(len(raw.Labels.Nodes), labelsOfIssue)] {
		out.Labels = append(out.Labels, l.Name)
	}
	for _, e := range raw.TimelineItems.Nodes {
		switch {
		case e.Typename == "RenamedTitleEvent" && e.CreatedAt.After(out.Edited):
			out.Edited = e.CreatedAt
		case e.Typename == "LabeledEvent" && e.Actor != nil:
			out.Labeled = append(out.Labeled, Labeling{Label: e.Label.Name, By: text.Field(e.Actor.Login, 100), At: e.CreatedAt})
		}
	}
	return out
}

// Comment writes a comment on an issue. Its answer can be lost, so that a caller looks at the comments before it writes again.
func (g *GitHub) Comment(ctx context.Context, r Repo, number int, body string) error {
	_, err := g.do(ctx, request{
		host: r.Host, method: http.MethodPost, path: r.path("issues/" + strconv.Itoa(number) + "/comments"), body: map[string]any{"body": text.Cut(body, maxBody)},
	})
	return err
}

// Withdraw removes a comment. It is no error if the comment is not there.
func (g *GitHub) Withdraw(ctx context.Context, r Repo, comment int64) error {
	_, err := g.do(ctx, request{host: r.Host, method: http.MethodDelete, path: r.path("issues/comments/" + strconv.FormatInt(comment, 10)), raw: true})
	if e, ok := asError(err); ok && e.Status == http.StatusNotFound {
		return nil
	}
	return err
}

// MayLabel reports whether a person may set labels in a repository, which triage is enough for.
func (g *GitHub) MayLabel(ctx context.Context, r Repo, login string) (bool, error) {
	return g.may(ctx, r, login, "admin", "maintain", "write", "triage")
}
