package config

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"muster/internal/fault"
)

// Notify says when a person is told what happens, and through which channels.
type Notify struct {
	Quiet    []string // spans of the day such as "23:00-07:00"
	Digest   string   // a time of day such as "07:15"; "" is none
	Channels []Channel
}

// Channel is one way to reach a person.
type Channel struct {
	Name      string
	Kind      string // ChannelNtfy, ChannelDesktop, ChannelWebhook or ChannelCommand
	URL       string // of a server of ntfy, or of a webhook that needs no secret
	URLFrom   string // the variable of the fleet's environment that has the address of a webhook
	TopicFrom string // the same for the topic of ntfy, which is as good as a password
	TokenFrom string // the same for the access token
	Shape     string // of what a webhook gets
	Command   []string
	Detail    string // how much of an agent's text leaves the machine
	Answer    string // what may be answered by the channel's buttons: "" for nothing, AnswerQuestion or AnswerAll
}

// Words of channels.
const (
	ChannelNtfy    = "ntfy"
	ChannelDesktop = "desktop"
	ChannelWebhook = "webhook"
	ChannelCommand = "command"

	ShapeJSON    = "json"
	ShapeSlack   = "slack"
	ShapeDiscord = "discord"

	DetailName     = "name"
	DetailQuestion = "question"
	DetailFull     = "full"

	AnswerNone     = "none"
	AnswerQuestion = "question"
	AnswerAll      = "all"
)

// publicNtfy is the host of the public server of ntfy, where anyone who guesses a topic can read it.
const publicNtfy = "ntfy.sh"

// Variables returns the names of the variables that the channel needs from the fleet's environment.
func (c Channel) Variables() []string {
	return slices.DeleteFunc([]string{c.URLFrom, c.TopicFrom, c.TokenFrom}, func(name string) bool { return name == "" })
}

// channel returns the channel of that name; a new one is added at the end.
func (d *draft) channel(name string) *Channel {
	return entryOf(&d.Notify.Channels, func(c Channel) bool { return c.Name == name }, Channel{Name: name})
}

// finishNotify checks the channels, and fills in what has a default.
func (d *draft) finishNotify() (wrong []complaint) {
	for i := range d.Notify.Channels {
		c := &d.Notify.Channels[i]
		complain := c.check()
		if complain != nil {
			complain.where = d.place("notify." + c.Name)
			wrong = append(wrong, *complain)
			continue
		}
		if c.Answer == AnswerNone {
			c.Answer = ""
		}
		if c.Kind == ChannelNtfy && c.URL == "" {
			c.URL = "https://" + publicNtfy
		}
		if c.Kind == ChannelWebhook && c.Shape == "" {
			c.Shape = ShapeJSON
		}
		if c.Detail == "" {
			c.Detail = DetailQuestion
			if c.Kind == ChannelNtfy && onPublicNtfy(c.URL) {
				c.Detail = DetailName
			}
		}
		if c.Answer != "" && c.Detail == DetailName {
			wrong = append(wrong, complaint{
				where: d.place("notify." + c.Name), what: fmt.Sprintf("channel `%s` offers answers, and its messages do not have the question", c.Name),
				hint: "Add detail = \"question\".",
			})
		}
	}
	return wrong
}

func onPublicNtfy(address string) bool {
	at, err := url.Parse(address)
	return err == nil && at.Hostname() == publicNtfy
}

// channelKeys are the keys that each kind of channel may have, besides kind and detail.
var channelKeys = map[string][]string{
	ChannelNtfy: {"url", "topic_from", "token_from", "answer"}, ChannelWebhook: {"url", "url_from", "token_from", "shape"}, ChannelDesktop: {}, ChannelCommand: {"command"},
}

// check returns what is wrong with a channel; nil if nothing is.
func (c Channel) check() *complaint {
	bad := func(hint, format string, args ...any) *complaint {
		return &complaint{what: fmt.Sprintf("channel `%s` ", c.Name) + fmt.Sprintf(format, args...), hint: hint}
	}
	if c.Name == "quiet" || c.Name == "digest" {
		return bad("Choose another name.", "has the name of a key of [notify]")
	}
	allowed, known := channelKeys[c.Kind]
	if !known {
		return bad("Give one of \"ntfy\", \"desktop\", \"webhook\", \"command\".", "has no `kind`")
	}
	for _, key := range []struct {
		name string
		set  bool
	}{
		{"url", c.URL != ""},
		{"url_from", c.URLFrom != ""},
		{"topic_from", c.TopicFrom != ""},
		{"token_from", c.TokenFrom != ""},
		{"shape", c.Shape != ""},
		{"command", len(c.Command) > 0},
		{"answer", c.Answer != ""},
	} {
		if key.set && !slices.Contains(allowed, key.name) {
			return bad("Remove it.", "is of kind %q, which has no `%s`", c.Kind, key.name)
		}
	}
	secret := c.Kind == ChannelWebhook && (c.Shape == ShapeSlack || c.Shape == ShapeDiscord)
	switch {
	case c.URL != "":
		if secret {
			return bad("Remove it, set a variable to the address where `muster up` runs, and name it: url_from = \"MY_WEBHOOK\"", "has a `url`, and that of %s is a secret", c.Shape)
		}
		if err := CheckAddress(c.URL); err != nil {
			return bad(fault.HintOf(err), "has a `url` that %v", err)
		}
		if c.URLFrom != "" {
			return bad("Remove one of them.", "has both `url` and `url_from`")
		}
	case c.Kind == ChannelWebhook && c.URLFrom == "":
		return bad("Set a variable to the address where `muster up` runs, and name it: url_from = \"MY_WEBHOOK\"", "has no `url_from`")
	case c.Kind == ChannelCommand && len(c.Command) == 0:
		return bad(`Give one, such as command = ["./tell.sh"].`, "has no `command`")
	}
	if c.Kind == ChannelNtfy && c.TopicFrom == "" {
		return bad("Set a variable to the topic where `muster up` runs, and name it: topic_from = \"MY_TOPIC\"", "has no `topic_from`")
	}
	if c.Answer == AnswerAll && (c.URL == "" || onPublicNtfy(c.URL)) {
		return bad("Run a server of your own, or write answer = \"question\".", "allows permissions to be answered through %s, and whoever runs a server can forge an answer", publicNtfy)
	}
	return nil
}

// CheckAddress returns an error for a text that is no http address, or that holds a password. The message continues a
// sentence that the caller begins.
func CheckAddress(address string) error {
	at, err := url.Parse(address)
	switch {
	case err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https":
		return fault.New(fault.Usage, "is no http or https address")
	case at.User != nil:
		return fault.New(fault.Usage, "holds a password").WithHint("Put the token into a variable, and name it: token_from = \"MY_TOKEN\"")
	}
	return nil
}

// Span is a part of each day, in minutes since midnight. It may pass midnight.
type Span struct{ From, To int }

// ParseSpan parses a span such as "23:00-07:00".
func ParseSpan(s string) (Span, bool) {
	from, to, found := strings.Cut(s, "-")
	a, okA := ParseClock(from)
	b, okB := ParseClock(to)
	return Span{From: a, To: b}, found && okA && okB && a != b
}

// ParseClock parses a time of day such as "07:15" to minutes since midnight.
func ParseClock(s string) (int, bool) {
	at, err := time.Parse(clockForm, strings.TrimSpace(s))
	return at.Hour()*60 + at.Minute(), err == nil
}

// showNotify lists the values of the channels, in their order.
func (c Config) showNotify(d *draft) (rows []Row) {
	for _, channel := range c.Notify.Channels {
		for _, k := range keys() {
			if key, ok := strings.CutPrefix(k.path, "notify.NAME."); ok && (key == "kind" || key == "detail" || slices.Contains(channelKeys[channel.Kind], key)) {
				if field := d.field(k, channel.Name); !reflect.ValueOf(field).Elem().IsZero() {
					rows = append(rows, c.row("notify."+channel.Name+"."+key, k, field))
				}
			}
		}
	}
	return rows
}
