package claude

import (
	"context"
	"fmt"
	"strings"

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
	box := s.Box()
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
		if err := s.Listen(ctx, box, forged); err != nil {
			return 0
		}
	}
}

// collect takes the waiting messages, oldest first, and returns their text; "" if there are none. It leaves out those that
// the log does not have and returns their ids.
func (s *hookState) collect(box mail.Box) (text string, forged []event.MessageID) {
	parts, forged := agent.Collect(box, maxWake)
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
