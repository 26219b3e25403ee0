package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/forge"
	"muster/internal/life"
	"muster/internal/text"
)

// changes implements fleet.Changes: it opens pull requests, and asks each repository with work in review by one request at a
// time.
type changes struct {
	trees worktrees
	of    func(ctx context.Context) ([]life.Task, error) // at least the tasks that are followed
	env   []string
	out   chan fleet.News
	now   func() time.Time
	// pace is what all pauses are multiplied by; 1 but in tests.
	pace float64
	log  *slog.Logger

	program func(host string) []string // that stands for the forge at a host; nil for GitHub

	mu     sync.Mutex
	forges map[string]forge.Forge // by host

	// Only Serve uses these.
	repos   map[string]*watched // by event.Spec.Forge
	hosts   map[string]*forgeHost
	writers map[string]writer // by repository and login
}

func newChanges(trees worktrees, of func(ctx context.Context) ([]life.Task, error), env []string, program func(host string) []string, now func() time.Time, log *slog.Logger) *changes {
	return &changes{
		trees: trees, of: of, env: env, program: program, forges: map[string]forge.Forge{}, out: make(chan fleet.News), now: now, pace: 1, log: log,
		repos: map[string]*watched{}, hosts: map[string]*forgeHost{}, writers: map[string]writer{},
	}
}

// Hurry multiplies all pauses by a factor, for tests. It is called before Serve.
func (c *changes) Hurry(factor float64) { c.pace = factor }

// client returns the forge at a host. Its program is looked for at the first use: most fleets need none.
func (c *changes) client(host string) (forge.Forge, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.forges[host]; f != nil {
		return f, nil
	}
	f, err := forge.For(c.program(host), c.env)
	if err == nil {
		c.forges[host] = f
	}
	return f, err
}

// Open implements fleet.Changes.
func (c *changes) Open(ctx context.Context, t life.Task, p event.WorkPublished) (event.WorkPublished, error) {
	repo, err := forge.ParseRepo(t.Spec.Forge)
	if err != nil {
		return p, err
	}
	g, err := c.client(repo.Host)
	if err != nil {
		return p, err
	}
	pull, err := forge.Open(ctx, g, repo, forge.Draft{Head: t.Branch, Base: t.Spec.Into, Commit: p.Commit, Title: t.Spec.Name, Body: c.body(t)})
	if err != nil {
		return p, openFault(t, repo, err, len(c.program(repo.Host)) > 0)
	}
	p.URL, p.Number = pull.URL, pull.Number
	return p, nil
}

// openFault returns the error of a change that could not be opened, with its next step.
func openFault(t life.Task, repo forge.Repo, err error, byProgram bool) error {
	if errors.Is(err, forge.ErrClosed) {
		return fault.Wrap(fault.Conflict, err, "muster opens no second one").
			WithHint("Reopen it, then: muster retry %s", t.ID)
	}
	e, ok := errors.AsType[*forge.Error](err)
	switch {
	case !ok:
		return err
	case e.Class == forge.Login && byProgram:
		return fault.Wrap(fault.Failed, fmt.Errorf("%w: %w", fleet.ErrRemote, err), "open a change at %s", repo).
			WithHint("Give the program in [forges] a login that holds; muster tries again by itself")
	case e.Class == forge.Login:
		return fault.Wrap(fault.Failed, fmt.Errorf("%w: %w", fleet.ErrRemote, err), "open a pull request at %s", repo).
			WithHint("Log in again: gh auth login -h %s; muster tries again by itself", repo.Host)
	case e.Class == forge.Unreachable, e.Class == forge.Limited:
		return fmt.Errorf("open a pull request at %s: %w: %w", repo, fleet.ErrRemote, err)
	}
	return fault.Wrap(fault.Conflict, err, "the branch %s is pushed, but no pull request could be opened at %s", t.Branch, repo).
		WithHint("Change what it names, then: muster retry %s", t.ID)
}

// body returns the text of a change. What people and agents wrote pages nobody in it.
func (c *changes) body(t life.Task) string {
	var b strings.Builder
	b.WriteString(forge.Neutral(text.Field(t.Spec.Summary, 1000)) + "\n")
	if last := t.Rounds.Last; last != nil && len(last.Results) > 0 {
		b.WriteString("\nChecks that passed on exactly this tree (`" + last.Tree + "`):\n\n")
		for _, r := range last.Results {
			b.WriteString("- " + forge.Neutral(text.Field(r.Name, 100)) + ": `" + strings.ReplaceAll(text.Field(r.Run, 300), "`", "'") + "`\n")
		}
	}
	if i := t.Spec.Issue; i != nil && strings.EqualFold(i.Forge, t.Spec.Forge) {
		fmt.Fprintf(&b, "\nCloses #%d\n", i.Number)
	}
	of := sha256.Sum256([]byte(c.trees.home))
	fmt.Fprintf(&b, "\nBy muster, task %s.\n\n%s%x/%s -->\n", t.ID, forge.Marker, of[:4], t.ID)
	return b.String()
}
