package words

import (
	"fmt"

	"muster/internal/event"
)

// noticeEvent describes a notice to a person.
func noticeEvent(e event.Event) (string, bool) {
	switch p := e.Data.(type) {
	case event.NoticeSent:
		return fmt.Sprintf("%s was told: %s", p.Channel, Notice(p.What)), true
	case event.NoticeMissed:
		return fmt.Sprintf("%s could not be told (%s), and is tried again at %s: %s", p.Channel, tries(p.Tries), p.Next.Local().Format("15:04:05"), FirstLine(p.Why)), true
	}
	return "", false
}

// Notice describes what a notice is about.
func Notice(k event.NoticeKind) string {
	switch k {
	case event.NoticeAsks:
		return "its agent asks"
	case event.NoticeReminder:
		return "its agent still asks, and it is parked soon"
	case event.NoticeParked:
		return "it is parked"
	case event.NoticeFailed:
		return "it has failed"
	case event.NoticeStill:
		return "tasks wait, and none has run for a while"
	case event.NoticeGate:
		return "nothing new starts"
	case event.NoticeMerge:
		return "a merge queue waits"
	case event.NoticeOver:
		return "nothing is left that can run"
	case event.NoticeDigest:
		return "what has happened"
	case event.NoticeTest:
		return "a test"
	}
	return string(k)
}

// tries counts tries, whose plural is irregular.
func tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}
