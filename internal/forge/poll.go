package forge

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/life"
	"muster/internal/text"
)

// MostAtOnce is how many changes one poll asks for.
const MostAtOnce = 100

// fields are what a poll asks for of each pull request.
const fields = `fragment F on PullRequest {
  number state headRefOid baseRefName mergeable
  timelineItems(last: 1, itemTypes: [CLOSED_EVENT]) { nodes { ... on ClosedEvent { actor { login } } } }
  commits(last: 1) { nodes { commit { oid statusCheckRollup { contexts(first: 100) { nodes {
    __typename
    ... on CheckRun { name status conclusion startedAt completedAt detailsUrl databaseId title steps(first: 1) { totalCount } }
    ... on StatusContext { context state description targetUrl createdAt }
  } } } } } }
  reviews(last: 20) { nodes { id state body submittedAt isMinimized authorAssociation author { login } } }
  reviewThreads(last: 20) { nodes { isResolved path line comments(last: 10) { nodes { id body createdAt isMinimized authorAssociation author { login } pullRequestReview { state } } } } }
  comments(last: 30) { nodes { id body createdAt isMinimized authorAssociation author { login } } }
}`

// Polled is what a repository shows.
type Polled struct {
	Changes map[int]life.Change // by number
	// Left is the share of the forge's limit that is left; 0 if it is not known.
	Left float64
	// Hidden says what the login may not read, in the forge's words; "" if it may read all.
	Hidden string
}

// Poll returns the state of changes by their numbers, at most MostAtOnce, in one request. A number without a change is
// returned as closed; one that the forge did not answer for is left out.
func (g *GitHub) Poll(ctx context.Context, r Repo, numbers []int) (Polled, error) {
	numbers = numbers[:min(len(numbers), MostAtOnce)]
	var b strings.Builder
	b.WriteString("query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) {")
	for _, n := range numbers {
		fmt.Fprintf(&b, " p%[1]d: pullRequest(number: %[1]d) { ...F }", n)
	}
	b.WriteString(" } }\n" + fields)
	a, err := g.do(ctx, request{host: r.Host, method: "POST", path: "graphql", body: map[string]any{
		"query": b.String(), "variables": map[string]string{"owner": r.Owner, "name": r.Name},
	}})
	out := Polled{Changes: map[int]life.Change{}, Left: a.left}
	if err != nil {
		return out, err
	}
	var said struct {
		Data struct {
			Repository map[string]*rawState
		}
		Errors []struct {
			Message, Type string
			Path          []any
		}
	}
	if err := json.Unmarshal(a.body, &said); err != nil {
		return out, &Error{Class: Unreachable, Status: a.status, Message: "its answer has another shape"}
	}
	if said.Data.Repository == nil {
		e := &Error{Class: Forbidden, Status: a.status, Message: "the repository " + r.String() + " is not there"}
		if len(said.Errors) > 0 {
			e.Message = text.Line(said.Errors[0].Message, maxMessage)
		}
		return out, e
	}
	gone := map[string]bool{}
	for _, e := range said.Errors {
		if e.Type == "NOT_FOUND" && len(e.Path) == 2 {
			gone[fmt.Sprint(e.Path[1])] = true
		} else if out.Hidden == "" {
			out.Hidden = text.Line(e.Message, maxMessage)
		}
	}
	for _, n := range numbers {
		name := "p" + strconv.Itoa(n)
		switch p := said.Data.Repository[name]; {
		case p != nil:
			out.Changes[n] = p.change()
		case gone[name]:
			out.Changes[n] = life.Change{Phase: life.ReviewClosed, Why: "it is not there any more"}
		}
	}
	return out, nil
}

// rawState is a pull request as GraphQL has it.
type rawState struct {
	State, HeadRefOid, BaseRefName, Mergeable string
	TimelineItems                             struct {
		Nodes []struct{ Actor *struct{ Login string } }
	}
	Commits struct {
		Nodes []struct {
			Commit struct {
				Oid               string
				StatusCheckRollup *struct {
					Contexts struct{ Nodes []rawCheck }
				}
			}
		}
	}
	Reviews struct {
		Nodes []struct {
			rawWord
			State string
		}
	}
	ReviewThreads struct {
		Nodes []struct {
			IsResolved bool
			Path       string
			Line       int
			Comments   struct {
				Nodes []struct {
					rawWord
					PullRequestReview *struct{ State string }
				}
			}
		}
	}
	Comments struct{ Nodes []rawWord }
}

type rawCheck struct {
	Typename                             string `json:"__typename"`
	Name, Status, Conclusion, DetailsURL string
	Title                                string
	DatabaseID                           int64
	StartedAt, CompletedAt, CreatedAt    time.Time
	Steps                                *struct{ TotalCount int }
	Context, State, Description          string
	TargetURL                            string
}

type rawWord struct {
	ID, Body, AuthorAssociation string
	CreatedAt, SubmittedAt      time.Time
	IsMinimized                 bool
	Author                      *struct{ Login string }
}

// change returns the state in the words of life. Everything in it is foreign text; life cleans what it shows.
func (p rawState) change() life.Change {
	c := life.Change{Phase: life.ReviewOpen, Head: p.HeadRefOid, Base: p.BaseRefName, Conflict: p.Mergeable == "CONFLICTING"}
	switch p.State {
	case "MERGED":
		c.Phase = life.ReviewMerged
	case "CLOSED":
		c.Phase, c.Why = life.ReviewClosed, "somebody closed it"
		if n := p.TimelineItems.Nodes; len(n) > 0 && n[0].Actor != nil {
			c.Why = text.Field(n[0].Actor.Login, 100) + " closed it"
		}
	}
	for _, n := range p.Commits.Nodes {
		if roll := n.Commit.StatusCheckRollup; roll != nil && n.Commit.Oid == c.Head {
			for _, k := range roll.Contexts.Nodes {
				c.Checks = append(c.Checks, k.check())
			}
		}
	}
	for _, r := range p.Reviews.Nodes {
		if r.State != "PENDING" && r.State != "DISMISSED" {
			c.Words = appendWord(c.Words, r.rawWord, "", 0)
		}
	}
	for _, th := range p.ReviewThreads.Nodes {
		for _, w := range th.Comments.Nodes {
			if !th.IsResolved && (w.PullRequestReview == nil || w.PullRequestReview.State != "PENDING") {
				c.Words = appendWord(c.Words, w.rawWord, th.Path, th.Line)
			}
		}
	}
	for _, w := range p.Comments.Nodes {
		c.Words = appendWord(c.Words, w, "", 0)
	}
	return c
}

// check returns the verdict of a check run or of a commit status.
func (k rawCheck) check() life.ChangeCheck {
	if k.Typename == "StatusContext" {
		out := life.ChangeCheck{Name: k.Context, Ended: k.CreatedAt, Why: strings.ToLower(k.State) + " " + k.Description, Link: k.TargetURL, State: life.CheckPending}
		switch k.State {
		case "SUCCESS":
			out.State = life.CheckPassed
		case "FAILURE", "ERROR":
			out.State = life.CheckFailed
		}
		return out
	}
	out := life.ChangeCheck{Name: k.Name, Began: k.StartedAt, Ended: k.CompletedAt, Why: strings.ToLower(k.Conclusion) + " " + k.Title, Link: k.DetailsURL, State: life.CheckPending}
	if k.Status != "COMPLETED" {
		return out
	}
	switch k.Conclusion {
	case "SUCCESS", "NEUTRAL", "SKIPPED":
		out.State = life.CheckPassed
	case "FAILURE", "TIMED_OUT", "STARTUP_FAILURE":
		actions := strings.Contains(k.DetailsURL, "/actions/")
		switch {
		case actions && k.Steps != nil && k.Steps.TotalCount == 0: // refused for billing, or no runner came
			out.State, out.Why = life.CheckVoid, "it was never started"
			return out
		case actions && k.DatabaseID > 0:
			out.Job = strconv.FormatInt(k.DatabaseID, 10)
		}
		out.State = life.CheckFailed
	default: // cancelled, stale, action_required
		out.State = life.CheckVoid
	}
	return out
}

// Marker is how muster marks what it wrote itself on a forge. With a personal token its author is the person.
const Marker = "<!-- muster:"

// maxID bounds the id of what somebody wrote, in bytes. The log holds it.
const maxID = 100

// appendWord adds what a person wrote, unless it is empty, hidden or muster's own.
func appendWord(all []life.ChangeWord, w rawWord, path string, line int) []life.ChangeWord {
	if w.IsMinimized || w.Author == nil || !validWord(w.ID, w.Body) {
		return all
	}
	at := w.CreatedAt
	if at.IsZero() {
		at = w.SubmittedAt
	}
	return append(all, life.ChangeWord{
		ID: w.ID, Author: w.Author.Login, Text: w.Body, Path: path, Line: line, At: at,
		Trusted: isMember(w.AuthorAssociation),
	})
}

// isMember reports whether the forge shows somebody as one who may write.
func isMember(association string) bool {
	return slices.Contains([]string{"OWNER", "MEMBER", "COLLABORATOR"}, association)
}

// MayWrite reports whether a person may write to a repository. A forge shows private members of an organisation as
// strangers; this asks for what they may do.
func (g *GitHub) MayWrite(ctx context.Context, r Repo, login string) (bool, error) {
	return g.may(ctx, r, login, "admin", "maintain", "write")
}

// may reports whether a person has one of these roles in a repository.
func (g *GitHub) may(ctx context.Context, r Repo, login string, roles ...string) (bool, error) {
	if !plain(login) {
		return false, nil // a bot, whose name has brackets
	}
	a, err := g.do(ctx, request{host: r.Host, method: "GET", path: r.path("collaborators/" + login + "/permission")})
	if e, ok := asError(err); ok && e.Class == Forbidden {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var said struct {
		Permission string
		Role       string `json:"role_name"`
	}
	if err := json.Unmarshal(a.body, &said); err != nil {
		return false, &Error{Class: Unreachable, Status: a.status, Message: "its answer names no permission"}
	}
	return slices.Contains(roles, said.Permission) || slices.Contains(roles, said.Role), nil
}

// maxLog bounds the excerpt of a log in bytes.
const maxLog = 8 << 10

// Log returns the useful part of the log of a job, cleaned; "" if it has none or cannot be read.
func (g *GitHub) Log(ctx context.Context, r Repo, job string) string {
	a, err := g.do(ctx, request{host: r.Host, method: "GET", path: r.path("actions/jobs/" + job + "/logs"), raw: true})
	if err != nil {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(string(a.body)) {
		if stamp, rest, ok := strings.Cut(line, " "); ok && strings.HasSuffix(stamp, "Z") && strings.Contains(stamp, "T") {
			line = rest
		}
		if !strings.HasPrefix(line, "##[group]") && !strings.HasPrefix(line, "##[endgroup]") {
			b.WriteString(line)
		}
	}
	return text.Excerpt([]byte(b.String()), maxLog)
}

// Neutral returns foreign text for a forge: nobody is paged by it, and nothing is linked to.
func Neutral(s string) string {
	return strings.NewReplacer("@", "@\u200b", "#", "#\u200b", "<!--", "<\u200b!--").Replace(text.Clean(s))
}
