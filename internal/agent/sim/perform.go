package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/proof"
	"muster/internal/run"
	"muster/internal/text"
)

// perform executes the steps of a turn, beginning with from, and returns how the turn ended.
func (p *program) perform(ctx context.Context, t turn, scriptErr error, number, from int) outcome {
	if scriptErr != nil {
		p.screen.say("! %v", scriptErr)
		p.record(event.Record{State: event.RecordError, Error: event.ErrorInvalidRequest, Note: scriptErr.Error()})
		return outcome{how: "error", silent: true}
	}
	for i := from; i < len(t); i++ {
		if t[i].once {
			name := fmt.Sprintf("%d.%d", number, i)
			if p.progress.once[name] {
				continue
			}
			// These lines are written before the step, because the step may kill the process.
			p.note(line{Kind: lineOnce, Text: name})
			p.note(line{Kind: lineStep, Turn: number, Step: i})
		}
		out, over, err := p.do(ctx, t[i])
		switch {
		case errors.Is(context.Cause(ctx), errInterrupted):
			return outcome{how: broken}
		case ctx.Err() != nil:
			return outcome{how: "ended"}
		case err != nil:
			p.screen.say("! %s: %v", t[i].verb, err)
			p.record(event.Record{State: event.RecordError, Error: event.ErrorOther, Note: text.Line(err.Error(), 200)})
			return outcome{how: "error", silent: true}
		case over && out.exits:
			return out
		}
		p.note(line{Kind: lineStep, Turn: number, Step: i})
		if over {
			return out
		}
	}
	return outcome{how: "done with it"}
}

func (p *program) note(l line) {
	if err := p.write(l); err != nil {
		p.screen.say("! %v", err)
	}
}

// do executes one step. over is true if the step ends the turn.
func (p *program) do(ctx context.Context, s step) (out outcome, over bool, err error) {
	switch s.verb {
	case "work":
		p.screen.change(func(sc *screen) { sc.note = s.text })
		p.record(event.Record{State: event.RecordWorking, Note: s.text})
		pause(ctx, s.wait)
	case "tool":
		p.tool(ctx, s)
	case "say":
		p.screen.say("%s", s.text)
	case "done":
		p.record(event.Record{State: event.RecordDone, Note: "says it is done"})
	case "idle":
		return outcome{how: "done with it"}, true, nil
	case "error":
		p.record(event.Record{State: event.RecordError, Error: event.ErrorKind(s.name), Note: "scripted error"})
		return outcome{how: "error " + s.name, silent: true}, true, nil
	case "limited":
		p.record(event.Record{State: event.RecordLimited, Until: time.Now().Add(s.wait).UTC(), Note: s.text})
		return outcome{how: "limited", silent: true}, true, nil
	case "background":
		return outcome{how: "work goes on in the background", background: max(s.wait, 1)}, true, nil
	case "usage":
		p.record(event.Record{State: event.RecordWorking, Usage: &event.Usage{
			InputTokens: int64(s.more[0]), OutputTokens: int64(s.more[1]), CostUSD: s.more[2], Turns: p.progress.turns,
		}})
	case "ask":
		return outcome{}, false, p.ask(ctx, s)
	case "mark":
		p.opts.mark(s.name)
	case "ignore-enter":
		p.swallow.Store(s.n)
	case "no-record", "slow-start": // handled before the turn began
	case "write", "append", "delete", "await-file":
		return outcome{}, false, p.change(ctx, s)
	case "run", "check", "fork":
		return outcome{}, false, p.command(ctx, s)
	default:
		return p.misbehave(ctx, s)
	}
	return outcome{}, false, nil
}

// misbehave executes a step that a well-behaved agent would not.
func (p *program) misbehave(ctx context.Context, s step) (out outcome, over bool, err error) {
	switch s.verb {
	case "fail":
		return outcome{exits: true, exit: 1}, true, nil
	case "exit":
		return outcome{exits: true, exit: int(s.n)}, true, nil
	case "crash":
		err = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		<-ctx.Done()
	case "stop-self":
		err = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "hang":
		p.stone.Store(slices.Contains(s.opts, "hard"))
		p.silent.Store(true)
		p.hung.Store(true)
		p.screen.say("(hangs)")
		<-ctx.Done()
	case "flood":
		err = p.flood(ctx, s.n)
	case "garbage":
		err = p.garbage()
	case "stale":
		p.record(event.Record{State: event.RecordDone, Gen: max(1, p.opts.gen-1), Note: "from the generation before"})
	default:
		err = fmt.Errorf("unknown step %q", s.verb)
	}
	return outcome{}, false, err
}

// pause waits for d, or until the turn is interrupted.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// tool reports a tool, waits as long as the tool takes, and reports its end.
func (p *program) tool(ctx context.Context, s step) {
	r := event.Record{State: event.RecordWorking, Tool: s.name, ToolUseID: mail.NewRequest()}
	p.screen.say("[%s]", s.name)
	p.record(r)
	pause(ctx, s.wait)
	if ctx.Err() == nil {
		p.record(event.Record{State: event.RecordWorking, ToolUseID: r.ToolUseID})
	}
}

// change executes a step on one file of the worktree. A path outside the worktree is an error.
func (p *program) change(ctx context.Context, s step) error {
	if s.verb == "await-file" {
		for ctx.Err() == nil {
			if _, err := p.root.Stat(s.name); err == nil {
				return nil
			}
			pause(ctx, 50*time.Millisecond)
		}
		return nil
	}
	if s.verb == "delete" {
		return p.root.RemoveAll(s.name)
	}
	if dir := filepath.Dir(s.name); dir != "." {
		if err := p.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if s.verb == "append" {
		flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	f, err := p.root.OpenFile(s.name, flags, 0o644)
	if err != nil {
		return err
	}
	text := s.text
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	_, err = io.WriteString(f, text)
	p.screen.say("%s %s", s.verb, s.name)
	return errors.Join(err, f.Close())
}

// orphan starts sleepers whose parent ends at once. Its arguments: the number, setsid or -, clearenv or -.
const orphan = `
sleeper=$(command -v sleep)
prefix=
[ "$3" = clearenv ] && prefix="env -i"
if [ "$2" = setsid ]; then
	if command -v setsid >/dev/null; then prefix="setsid $prefix"
	else prefix="perl -MPOSIX -e POSIX::setsid();exec(@ARGV) $prefix"; fi
fi
i=0
while [ "$i" -lt "$1" ]; do
	$prefix "$sleeper" 3600 </dev/null >/dev/null 2>&1 &
	echo "child $!"
	i=$((i+1))
done`

// command runs a program in the worktree and shows its output. A failing program does not end the turn.
func (p *program) command(ctx context.Context, s step) error {
	argv := []string{"sh", "-c", s.text}
	switch s.verb {
	case "check":
		argv = []string{"muster", "check"}
	case "fork":
		argv = []string{"sh", "-c", orphan, "sh", fmt.Sprint(s.n), orDash(s.opts, "setsid"), orDash(s.opts, "clearenv")}
	}
	env := os.Environ()
	path, err := run.LookPath(argv[0], env)
	if err != nil {
		return err
	}
	argv[0] = path
	p.screen.say("$ %s", text.Line(s.verb+" "+s.text, 200))
	res, err := run.Do(ctx, run.Cmd{Argv: argv, Dir: p.opts.worktree, Env: env, Timeout: -1, MaxOutput: 1 << 20})
	p.screen.say("%s", text.Excerpt(append(res.Stdout, res.Stderr...), 4000))
	if s.verb == "fork" {
		for l := range strings.Lines(string(res.Stdout)) {
			if pid, ok := strings.CutPrefix(strings.TrimSpace(l), "child "); ok {
				p.opts.mark("child:", pid)
			}
		}
	}
	if _, failed := errors.AsType[*run.ExitError](err); failed {
		p.screen.say("exit status %d", res.Exit)
		return nil
	}
	return err
}

func orDash(opts []string, name string) string {
	if slices.Contains(opts, name) {
		return name
	}
	return "-"
}

// ask opens a question and waits for its answer, through the mailbox or from the keyboard.
func (p *program) ask(ctx context.Context, s step) error {
	r := event.Record{State: event.RecordWaiting, Reason: event.WaitReason(s.name), Note: s.text, Request: mail.NewRequest()}
	if r.Reason == event.WaitPermission {
		r.Tool = s.opts[0]
	} else {
		r.Options = s.opts
	}
	ask := wholeOf(r, s.text)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	typed, mailed := make(chan mail.Answer, 1), make(chan mail.Answer, 1)
	failed := make(chan error, 1)
	p.dialog.open(typed)
	defer p.dialog.open(nil)
	p.screen.say("? %s %s %s  (Enter: yes)", r.Tool, s.text, strings.Join(r.Options, " | "))
	box := proof.Box(p.opts.home, event.TaskID(p.opts.task), p.opts.gen)
	if p.opts.home != "" {
		if err := box.Ask(r.Request, ask); err != nil {
			return err
		}
	}
	r.Note = text.Line(r.Note, 300)
	p.record(r)
	if p.opts.home != "" {
		go func() {
			answer, err := box.Await(ctx, r.Request)
			if err != nil {
				failed <- err
				return
			}
			mailed <- answer
		}()
	}
	how := "by mail"
	var answer mail.Answer
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	case answer = <-mailed:
		if answer.Decision == mail.Allow && r.Reason == event.WaitPermission && !answer.Allows(ask.Hash) {
			answer.Decision, answer.Text = mail.Deny, "the answer was given to another text"
		}
	case answer = <-typed:
		how = "by key"
		if len(r.Options) > 0 {
			answer.Text = r.Options[0]
		}
	}
	p.screen.say("answer %s: %s %s", how, answer.Decision, answer.Text)
	p.record(event.Record{
		State: event.RecordWorking, Request: r.Request, Tool: r.Tool,
		Note: text.Line(fmt.Sprintf("answer %s: %s %s", how, answer.Decision, answer.Text), 200),
	})
	return nil
}

// wholeOf returns the content of a request in the form that the hook of a real agent stores.
func wholeOf(r event.Record, text string) event.Ask {
	if r.Reason == event.WaitPermission {
		input, _ := json.Marshal(map[string]string{"command": text}) // strings can be encoded
		return event.NewAsk(r.Tool, input)
	}
	q := event.Question{Text: text}
	for _, o := range r.Options {
		q.Options = append(q.Options, event.Option{Label: o})
	}
	input, _ := json.Marshal(q)
	return event.NewAsk("", input).WithQuestions([]event.Question{q})
}

// flood prints the given number of bytes to the terminal.
func (p *program) flood(ctx context.Context, bytes int64) error {
	chunk := []byte(strings.Repeat(strings.Repeat("flood ", 13)+"\r\n", 50))
	for bytes > 0 && ctx.Err() == nil {
		n := min(bytes, int64(len(chunk)))
		if err := p.screen.raw(chunk[:n]); err != nil {
			return err
		}
		bytes -= n
	}
	return nil
}

// garbage appends invalid lines to the status file, followed by a valid record.
func (p *program) garbage() error {
	if p.opts.statusFile == "" {
		return nil
	}
	for _, g := range []string{
		"not json\n", "{\"state\":\"work\n", "{\"state\":\"flying\"}\n", "\x00\xff\xfe\n", "[1,2]\n", strings.Repeat("x", 2<<20) + "\n", "\n",
	} {
		if err := appendFile(p.opts.statusFile, []byte(g)); err != nil {
			return err
		}
	}
	p.record(event.Record{State: event.RecordWorking, Note: "after the garbage"})
	return nil
}
