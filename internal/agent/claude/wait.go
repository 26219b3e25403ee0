package claude

import (
	"context"
	"fmt"
	"strings"

	"muster/internal/agent"
	"muster/internal/event"
)

// maxWake is how many bytes of messages one wake hands over; the rest follows with the next one.
const maxWake = 100 << 10

// wait is the waiter: it blocks until a message waits, hands it over as the agent's next prompt, and ends. Of
// several waiters the newest stays, and none outlives its agent.
//
// A message is taken from the inbox just before it is handed over. If this process is killed in between, it was
// taken and never shows in the conversation: the supervisor looks, finds it absent, and returns it.
func (s *hookState) wait(ctx context.Context) int {
	box := s.box()
	release, err := box.Waiter(true)
	if err != nil {
		return 0
	}
	defer release()
	for {
		if text := s.collect(); text != "" {
			_, _ = fmt.Fprint(s.Stderr, text)
			return exitRewake
		}
		if err := box.ListenWhile(ctx, s.PPID); err != nil {
			return 0
		}
	}
}

// collect takes the messages that wait, oldest first, and gives their words; "" if there is none.
func (s *hookState) collect() string {
	waiting, err := s.box().Waiting()
	if err != nil {
		return ""
	}
	var parts []string
	size := 0
	for _, m := range waiting {
		text := agent.Tagged(m)
		if size += len(text); size > maxWake && len(parts) > 0 {
			break
		}
		if s.box().Take(m.ID) != nil {
			continue // another waiter was faster
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return ""
	}
	// The tag has to start a line: the agent puts rewakeMessage and a blank ahead.
	return "\n" + strings.Join(parts, "\n\n")
}

// rewakeMessage stands ahead of the words of a waiter in the frame that the agent puts around them.
const rewakeMessage = "From muster, your supervisor:"

// otherFrames are how texts begin that the agent makes of the words of programs: those of a hook, or the end of
// something in the background.
var otherFrames = []string{"<task-notification>", "<system-reminder>", "Stop hook feedback:"}

// messagesIn returns the messages that a text has made part of the conversation. Within a frame for the words of programs
// only what a waiter handed over counts.
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
