package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/fault"
)

// loadUser loads a user's file with this content.
func loadUser(t *testing.T, content string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), UserFile)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path, "")
}

func TestNotify_ChannelsHaveTheirDefaults(t *testing.T) {
	t.Parallel()
	c, err := loadUser(t, `
[notify]
quiet = ["23:00-07:00"]
digest = "07:15"
[notify.phone]
kind = "ntfy"
topic_from = "MY_TOPIC"
[notify.own]
kind = "ntfy"
url = "https://ntfy.example"
topic_from = "MY_TOPIC"
token_from = "MY_TOKEN"
answer = "all"
[notify.team]
kind = "webhook"
shape = "slack"
url_from = "MY_SLACK"
[notify.hook]
kind = "webhook"
url = "http://127.0.0.1:8080/x"
detail = "full"
[notify.mail]
kind = "command"
command = ["./tell", "me"]
[notify.desk]
kind = "desktop"
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Notify{Quiet: []string{"23:00-07:00"}, Digest: "07:15", Channels: []Channel{
		{Name: "phone", Kind: ChannelNtfy, URL: "https://ntfy.sh", TopicFrom: "MY_TOPIC", Detail: DetailName},
		{Name: "own", Kind: ChannelNtfy, URL: "https://ntfy.example", TopicFrom: "MY_TOPIC", TokenFrom: "MY_TOKEN", Detail: DetailQuestion, Answer: AnswerAll},
		{Name: "team", Kind: ChannelWebhook, Shape: ShapeSlack, URLFrom: "MY_SLACK", Detail: DetailQuestion},
		{Name: "hook", Kind: ChannelWebhook, Shape: ShapeJSON, URL: "http://127.0.0.1:8080/x", Detail: DetailFull},
		{Name: "mail", Kind: ChannelCommand, Command: []string{"./tell", "me"}, Detail: DetailQuestion},
		{Name: "desk", Kind: ChannelDesktop, Detail: DetailQuestion},
	}}
	if d := cmp.Diff(want, c.Notify); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"MY_TOPIC", "MY_TOKEN"}, c.Notify.Channels[1].Variables()); d != "" {
		t.Errorf("variables (-want +got):\n%s", d)
	}
	shown := ""
	for _, r := range c.Show() {
		if strings.HasPrefix(r.Key, "notify.") {
			shown += r.Key + " = " + r.Value + "\n"
		}
	}
	again, err := loadUser(t, shown)
	if err != nil {
		t.Fatalf("%v in\n%s", err, shown)
	}
	if d := cmp.Diff(c.Notify, again.Notify); d != "" {
		t.Errorf("what show prints is another configuration (-first +again):\n%s", d)
	}
}

func TestNotify_MistakesNameTheFileAndTheKey(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"[notify.phone]\nkind = \"ntfy\"":                                                           "has no `topic_from`",
		"[notify.phone]\ntopic_from = \"X\"":                                                        "has no `kind`",
		"[notify.phone]\nkind = \"mail\"":                                                           "is not one of",
		"[notify.phone]\nkind = \"ntfy\"\ntopic_from = \"X\"\nanswer = \"all\"":                     "can forge an answer",
		"[notify.phone]\nkind = \"ntfy\"\ntopic_from = \"X\"\nanswer = \"question\"":                "do not have the question",
		"[notify.desk]\nkind = \"desktop\"\nanswer = \"question\"":                                  "which has no `answer`",
		"[notify.team]\nkind = \"webhook\"":                                                         "has no `url_from`",
		"[notify.team]\nkind = \"webhook\"\nshape = \"slack\"\nurl = \"https://hooks.slack.com/x\"": "is a secret",
		"[notify.team]\nkind = \"webhook\"\nurl = \"ftp://x\"":                                      "is no http",
		"[notify.team]\nkind = \"webhook\"\nurl = \"https://u:p@x\"":                                "holds a password",
		"[notify.team]\nkind = \"webhook\"\nurl = \"https://x\"\nurl_from = \"X\"":                  "both",
		"[notify.team]\nkind = \"webhook\"\nurl_from = \"no name\"":                                 "no name of a variable",
		"[notify.mine]\nkind = \"command\"":                                                         "has no `command`",
		"[notify.mine]\nkind = \"command\"\ncommand = [\"x\"]\nshape = \"slack\"":                   "which has no `shape`",
		"[notify.desk]\nkind = \"desktop\"\nurl = \"https://x\"":                                    "which has no `url`",
		"[notify.quiet]\nkind = \"desktop\"":                                                        "has the name of a key",
		"[notify]\nquiet = [\"23:00\"]":                                                             "no span",
		"[notify]\nquiet = [\"25:00-07:00\"]":                                                       "no span",
		"[notify]\ndigest = \"noon\"":                                                               "no time of day",
		"[notify]\nphone = \"x\"":                                                                   "must be a table",
		"[notify.phone]\nkind = \"ntfy\"\ntopic = \"my-topic\"":                                     "unknown key `topic`",
	} {
		_, err := loadUser(t, content)
		if !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), UserFile+":") || fault.HintOf(err) == "" {
			t.Errorf("%s\nthe error is %v, hint %q; want one with %q", content, err, fault.HintOf(err), want)
		}
	}
	if _, err := parseProject(ProjectFile, []byte("[notify.phone]\nkind = \"desktop\"")); err == nil || !strings.Contains(err.Error(), "does not belong in a project's") {
		t.Errorf("in a project's file the error is %v", err)
	}
}

func TestRecurring_SchedulesAreRead(t *testing.T) {
	t.Parallel()
	c, err := loadUser(t, `
[recurring.nightly]
cron = "30 2 * * mon-fri"
zone = "Europe/Berlin"
file = "/tasks/nightly.md"
repo = "/src/app"
[recurring.often]
cron = "@hourly"
missed = "all"
file = "/tasks/often.toml"
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Recurring{
		{Name: "nightly", Cron: "30 2 * * mon-fri", Zone: "Europe/Berlin", Missed: "once", File: "/tasks/nightly.md", Repo: "/src/app"},
		{Name: "often", Cron: "@hourly", Missed: "all", File: "/tasks/often.toml"},
	}
	if d := cmp.Diff(want, c.Recurring); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, zone, err := c.Recurring[0].Schedule(); err != nil || zone.String() != "Europe/Berlin" {
		t.Errorf("%v, %v", zone, err)
	}
	for content, want := range map[string]string{
		"[recurring.x]\nfile = \"/x\"":                                          "have no `cron`",
		"[recurring.x]\ncron = \"@daily\"":                                      "have no `file`",
		"[recurring.x]\ncron = \"61 * * * *\"\nfile = \"/x\"":                   "is no minute",
		"[recurring.x]\ncron = \"@daily\"\nfile = \"x\"":                        "is not an absolute path",
		"[recurring.x]\ncron = \"@daily\"\nfile = \"/x\"\nzone = \"Mars/Base\"": "is not known",
		"[recurring.x]\ncron = \"@daily\"\nfile = \"/x\"\nmissed = \"never\"":   "is not one of",
	} {
		_, err := loadUser(t, content)
		if !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
			t.Errorf("%s\nthe error is %v, want one with %q", content, err, want)
		}
	}
	if _, err := parseProject(ProjectFile, []byte("[recurring.x]\ncron = \"@daily\"")); err == nil || !strings.Contains(err.Error(), "does not belong in a project's") {
		t.Errorf("in a project's file the error is %v", err)
	}
}
