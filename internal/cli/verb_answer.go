package cli

import (
	"bufio"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/words"
)

const answerHelp = `Answer what a task asks; ` + "`muster show ID`" + ` shows the whole request. A permission is allowed or denied, a
question is answered by the number of one of its options or by a text. An answer starts a task that
was parked with its request again.

Only a request that can be read completely can be allowed. On a terminal it is shown again and you are
asked to confirm; otherwise the answer allows what it prints. With --hash, from ` + "`muster show`" + `, nothing is allowed
that has changed since you read it. A request of more than 64 KiB can only be denied.

If there are several questions, answer each with --question, by number or text; if several options
may be chosen, give their numbers with commas.

  muster answer t3 allow
  muster answer t3 allow --hash 1f0c9a72d3be
  muster answer t3 deny --reason "use the staging database"
  muster answer t3 2
  muster answer t3 "rename it to account_id"
  muster answer t3 --question 1=2 --question 2=1,3`

// answerFlags are the flags of `muster answer`.
type answerFlags struct {
	reason, request, hash string
	questions             []string
}

// answered is the output of `muster answer`.
type answered struct {
	requested
	Request string `json:"request"`        // id of the request
	Hash    string `json:"hash,omitempty"` // of the allowed request
	task    life.Task
}

func newAnswerCommand(env Env) *cobra.Command {
	var f answerFlags
	c := verb(&cobra.Command{
		Use: "answer ID allow|deny|TEXT", Short: "Answer what a task asks", Long: answerHelp, Args: cobra.MinimumNArgs(1),
	}, groupTalk)
	c.Flags().StringVar(&f.reason, "reason", "", "with deny: `TEXT` is the reason, so that the agent can try another way")
	c.Flags().StringVar(&f.request, "request", "", "answer only the request with this `ID`")
	c.Flags().StringVar(&f.hash, "hash", "", "answer only if the request has this `HASH`, or one with this beginning")
	c.Flags().StringArrayVar(&f.questions, "question", nil, "`N=ANSWER` to question N of several; give it once for each")
	result[answered]{
		get: func(ctx context.Context, args []string) (answered, error) {
			id, err := taskID(args[0])
			if err != nil {
				return answered{}, err
			}
			return answerTask(ctx, env, id, strings.Join(args[1:], " "), f)
		},
		show: func(a answered) error { return printAnswered(env, a) },
	}.addTo(env, c)
	return c
}

func answerTask(ctx context.Context, env Env, id event.TaskID, words string, f answerFlags) (answered, error) {
	t, err := get(ctx, env, control.One{Ref: string(id)})
	if err != nil {
		return answered{}, err
	}
	a := control.Answer{Task: id, Words: words, Text: f.reason, Request: f.request, Hash: f.hash}
	r := t.Request
	if r == nil {
		r = &event.RequestOpened{} // control returns the error
	}
	if a.Answers, err = readAnswers(id, words, f.questions, len(r.Questions())); err != nil {
		return answered{}, err
	}
	if a.Request == "" {
		a.Request = r.Request
	}
	if r.Ask != nil && (f.hash == "" || len(f.hash) >= shownHash && strings.HasPrefix(r.Ask.Hash, f.hash)) {
		a.Hash = r.Ask.Hash
	}
	allows := r.Reason == event.WaitPermission && slices.Contains([]string{"allow", "yes"}, strings.ToLower(words))
	if allows && f.hash == "" && r.Shown(a.Hash) {
		if err := confirmAllow(env, t); err != nil {
			return answered{}, err
		}
	}
	done := answered{Request: a.Request, task: t}
	if allows {
		done.Hash = a.Hash
	}
	done.requested, err = askSupervisor(ctx, env, "answer", a)
	return done, err
}

// confirmAllow shows the whole request to a person at a terminal and asks for confirmation.
func confirmAllow(env Env, t life.Task) error {
	if !isTerminal(env.Stdin) || !isTerminal(env.Stdout) {
		return nil
	}
	p := &page{env: env}
	p.request(*t.Request)
	p.b.WriteString("Allow this? [y/N] ")
	if err := p.flush(); err != nil {
		return err
	}
	line, _ := bufio.NewReader(env.Stdin).ReadString('\n')
	if word := strings.ToLower(strings.TrimSpace(line)); word != "y" && word != "yes" {
		return fault.New(fault.Interrupted, "nothing was answered").
			WithHint("To deny it: muster answer %s deny --reason TEXT", t.ID)
	}
	return nil
}

func printAnswered(env Env, a answered) error {
	if a.Hash == "" {
		return nil
	}
	p := &page{env: env}
	p.request(*a.task.Request)
	p.b.WriteString("allowed\n")
	return p.flush()
}

// readAnswers parses the answers to several questions, N=ANSWER each.
func readAnswers(id event.TaskID, text string, flags []string, asked int) ([]string, error) {
	switch {
	case len(flags) == 0 && text == "":
		return nil, fault.New(fault.Usage, "no answer is given").WithHint("See what %s asks: muster show %s", id, id)
	case len(flags) == 0:
		return nil, nil
	case text != "":
		return nil, fault.New(fault.Usage, "--question cannot be combined with a text").WithHint("Leave one of them out.")
	}
	answers := make([]string, asked)
	for _, f := range flags {
		number, answer, ok := strings.Cut(f, "=")
		n, err := strconv.Atoi(strings.TrimSpace(number))
		if !ok || err != nil || n < 1 || n > asked {
			return nil, fault.New(fault.Usage, "--question %s: %s asks %s", clean(f, 40), id, words.Count(asked, "question")).
				WithHint("Give N=ANSWER, such as 1=2 for the second option of the first question.")
		}
		answers[n-1] = answer
	}
	return answers, nil
}
