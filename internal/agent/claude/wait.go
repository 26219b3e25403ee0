package claude

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
)

// maxWake is the maximum size in bytes of the messages for one wake. The others follow with the next.
const maxWake = 100 << 10

// wait is the waiter. It blocks until there is a message, hands it over as the agent's next prompt, and ends. If
// there are several waiters, only the newest stays. A waiter does not outlive its agent.
//
// The message leaves the inbox just before it is handed over. If this process is killed in between, the message never
// shows in the conversation; the supervisor finds that it is absent and returns it to the inbox.
func (s *hookState) wait(ctx context.Context) int {
	box := s.box()
	release, err := box.Waiter(true)
	if err != nil {
		return 0
	}
	defer release()
	for {
		text, forged := s.collect(box)
		if text != "" {
			_, _ = fmt.Fprint(s.Stderr, text)
			return exitRewake
		}
		if err := s.listen(ctx, box, forged); err != nil {
			return 0
		}
	}
}

// forgedPause is the pause after a ring for messages that the log does not have.
const forgedPause = time.Second

// lookAgainForMail is how often the waiter asks the log again about messages that the log did not have: the log may have
// been busy.
const lookAgainForMail = 30 * time.Second

// listen waits for a message. The forged ones wait, too, and are left alone.
func (s *hookState) listen(ctx context.Context, box mail.Box, forged []event.MessageID) error {
	if len(forged) == 0 {
		return box.ListenWhile(ctx, s.PPID)
	}
	select {
	case <-time.After(forgedPause): // a process that forges messages may ring all the time
	case <-ctx.Done():
		return ctx.Err()
	}
	slice, cancel := context.WithTimeout(ctx, lookAgainForMail)
	defer cancel()
	err := box.ListenWhile(slice, s.PPID, forged...)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	return err
}

// collect takes the waiting messages, oldest first, and returns their text; "" if there are none. It leaves out those that
// the log does not have and returns their ids.
func (s *hookState) collect(box mail.Box) (text string, forged []event.MessageID) {
	waiting, forged, err := box.Unread()
	if err != nil {
		return "", nil
	}
	var parts []string
	size := 0
	for _, m := range waiting {
		text := agent.Tagged(m)
		if size += len(text); size > maxWake && len(parts) > 0 {
			break
		}
		if box.Take(m.ID) != nil {
			continue // another waiter was faster
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "", forged
	}
	// The tag must start a line: the agent writes rewakeMessage and a space before the text.
	return "\n" + strings.Join(parts, "\n\n"), forged
}

// rewakeMessage precedes the text of a waiter in the frame that the agent puts around it.
const rewakeMessage = "From muster, your supervisor:"

// otherFrames are the beginnings of texts that the agent makes from the output of programs: of a hook, or of a
// finished background task.
var otherFrames = []string{"<task-notification>", "<system-reminder>", "Stop hook feedback:"}

// messagesIn returns the messages that a prompt made part of the conversation. In a frame for the output of programs
// only the text of a waiter counts.
func messagesIn(prompt string) []event.MessageID {
	ahead := strings.TrimSpace(prompt)
	for _, frame := range otherFrames {
		if strings.HasPrefix(ahead, frame) {
			_, prompt, _ = strings.Cut(prompt, rewakeMessage)
			break
		}
	}
	return agent.Tags(prompt)
}
