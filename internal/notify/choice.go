package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/text"
	"muster/internal/words"
)

// Choice is one answer to what a task asks, as a button of a message.
type Choice struct {
	Label string
	// Words are the answer as a person would write it: allow, deny, or the number of an option.
	Words string
}

const (
	mostChoices = 3    // ntfy shows at most three buttons
	mostLabel   = 40   // bytes
	mostRequest = 2500 // bytes of a permission request that a message can show whole
)

// Choices returns the answers that a channel may offer to what a task asks. Only a permission of which all is in the message
// can be allowed; Request returns that text.
func Choices(t life.Task, answer string) []Choice {
	r := t.Request
	if r == nil || r.Request == "" || answer == "" || t.Removed || t.State != event.Waiting && t.State != event.Parked {
		return nil
	}
	switch r.Reason {
	case event.WaitPermission:
		if answer != config.AnswerAll {
			return nil
		}
		deny := Choice{Label: "Deny", Words: "deny"}
		if Request(*r) == "" {
			return []Choice{deny}
		}
		return []Choice{{Label: "Allow", Words: "allow"}, deny}
	case event.WaitQuestion:
		return options(*r)
	case event.WaitDialog:
	}
	return nil
}

// options returns the options of a single question of which one is chosen.
func options(r event.RequestOpened) (out []Choice) {
	if r.Ask != nil && (r.Ask.Cut || len(r.Ask.Questions) > 1 || len(r.Ask.Questions) == 1 && r.Ask.Questions[0].Multi) {
		return nil
	}
	if len(r.Options) > mostChoices {
		return nil
	}
	for i, o := range r.Options {
		n := strconv.Itoa(i + 1)
		if text.Line(o, mostOption) != o {
			return nil // the message does not show it as it is
		}
		out = append(out, Choice{Label: text.Cut(n+" "+o, mostLabel), Words: n})
	}
	return out
}

// Request returns all of a permission request as it stands in a message that offers to allow it; "" if that is not possible.
func Request(r event.RequestOpened) string {
	if r.Ask == nil || r.Ask.Cut || r.Ask.Hash == "" {
		return ""
	}
	whole := strings.Join(words.Wants(r), "\n")
	if whole == "" || len(whole) > mostRequest {
		return ""
	}
	return whole
}

// Code returns what a button sends. It is good for one choice of one request with exactly this content, and for no longer than that
// is open. Nobody without the key can make it.
func Code(key []byte, t life.Task, c Choice) string {
	hash := ""
	if t.Request.Ask != nil {
		hash = t.Request.Ask.Hash
	}
	sum := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(sum, "answer\n%q\n%q\n%q\n%q\n", t.ID, t.Request.Request, hash, c.Words)
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// ReplyTopic returns the topic at which the codes of a channel arrive. Only who knows the key, or has got a message, knows it.
func ReplyTopic(key []byte, topic string) string {
	sum := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(sum, "topic\n%q\n", topic)
	return "muster-" + hex.EncodeToString(sum.Sum(nil)[:16])
}
