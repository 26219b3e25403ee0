package post

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/notify"
)

// receiver is a server on loopback that records what it gets.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []map[string]any
	heads  []http.Header
	paths  []string
	answer func(n int, w http.ResponseWriter) // of the n-th request, from 1 on; nil is 200
}

func newReceiver(t *testing.T, answer func(n int, w http.ResponseWriter)) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		data, _ := io.ReadAll(req.Body)
		var body map[string]any
		if err := json.Unmarshal(data, &body); err != nil {
			body = map[string]any{"bad": string(data)}
		}
		r.mu.Lock()
		r.bodies, r.heads, r.paths = append(r.bodies, body), append(r.heads, req.Header), append(r.paths, req.URL.Path)
		n := len(r.bodies)
		r.mu.Unlock()
		if r.answer != nil {
			r.answer(n, w)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]map[string]any(nil), r.bodies...)
}

const (
	topic = "secret-topic-37"
	token = "tk_secret_42"
)

// channelTo returns a channel to a receiver, with every secret that it can have.
func channelTo(t *testing.T, kind, shape, address string) Channel {
	t.Helper()
	c := config.Channel{Name: "phone", Kind: kind, Shape: shape, Detail: config.DetailQuestion, TokenFrom: "TOKEN"}
	env := []string{"TOKEN=" + token, "TOPIC=" + topic, "HOOK=" + address + "/hook/secret-path"}
	if kind == config.ChannelNtfy {
		c.URL, c.TopicFrom = address, "TOPIC"
	} else {
		c.URLFrom = "HOOK"
	}
	out, err := New(c, env)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func message() notify.Text {
	return notify.Text{
		V: 1, ID: "n7", Seq: 7, Kind: event.NoticeAsks, Title: "muster: t3 asks <!channel> @everyone", Text: "Which? <http://evil|safe> [a](http://b) `x` &\nmuster answer t3 TEXT",
		Task: "t3", Ask: "Which?", Command: "muster answer t3 TEXT", Notices: []notify.Line{{What: event.NoticeAsks, Seq: 7, Task: "t3"}},
	}
}

func TestNtfy_PostsJSONToTheRootWithASequence(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	if err := channelTo(t, config.ChannelNtfy, "", r.URL).Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	got := r.got()[0]
	if got["topic"] != topic || got["sequence_id"] != "muster-n7" || got["priority"] != 4.0 || got["title"] != message().Title || got["message"] != message().Text {
		t.Errorf("got %v", got)
	}
	if r.paths[0] != "/" && r.paths[0] != "" {
		t.Errorf("the path is %q", r.paths[0])
	}
	if r.heads[0].Get("Authorization") != "Bearer "+token {
		t.Errorf("the header is %q", r.heads[0].Get("Authorization"))
	}
}

func TestWebhook_NoTextOfAnAgentMentionsPeopleOrHidesALink(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	for _, shape := range []string{config.ShapeSlack, config.ShapeDiscord, config.ShapeJSON} {
		if err := channelTo(t, config.ChannelWebhook, shape, r.URL).Send(t.Context(), message()); err != nil {
			t.Fatal(err)
		}
	}
	got := r.got()
	if s := got[0]["text"].(string); strings.ContainsAny(s, "<>") || got[0]["mrkdwn"] != false || !strings.Contains(s, "&lt;!channel&gt;") {
		t.Errorf("slack: %v", got[0])
	}
	if s := got[1]["content"].(string); strings.Contains(s, "](") || strings.Contains(s, " `x`") {
		t.Errorf("discord: %v", got[1])
	}
	if parse := got[1]["allowed_mentions"].(map[string]any)["parse"].([]any); len(parse) != 0 {
		t.Errorf("discord may mention %v", parse)
	}
	if got[2]["seq"] != 7.0 || got[2]["task"] != "t3" || got[2]["question"] != "Which?" || got[2]["command"] != "muster answer t3 TEXT" || got[2]["id"] != "n7" {
		t.Errorf("json: %v", got[2])
	}
}

func TestWebhook_TextsAreCutToWhatReceiversTake(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	m := message()
	m.Title, m.Text = strings.Repeat("ü*", 400), strings.Repeat("_ü", 9000)
	for _, c := range []Channel{
		channelTo(t, config.ChannelWebhook, config.ShapeSlack, r.URL), channelTo(t, config.ChannelWebhook, config.ShapeDiscord, r.URL),
		channelTo(t, config.ChannelNtfy, "", r.URL),
	} {
		if err := c.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for i, key := range []string{"text", "content", "message"} {
		if n := len(r.got()[i][key].(string)); n > 4000 || key == "content" && n > 2000 || n < 1000 {
			t.Errorf("%s has %d bytes", key, n)
		}
	}
}

func TestSend_NoErrorHasASecret(t *testing.T) {
	t.Parallel()
	echo := func(_ int, w http.ResponseWriter) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, "forbidden: %s \x1b[31m %s", topic, token)
	}
	r := newReceiver(t, echo)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, address := range []string{r.URL, gone.URL} {
		for _, c := range []Channel{channelTo(t, config.ChannelNtfy, "", address), channelTo(t, config.ChannelWebhook, config.ShapeSlack, address)} {
			err := c.Send(t.Context(), message())
			if err == nil {
				t.Fatal("no error")
			}
			for _, secret := range []string{topic, token, "secret-path", "\x1b"} {
				if secret == topic && c.Kind == config.ChannelWebhook {
					continue // it does not have it
				}
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s: the error %q has %q", c.Kind, err, secret)
				}
			}
		}
	}
}

func TestSend_FollowsNoRedirection(t *testing.T) {
	t.Parallel()
	other := newReceiver(t, nil)
	r := newReceiver(t, func(_ int, w http.ResponseWriter) {
		w.Header().Set("Location", other.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	if err := channelTo(t, config.ChannelNtfy, "", r.URL).Send(t.Context(), message()); err == nil {
		t.Error("a redirection counts as sent")
	}
	if len(other.got()) > 0 {
		t.Error("the message went to another host")
	}
}

func TestSend_NoticesWhatTheReceiverAsksFor(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(_ int, w http.ResponseWriter) {
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	err := channelTo(t, config.ChannelNtfy, "", r.URL).Send(t.Context(), message())
	refused, ok := err.(*Refused) //nolint:errorlint // Send returns it as it is
	if !ok || refused.After != 90*time.Second || !strings.HasPrefix(refused.Status, "429") {
		t.Errorf("the error is %#v", err)
	}
	now := time.Date(2026, 11, 27, 1, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{"": 0, "x": 0, "-3": 0, "0.5": 500 * time.Millisecond, "Fri, 27 Nov 2026 01:02:00 GMT": 2 * time.Minute, "Fri, 27 Nov 2020 01:02:00 GMT": 0} {
		if got := after(header, now); got != want {
			t.Errorf("Retry-After %q is %v, want %v", header, got, want)
		}
	}
}

func TestCommand_GetsTheJSONAndNoSecretOfOthers(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	c, err := New(config.Channel{Name: "mine", Kind: config.ChannelCommand, Command: []string{"/bin/sh", "-c", "cat > " + out + "; env >> " + out}}, []string{"PATH=/usr/bin:/bin", "MY_TOKEN=" + token})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var got notify.Text
	if err := json.NewDecoder(strings.NewReader(string(data))).Decode(&got); err != nil || got.ID != "n7" {
		t.Errorf("%v: %s", err, data)
	}
	if strings.Contains(string(data), token) || !strings.Contains(string(data), "PATH=") {
		t.Errorf("the environment is wrong: %s", data)
	}
	c.Command = []string{"/bin/sh", "-c", "echo broken >&2; exit 3", token}
	if err := c.Send(t.Context(), message()); err == nil || !strings.Contains(err.Error(), "broken") || strings.Contains(err.Error(), token) {
		t.Errorf("the error is %v", err)
	}
}

func TestDesktop_TextIsAnArgumentAndNoMarkup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"notify-send", "osascript"} {
		script := "#!/bin/sh\nfor a; do printf '%s\\n' \"$a\"; done > " + filepath.Join(dir, "args") + "\necho \"$DBUS_SESSION_BUS_ADDRESS\" > " + filepath.Join(dir, "bus") + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	c, err := New(config.Channel{Name: "desk", Kind: config.ChannelDesktop}, []string{"PATH=" + dir + ":/usr/bin:/bin"})
	if err != nil {
		t.Fatal(err)
	}
	m := message()
	m.Text = "--help <b>x</b> $(touch " + dir + "/evil)"
	if err := c.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	args, err := os.ReadFile(filepath.Join(dir, "args"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "evil")); err == nil {
		t.Error("the text was run")
	}
	if s := string(args); strings.HasPrefix(s, "--app-name") && (strings.Contains(s, "<b>") || !strings.Contains(s, "\n--\n"+m.Title+"\n--help &lt;b&gt;")) {
		t.Errorf("the arguments are:\n%s", s)
	}
	if err := (Channel{Channel: config.Channel{Kind: config.ChannelDesktop}, env: []string{"PATH=/nowhere"}}).Send(t.Context(), m); err == nil || !strings.Contains(err.Error(), "there is no ") {
		t.Errorf("without the program the error is %v", err)
	}
}

func TestNew_NamesTheMissingVariable(t *testing.T) {
	t.Parallel()
	_, err := New(config.Channel{Name: "phone", Kind: config.ChannelNtfy, URL: "http://127.0.0.1", TopicFrom: "TOPIC"}, nil)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "TOPIC") || fault.HintOf(err) == "" {
		t.Errorf("the error is %v", err)
	}
	_, err = New(config.Channel{Name: "team", Kind: config.ChannelWebhook, URLFrom: "HOOK"}, []string{"HOOK=ftp://u:" + token + "@x"})
	if err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("the error is %v", err)
	}
}

func TestSend_ASilentReceiverIsLeftWhenTheServiceEnds(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	r := newReceiver(t, func(int, http.ResponseWriter) { <-hold })
	defer close(hold)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := channelTo(t, config.ChannelNtfy, "", r.URL).Send(ctx, message()); err == nil {
		t.Error("no error")
	}
}
