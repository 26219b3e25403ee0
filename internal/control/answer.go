package control

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/store"
	"muster/internal/text"
)

// Answer decides the open permission request or question of a task, with a decision or with a person's words.
type Answer struct {
	Task     event.TaskID
	Decision event.Decision
	Text     string // the words of a reply; with a denial, how to go on instead
	// Words, if not empty, is what a person wrote. The open request determines its meaning: "allow" or "yes" and
	// "deny" or "no" decide a permission; a question is answered by the number of one of its options, or by any text.
	Words string
	// Answers are the replies to the questions of the request, in order. Each is a text, the number of an option, or
	// several numbers separated by commas where several may be chosen. They replace Words.
	Answers []string
	// Request is the id of the request, and Hash is event.Ask.Hash of what was shown. Both are required to allow
	// something. Otherwise an empty Request means the open one.
	Request string
	Hash    string
	// Via names the channel by which a person answers; "" for a front end of this machine.
	Via string
}

func (c Answer) do(ctx context.Context, of *Control) (Outcome, error) { return of.ask(ctx, c.request) }

func (c Answer) request(tx *store.Tx, front event.Front) (out Outcome, err error) {
	t, err := present(tx, c.Task)
	if err != nil {
		return out, err
	}
	if err := goesOn(t, "take an answer"); err != nil {
		return out, err
	}
	if t.Request == nil {
		return out, fault.New(fault.Conflict, "%s is %s and asks nothing", t.ID, t.State).
			WithHint("To tell it something: muster send %s TEXT", t.ID)
	}
	if t.Answered {
		return out, fault.New(fault.Conflict, "%s was answered a moment ago", t.ID).WithHint("See how it goes on: muster show %s", t.ID)
	}
	if err := c.read(*t.Request); err != nil {
		return out, err
	}
	if err := c.fits(t); err != nil {
		return out, err
	}
	words, err := c.decide(t)
	if err != nil {
		return out, err
	}
	p := event.AnswerRequested{Request: t.Request.Request, Decision: c.Decision, Text: words, Via: c.Via, Front: front}
	if c.Decision == event.Allow {
		p.Hash = c.Hash
	}
	_, err = tx.Append(t.ID, t.Gen, p)
	return Outcome{Task: t.ID, effect: answered(t)}, err
}

// answered returns the effect of an answer: a parked task moves; a waiting agent's request is closed.
func answered(t life.Task) effect {
	if t.State != event.Waiting {
		return takenUp("answer", t)
	}
	request := t.Request.Request
	return effectOf(event.ActAnswer, func(e event.Event) bool {
		closed, ok := e.Data.(event.RequestClosed)
		return ok && closed.Request == request
	})
}

// read interprets a person's words by what the request asks.
func (c *Answer) read(r event.RequestOpened) error {
	question := r.Reason == event.WaitQuestion
	switch word := strings.ToLower(strings.TrimSpace(c.Words)); {
	case len(c.Answers) > 0 && (c.Words != "" || !question):
		return fault.New(fault.Usage, "answers to single questions need a request with questions, and no text beside them").
			WithHint("See what %s asks: muster show %s", c.Task, c.Task)
	case len(c.Answers) > 0:
		c.Decision = event.Reply
	case c.Words == "":
		return nil
	case question:
		if c.Text != "" {
			return fault.New(fault.Usage, "a reason is only possible with deny").WithHint("Leave it out.")
		}
		c.Decision, c.Text = event.Reply, c.Words
	case word == "allow" || word == "yes":
		if c.Text != "" {
			return fault.New(fault.Usage, "a reason is only possible with deny").WithHint("Leave it out.")
		}
		c.Decision = event.Allow
	case word == "deny" || word == "no":
		c.Decision = event.Deny
	default:
		return fault.New(fault.Usage, "%s asks for a permission, and %q is not an answer to that", c.Task, text.Line(c.Words, 40)).
			WithHint("Answer allow or deny; deny takes a reason.")
	}
	return nil
}

// fits returns an error if the answer is for a request that is not open or that has changed since it was shown.
func (c Answer) fits(t life.Task) error {
	r := t.Request
	switch {
	case c.Request != "" && c.Request != r.Request:
		return fault.New(fault.Conflict, "request %s of %s is no longer open", c.Request, t.ID).
			WithHint("See what it asks now: muster show %s", t.ID)
	case r.Request == "" && t.State == event.Waiting:
		return fault.New(fault.Conflict, "%s asks in its own terminal, and muster cannot answer there", t.ID).
			WithHint("Answer it there: muster attach %s", t.ID)
	case c.Decision != event.Allow || r.Reason != event.WaitPermission:
		if c.Hash != "" && (r.Ask == nil || r.Ask.Hash != c.Hash) {
			return changed(t, r)
		}
		return nil
	case r.Ask == nil || r.Ask.Cut:
		return fault.New(fault.Conflict, "the request of %s was not stored completely, so nobody can have read it all and it cannot be allowed here", t.ID).
			WithHint("Deny it: muster answer %s deny --reason TEXT. Or decide in its terminal: muster attach %s", t.ID, t.ID)
	case c.Request == "" || c.Hash == "":
		return fault.New(fault.Usage, "to allow something, an answer needs the request and the hash of what was shown").
			WithHint("Take both from: muster show %s --json", t.ID)
	case !r.Shown(c.Hash):
		return changed(t, r)
	}
	return nil
}

func changed(t life.Task, r *event.RequestOpened) error {
	return fault.New(fault.Conflict, "request %s of %s has changed since it was shown", r.Request, t.ID).
		WithHint("See what it asks now: muster show %s", t.ID)
}

// decide checks that the decision fits what is asked, and returns its text.
func (c Answer) decide(t life.Task) (words string, err error) {
	switch c.Decision {
	case event.Allow, event.Deny, event.Reply:
	default:
		return "", fault.New(fault.Usage, "unknown decision %q", c.Decision).WithHint("Answer with allow, deny, or a text.")
	}
	switch {
	case t.Request.Reason == event.WaitPermission && c.Decision == event.Reply:
		return "", fault.New(fault.Conflict, "%s asks for a permission, which a text does not answer", t.ID).
			WithHint("Allow or deny it; a denial may have a text.")
	case t.Request.Reason == event.WaitQuestion && c.Decision == event.Allow:
		return "", fault.New(fault.Conflict, "%s asks a question, which cannot be allowed", t.ID).
			WithHint("Answer it with a text%s.", options(t.Request.Options))
	}
	words = c.Text
	if c.Decision == event.Reply {
		if words, err = c.reply(t); err != nil {
			return "", err
		}
	}
	if c.Decision == event.Reply || words != "" {
		return plain("the answer", words, maxMessage)
	}
	return "", nil
}

func options(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return ": one of " + strings.Join(all, " | ")
}

// reply returns the text of a reply. Answers to several questions have one line each.
func (c Answer) reply(t life.Task) (string, error) {
	questions := t.Request.Questions()
	if len(c.Answers) == 0 && len(questions) > 1 {
		return c.Text, nil // one text answers all of them
	}
	answers := c.Answers
	if len(answers) == 0 {
		answers = []string{c.Text}
	}
	if len(answers) != len(questions) {
		return "", fault.New(fault.Usage, "%s asks %d questions, and there are %d answers", t.ID, len(questions), len(answers)).
			WithHint("Answer each: muster answer %s --question 1=ANSWER --question 2=ANSWER. `muster show %s` has them.", t.ID, t.ID)
	}
	lines := make([]string, len(answers))
	for i, q := range questions {
		line, err := choose(t, i, q, answers[i])
		if err != nil {
			return "", err
		}
		if len(questions) > 1 {
			line = strings.Join(strings.Fields(line), " ")
		}
		if len(questions) > 1 && line == "" {
			return "", fault.New(fault.Usage, "question %d of %s has no answer", i+1, t.ID).
				WithHint("Answer each: muster answer %s --question 1=ANSWER --question 2=ANSWER. `muster show %s` has them.", t.ID, t.ID)
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n"), nil
}

// choose replaces numbers of options by their labels and returns any other answer unchanged.
func choose(t life.Task, at int, q event.Question, answer string) (string, error) {
	words := strings.Split(answer, ",")
	if len(q.Options) == 0 || !q.Multi && len(words) > 1 {
		return answer, nil
	}
	var labels []string
	for _, w := range words {
		n, err := strconv.Atoi(strings.TrimSpace(w))
		if err != nil {
			return answer, nil //nolint:nilerr // a text
		}
		if n < 1 || n > len(q.Options) {
			which := "the question"
			if len(t.Request.Questions()) > 1 {
				which = "question " + strconv.Itoa(at+1)
			}
			return "", fault.New(fault.Usage, "%s of %s has no option %d", which, t.ID, n).
				WithHint("It has 1 to %d; `muster show %s` lists them.", len(q.Options), t.ID)
		}
		if label := q.Options[n-1].Label; !slices.Contains(labels, label) {
			labels = append(labels, label)
		}
	}
	return strings.Join(labels, ", "), nil
}
