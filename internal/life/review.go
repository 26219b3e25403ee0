package life

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/text"
)

// ReviewPhase is whether a change on a forge is still open.
type ReviewPhase string

// The phases.
const (
	ReviewOpen   ReviewPhase = "open"
	ReviewMerged ReviewPhase = "merged"
	ReviewClosed ReviewPhase = "closed" // or gone
)

// Reviewed is what the forge shows about the change of a task in review. It is level-triggered: the same may come any
// number of times.
type Reviewed struct {
	Phase ReviewPhase
	Why   string // of a closed one, for people
	// Key identifies what the agent is to be told; "" if there is nothing. Each key is told once.
	Key      string
	Names    string // the failing checks, sorted, with commas
	Text     string
	Conflict bool // the key is that of a conflict
	// Waits says which checks of Head have had no verdict for too long; "" if none.
	Waits string
	// Judged is set if the checks of Head for which the task was parked have a verdict by now, or were started again.
	Judged bool
	// Head is set if a new commit must follow. Such a key that comes again means that the agent left it as it was.
	Head string
}

// Review is what a task remembers of its review.
type Review struct {
	Told  []string `json:"told,omitempty"`  // keys, the newest last
	Names string   `json:"names,omitempty"` // the failing checks of the newest red round
	Same  int      `json:"same,omitempty"`  // consecutive red rounds with these names
}

const (
	// maxSame is how often the same checks may fail in a row, each time for a new commit.
	maxSame = 3
	// maxTold bounds the keys that a task remembers.
	maxTold = 200
	// redPatience is how long a red check waits for the others of its commit.
	redPatience = 10 * time.Minute
	// wordsPatience is how long words wait for more, since reviewers write several.
	wordsPatience = time.Minute
	// maxWords is how many things that people wrote are told at once. The rest follows.
	maxWords = 20
	// conflictPatience is how long after a push a conflict counts: until then a forge shows its old answer.
	conflictPatience = 15 * time.Second
)

// inReview reports whether people look at a change of the task. Work in the queue of its base is looked at by nobody.
func (s *step) inReview() bool {
	return s.t.State == event.InReview && s.t.Published != nil && s.t.Published.Mode != event.PublishMerge
}

// Followed reports whether the change of a task is looked at: while the task is in review, and for as long after it was parked because
// the forge's checks gave no verdict. They may give one later, and people merge it without them.
func Followed(t Task, now time.Time) bool {
	return t.Published != nil && (t.State == event.InReview || t.AwaitsVerdict() && now.Sub(t.ChangedAt) < reviewLimit)
}

// AwaitsVerdict reports whether the task was parked because the forge's checks gave no verdict. It goes on by itself when there is one.
func (t Task) AwaitsVerdict() bool {
	return t.State == event.Parked && t.Reason == ReasonCI && t.Published != nil && !t.Removed
}

// reviewed handles what the forge shows.
func (s *step) reviewed(in Reviewed) {
	if s.t.Stopping || len(s.t.Open) > 0 {
		return // it comes again
	}
	if s.t.AwaitsVerdict() && s.isNews(in) {
		s.awaitReview(ruleReviewNews, s.t.Published.URL)
	}
	switch {
	case !s.inReview():
	case in.Phase == ReviewMerged && s.t.Worktree != "":
		s.act(event.CleanArgs{}) // finished continues
	case in.Phase == ReviewMerged:
		s.finish()
	case in.Phase == ReviewClosed:
		s.park(ruleReviewClosed, ReasonClosed, in.Why)
	case in.Key != "":
		s.feedBack(in)
	case in.Waits != "" && in.Head == s.t.Published.Commit:
		s.park(ruleReviewWaits, ReasonCI, in.Waits)
	}
}

// reviewAgain takes a task back into its review that was parked because checks of the forge gave no verdict. Its agent has nothing to do.
func (s *step) reviewAgain() {
	s.awaitReview(ruleReviewAgain, s.t.Published.URL)
}

// isNews reports whether something has happened to a change for which the task does not wait in vain.
func (s *step) isNews(in Reviewed) bool {
	if in.Phase != ReviewOpen || in.Key != "" {
		return in.Phase != ReviewOpen || !s.isOld(in)
	}
	return in.Judged && in.Head == s.t.Published.Commit
}

// isOld reports whether a key is of another commit than the newest one, or of words that the agent was told.
func (s *step) isOld(in Reviewed) bool {
	if in.Head != "" {
		return s.t.Published == nil || in.Head != s.t.Published.Commit
	}
	return slices.Contains(s.t.Review.Told, in.Key)
}

// feedBack gives an agent what its review brought. It goes on in its conversation, with a slot.
func (s *step) feedBack(in Reviewed) {
	told := slices.Contains(s.t.Review.Told, in.Key)
	switch {
	case s.isOld(in):
		return
	case told:
		s.park(ruleReviewStuck, ReasonNoProgress, "the agent was told, and the change is still at "+in.Head)
		return
	case in.Names != "" && in.Names == s.t.Review.Names && s.t.Review.Same >= maxSame:
		s.park(ruleReviewStuck, ReasonNoProgress, fmt.Sprintf("%s failed %d times in a row, each time for a new commit", in.Names, maxSame+1))
		return
	case s.t.Rounds.Spent >= s.t.Spec.Rounds:
		s.park(ruleReviewRounds, ReasonRounds, "the review asks for more, and "+usedUp(s.t.Rounds.Spent, "round"))
		return
	}
	s.emit(event.ReviewTold{Key: in.Key, Names: in.Names})
	s.emit(event.MessageQueued{Message: s.nextMessage(), Text: in.Text, Why: event.WhyFeedback})
	s.workAgain(event.WhyFeedback, text.Field(in.Key, 200))
}

// hearInReview lets the agent go on if a person has written to it during the review.
func (s *step) hearInReview() {
	waits := func(m Message) bool { return m.State == event.MessageWaiting && m.Why == event.WhyMessage }
	if (s.inReview() || s.t.AwaitsRace()) && len(s.t.Open) == 0 && !s.t.Stopping && slices.ContainsFunc(s.t.Messages, waits) {
		s.workAgain(event.WhyMessage, "")
	}
}

// workAgain takes a task out of its review: its agent has a message.
func (s *step) workAgain(why event.Why, detail string) {
	s.emit(event.NextPlanned{Why: why})
	s.clearAll()
	s.move(ruleReviewFeedback, event.Reason(why), detail)
}

// HasTold reports whether the agent was told what somebody wrote, by its id.
func (r Review) HasTold(word string) bool {
	return slices.ContainsFunc(r.Told, func(k string) bool { return slices.Contains(strings.Fields(k), word) })
}

// told folds that the agent was told something.
func told(r Review, p event.ReviewTold) Review {
	r.Told = append(slices.Clone(r.Told), p.Key)
	r.Told = r.Told[max(0, len(r.Told)-maxTold):]
	switch p.Names {
	case "":
	case r.Names:
		r.Same++
	default:
		r.Names, r.Same = p.Names, 1
	}
	return r
}

// Change is the state of a change as a forge shows it, for its newest commit.
type Change struct {
	Phase    ReviewPhase
	Why      string // who closed it
	Head     string // the newest commit
	Base     string // the branch that it is to be merged into
	Conflict bool
	Checks   []ChangeCheck
	Words    []ChangeWord
}

// CheckState is the verdict of a check of a forge.
type CheckState string

// The states. A check that was cancelled or never started has no verdict.
const (
	CheckPending CheckState = "pending"
	CheckPassed  CheckState = "passed"
	CheckFailed  CheckState = "failed"
	CheckVoid    CheckState = "void"
)

// ChangeCheck is one check of a commit.
type ChangeCheck struct {
	Name    string
	State   CheckState
	Began   time.Time // when it was queued or started; zero if it is not known
	Ended   time.Time // zero if it is not known
	Why     string    // in the forge's words
	Link    string
	Job     string // by which its log is found; "" if it has none
	Excerpt string // of that log
}

// ChangeWord is something that a person wrote about a change.
type ChangeWord struct {
	ID, Author, Text, Path string
	Line                   int
	At                     time.Time
	Trusted                bool // the author may write to the repository
}

// Pending reports whether a check of the change has not ended.
func (c Change) Pending() bool {
	return slices.ContainsFunc(c.Checks, func(k ChangeCheck) bool { return k.State == CheckPending })
}

// ReviewOf returns what a change means for a task in review, and the failing checks that are told. Only a verdict for the
// commit that the task published counts, and only the words of people who may write to the repository.
func ReviewOf(t Task, c Change, now time.Time) (in Reviewed, red []ChangeCheck) {
	in = Reviewed{Phase: c.Phase, Why: c.Why}
	if c.Phase != ReviewOpen || t.Published == nil {
		return in, nil
	}
	if c.Head == t.Published.Commit {
		if red = failing(c, now); red != nil {
			names := namesOf(red)
			in.Key, in.Names, in.Head = "checks "+c.Head+" "+names, names, c.Head
			return in, red
		}
		if c.Conflict && now.Sub(t.ChangedAt) >= conflictPatience {
			in.Key, in.Head, in.Conflict = "conflict "+c.Head, c.Head, true
			return in, nil
		}
	}
	if in.Key, in.Text = words(t, c, now); in.Key == "" && c.Head == t.Published.Commit {
		in.Waits = waiting(t, c, now)
		in.Judged = in.Waits == "" && t.AwaitsVerdict() && len(c.Checks) > 0
		if in.Waits != "" || in.Judged {
			in.Head = c.Head
		}
	}
	return in, nil
}

// waiting names the checks that have had no verdict for as long as the task waits for one; "" if there are none. Such a check was not
// started, does not end, or was cancelled, and nobody has started it again. If the task was parked for that, these are the checks that
// have not been started again since.
func waiting(t Task, c Change, now time.Time) string {
	const most = 5
	var names []string
	for _, k := range c.Checks {
		since := latest(k.Began, k.Ended)
		enough := now.Sub(latest(since, t.ChangedAt)) >= t.Spec.CILimit
		if t.AwaitsVerdict() {
			enough = !since.After(t.ChangedAt)
		}
		judged := func(o ChangeCheck) bool {
			return o.Name == k.Name && (o.State == CheckPassed || o.State == CheckFailed)
		}
		if t.Spec.CILimit == 0 || !enough || k.State != CheckPending && k.State != CheckVoid || slices.ContainsFunc(c.Checks, judged) {
			continue
		}
		what := "has not ended"
		if k.State == CheckVoid {
			what = "has no verdict"
			if why := text.Field(k.Why, 100); why != "" {
				what += " (" + why + ")"
			}
		}
		names = append(names, text.Field(k.Name, 100)+" "+what)
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	if n := len(names) - most; n > 0 {
		names = append(names[:most], fmt.Sprintf("and %d more", n))
	}
	return fmt.Sprintf("the forge gives no verdict in %s: %s", t.Spec.CILimit, strings.Join(names, ", "))
}

// latest returns the later one of two times.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// failing returns the checks that failed, sorted by name; nil if there are none, or if others may follow soon.
func failing(c Change, now time.Time) (red []ChangeCheck) {
	var first time.Time
	for _, k := range c.Checks {
		if k.State != CheckFailed {
			continue
		}
		red = append(red, k)
		if !k.Ended.IsZero() && (first.IsZero() || k.Ended.Before(first)) {
			first = k.Ended
		}
	}
	if c.Pending() && (first.IsZero() || now.Sub(first) < redPatience) {
		return nil
	}
	slices.SortFunc(red, func(a, b ChangeCheck) int { return cmpString(a.Name, b.Name) })
	return red
}

func namesOf(checks []ChangeCheck) string {
	var names []string
	for _, k := range checks {
		if name := text.Field(k.Name, 100); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// RedText describes failing checks to their agent.
func RedText(head string, red []ChangeCheck) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The checks of the forge failed for your commit %.10s. Find the cause, mend it, and end your turn; what passes the project's own checks is pushed again.\n", head)
	for _, k := range red {
		fmt.Fprintf(&b, "\n%s: %s", text.Field(k.Name, 100), text.Field(k.Why, 300))
		if k.Link != "" {
			b.WriteString(" (" + text.Field(k.Link, 300) + ")")
		}
		b.WriteString("\n")
		if k.Excerpt != "" {
			b.WriteString(k.Excerpt + "\n")
		}
	}
	return b.String()
}

// ConflictText describes a conflict to the agent. files may be nil.
func ConflictText(t Task, c Change, files []string) string {
	const most = 50
	var b strings.Builder
	fmt.Fprintf(&b, "Your work conflicts with the branch %[1]s of the remote %[2]s, which has been fetched. Merge %[2]s/%[1]s into your branch (git merge %[2]s/%[1]s), "+
		"keep the intent of both sides, and end your turn. Do not rebase: the branch is pushed.\n", text.Field(c.Base, 200), t.Spec.Remote)
	for _, f := range files[:min(len(files), most)] {
		b.WriteString("\n" + text.Field(f, 300))
	}
	if n := len(files) - most; n > 0 {
		fmt.Fprintf(&b, "\nand %d more", n)
	}
	return b.String()
}

// words returns the key and the text of what people wrote and the agent was not told; "" if there is nothing, or if more may
// follow soon.
func words(t Task, c Change, now time.Time) (key, message string) {
	var b strings.Builder
	n := 0
	for _, w := range c.Words {
		if !w.Trusted || t.Review.HasTold(w.ID) {
			continue
		}
		if now.Sub(w.At) < wordsPatience {
			return "", ""
		}
		if n++; n > maxWords {
			continue
		}
		if key == "" {
			key = "words"
			b.WriteString("People who may write to the repository have reviewed your work. These are their words. Do what they ask for where it is part of your task, and end your turn.\n")
		}
		key += " " + w.ID
		at := ""
		if w.Path != "" {
			at = fmt.Sprintf(" on %s:%d", text.Field(w.Path, 300), w.Line)
		}
		fmt.Fprintf(&b, "\n%s%s:\n", text.Field(w.Author, 100), at)
		for line := range strings.Lines(text.Cut(text.Clean(w.Text), 8<<10)) {
			b.WriteString("> " + strings.TrimRight(line, "\r\n") + "\n")
		}
	}
	return key, b.String()
}

// Watching is what the pause until a forge is asked again depends on.
type Watching struct {
	Pending bool          // a check has not ended
	Young   bool          // a change was pushed to less than a quarter of an hour ago
	Rest    time.Duration // how long nothing has changed
	Left    float64       // the share of the forge's limit that is left; 0 if it is not known
}

// Pause returns how long to wait until a forge is asked again.
func (w Watching) Pause() time.Duration {
	pause := time.Minute
	switch {
	case w.Pending || w.Young:
		pause = 30 * time.Second
	case w.Rest >= 6*time.Hour:
		pause = 5 * time.Minute
	case w.Rest >= time.Hour:
		pause = 2 * time.Minute
	}
	if w.Left > 0 && w.Left < 0.2 {
		pause *= 4
	}
	return pause
}
