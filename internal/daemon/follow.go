package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/forge"
	"muster/internal/life"
	"muster/internal/text"
)

const (
	// lookPause is how often the tasks in review are looked for.
	lookPause = 10 * time.Second
	// youngFor is how long a change that was just pushed is asked for often.
	youngFor = 15 * time.Minute
	// writerKept is how long it is remembered whether a person may write to a repository.
	writerKept = time.Hour
	// writersAsked bounds how many people one round asks about. Strangers write as much as they like.
	writersAsked = 5
	// logsRead is how many logs of failing checks are read. They are of the same cause more often than not.
	logsRead = 3
)

// Pauses after requests that failed.
const (
	forbidRetry = time.Minute
	noGhRetry   = time.Hour
	forbidLimit = 3 // so many refusals in a row are a verdict
)

// watched is a repository with work that is followed.
type watched struct {
	next      time.Time // when it is asked again
	forbidden int       // consecutive refusals
	seen      string    // what the forge showed last
	changed   time.Time // when that changed
	hidden    string    // what the login may not read, as it was logged
	most      int       // how many changes one request asks for; 0 is as many as it can
}

// forgeHost is a forge with the login there, which all its repositories share.
type forgeHost struct {
	until  time.Time // nothing is asked before
	failed int       // consecutive requests without an answer
	class  forge.Class
}

// writer says whether a person may write to a repository.
type writer struct {
	may   bool
	asked time.Time
}

// News implements fleet.Changes.
func (c *changes) News() <-chan fleet.News { return c.out }

// Serve asks the forges until ctx ends.
func (c *changes) Serve(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := c.look(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn("look for work in review", "err", err)
		}
		timer.Reset(c.paced(lookPause))
	}
}

func (c *changes) paced(d time.Duration) time.Duration { return time.Duration(float64(d) * c.pace) }

// look asks each repository whose pause is over.
func (c *changes) look(ctx context.Context) error {
	all, err := c.of(ctx)
	if err != nil {
		return err
	}
	in := map[string][]life.Task{}
	for _, t := range all {
		if life.Followed(t, c.now()) && t.Published.Number > 0 && t.Spec.Forge != "" {
			in[t.Spec.Forge] = append(in[t.Spec.Forge], t)
		}
	}
	maps.DeleteFunc(c.repos, func(name string, _ *watched) bool { return in[name] == nil })
	for _, name := range slices.Sorted(maps.Keys(in)) {
		w := c.repos[name]
		if w == nil {
			w = &watched{changed: c.now()}
			c.repos[name] = w
		}
		repo, err := forge.ParseRepo(name)
		if err != nil {
			return err
		}
		at := c.hosts[repo.Host]
		if at == nil {
			at = &forgeHost{}
			c.hosts[repo.Host] = at
		}
		if now := c.now(); !now.Before(w.next) && !now.Before(at.until) {
			c.ask(ctx, repo, in[name], w, at)
		}
	}
	return nil
}

// ask asks one repository for all its changes in review, and hands on what it shows.
func (c *changes) ask(ctx context.Context, repo forge.Repo, tasks []life.Task, w *watched, at *forgeHost) {
	g, err := c.client(repo.Host)
	if err != nil {
		at.until = c.now().Add(c.paced(noGhRetry))
		c.log.Error("follow pull requests", "repository", repo.String(), "err", err)
		return
	}
	seen, watching, asked := "", life.Watching{}, 0
	for batch := range slices.Chunk(tasks, cmp.Or(w.most, forge.MostAtOnce)) {
		var numbers []int
		for _, t := range batch {
			numbers = append(numbers, t.Published.Number)
		}
		polled, err := g.Poll(ctx, repo, numbers)
		if errors.Is(err, forge.ErrTooLarge) && len(batch) > 1 {
			w.most = (len(batch) + 1) / 2 // at the next look
			c.log.Warn("a forge answers with too much", "repository", repo.String(), "changes", len(batch))
			return
		}
		if err != nil {
			c.refused(ctx, repo, tasks, w, at, err)
			return
		}
		if polled.Hidden != "" && polled.Hidden != w.hidden {
			c.log.Warn("the login may not read all of a pull request, so that checks may be missed", "repository", repo.String(), "words", polled.Hidden)
		}
		w.hidden, watching.Left = polled.Hidden, polled.Left
		for _, t := range batch {
			change, ok := polled.Changes[t.Published.Number]
			if !ok {
				continue
			}
			seen += fmt.Sprint(t.Published.Number, change)
			if !t.AwaitsVerdict() { // such a change is looked at as often as one at rest
				watching.Pending = watching.Pending || change.Pending()
				watching.Young = watching.Young || c.now().Sub(t.ChangedAt) < youngFor
			}
			c.trust(ctx, g, repo, t, change, &asked)
			c.tell(ctx, g, repo, t, change)
		}
	}
	if seen != w.seen {
		w.seen, w.changed = seen, c.now()
	}
	if at.failed > 0 {
		c.log.Info("the forge answers again", "host", repo.Host)
	}
	watching.Rest = c.now().Sub(w.changed)
	w.forbidden, w.next = 0, c.now().Add(c.paced(watching.Pause()))
	*at = forgeHost{}
}

// trust marks the words of people who may write to the repository although the forge shows them as strangers. A word whose
// author it could not ask about stays untrusted until the next round.
func (c *changes) trust(ctx context.Context, g forge.Forge, repo forge.Repo, t life.Task, change life.Change, asked *int) {
	if change.Phase != life.ReviewOpen {
		return
	}
	for i := range change.Words {
		word := &change.Words[i]
		if word.Trusted || t.Review.HasTold(word.ID) {
			continue
		}
		key := repo.String() + "\x00" + word.Author
		known, ok := c.writers[key]
		if !ok || c.now().Sub(known.asked) >= writerKept {
			if *asked++; *asked > writersAsked {
				continue
			}
			may, err := g.MayWrite(ctx, repo, word.Author)
			if err != nil {
				c.log.Warn("ask what a person may do", "repository", repo.String(), "err", err)
				continue
			}
			maps.DeleteFunc(c.writers, func(_ string, w writer) bool { return c.now().Sub(w.asked) >= writerKept })
			known = writer{may: may, asked: c.now()}
			c.writers[key] = known
		}
		word.Trusted = known.may
	}
}

// tell hands on what the forge shows about one task.
func (c *changes) tell(ctx context.Context, g forge.Forge, repo forge.Repo, t life.Task, change life.Change) {
	in, red := life.ReviewOf(t, change, c.now())
	if in.Phase == life.ReviewOpen && in.Key == "" && !in.Judged && (in.Waits == "" || t.AwaitsVerdict()) {
		return
	}
	switch told := slices.Contains(t.Review.Told, in.Key); {
	case told:
	case red != nil:
		for i := range red[:min(len(red), logsRead)] {
			if red[i].Job != "" {
				red[i].Excerpt = g.Log(ctx, repo, red[i].Job)
			}
		}
		in.Text = life.RedText(change.Head, red)
	case in.Conflict:
		files, there, err := c.conflict(ctx, t, change)
		if err != nil {
			c.log.Warn("look at the conflict of a pull request", "task", t.ID, "err", err)
			return
		}
		if !there { // the forge has not looked again yet
			return
		}
		in.Text = life.ConflictText(t, change, files)
	}
	c.hand(ctx, t.ID, in)
}

// hand hands on what is known about the change of a task.
func (c *changes) hand(ctx context.Context, id event.TaskID, in life.Reviewed) {
	select {
	case c.out <- fleet.News{Task: id, Review: in}:
	case <-ctx.Done():
	}
}

// conflict fetches the base of a change, which the agent may not be able to reach, and reports whether the change conflicts
// with it, and in which files. What a forge says about that may be old.
func (c *changes) conflict(ctx context.Context, t life.Task, change life.Change) (files []string, there bool, err error) {
	r, err := c.trees.open(ctx, t)
	if err != nil {
		return nil, false, err
	}
	if err := r.Fetch(ctx, t.Spec.Remote); err != nil {
		return nil, false, err
	}
	base, err := r.Resolve(ctx, "refs/remotes/"+t.Spec.Remote+"/"+change.Base)
	if err != nil {
		return nil, false, err
	}
	files, there, err = r.Conflicts(ctx, change.Head, base)
	if err != nil { // an old git cannot tell
		c.log.Warn("try the merge of a pull request", "task", t.ID, "err", err)
		return nil, true, nil
	}
	return files, there, nil
}

// refused handles a request without an answer. The tasks keep their state, except for a repository that is gone or forbidden.
func (c *changes) refused(ctx context.Context, repo forge.Repo, tasks []life.Task, w *watched, at *forgeHost, err error) {
	e, ok := errors.AsType[*forge.Error](err)
	if !ok {
		e = &forge.Error{Class: forge.Unreachable, Message: err.Error()}
	}
	if e.Class == forge.Forbidden || e.Class == forge.Refused { // of this repository only
		w.forbidden++
		w.next = c.now().Add(c.paced(forbidRetry))
		c.log.Warn("a repository cannot be asked for its pull requests", "repository", repo.String(), "class", e.Class, "err", err)
		if e.Class == forge.Forbidden && w.forbidden >= forbidLimit {
			c.lost(ctx, tasks, err)
		}
		return
	}
	if e.Class != at.class {
		c.log.Warn("a forge cannot be asked", "host", repo.Host, "class", e.Class, "err", err)
		at.failed = 0
	}
	at.failed, at.class = at.failed+1, e.Class
	at.until = c.now().Add(c.paced(e.Pause(at.failed)))
}

// lost hands on that the changes of a repository cannot be followed.
func (c *changes) lost(ctx context.Context, tasks []life.Task, err error) {
	for _, t := range tasks {
		c.hand(ctx, t.ID, life.Reviewed{Phase: life.ReviewClosed, Why: text.Line(err.Error(), 500)})
	}
}
