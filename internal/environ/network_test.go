package environ

import (
	"slices"
	"strings"
	"testing"
)

// TestWithoutLogins has the words of gh, git and curl about proxies that they cannot use.
func TestWithoutLogins(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ proxy, said, want string }{
		{"http://ann:s3c ret@p:1", `Post "https://api.github.com/user": invalid proxy address "http://ann:s3c ret@p:1": parse "http://ann:s3c ret@p:1": invalid`, `Post "https://api.github.com/user": invalid proxy address "` + unshown},
		{"http://ann:%s3@p:1", `parse "http://x": invalid URL escape "%s3"` + "\n", `parse "http://x": invalid URL escape "` + unshown + "\n"},
		{"http://ann:s3cret@", "warning: one\nfatal: Invalid proxy URL 'http://ann:s3cret@'\nbye\n", "warning: one\nfatal: Invalid proxy URL '" + unshown + "\nbye\n"},
		{"ann:s3c#ret@p", "Unsupported proxy syntax in 'ann:s3c': Port number", "Unsupported proxy syntax in '" + unshown},
		{"http://ann:s3%40cret@p", "it has s3@cret in it", "it has " + unshown},
		{"http://token@p", "the proxy http://token@p refuses", "the proxy " + unshown},
		{"", "fatal: Invalid proxy URL 'http://of:git@'", "fatal: Invalid proxy URL 'http" + unshown},
		{"http://ann:s3cret@p:1", "fatal: unable to access 'https://github.com/x/': Received HTTP code 407 from proxy after CONNECT", "fatal: unable to access 'https://github.com/x/': Received HTTP code 407 from proxy after CONNECT"},
		{"http://p:1", "https://x@y of no p", "https://x@y of no p"},
		{"", "push to git@github.com", "push to git@github.com"},
		{"http://a:b@p", "a: b", "a: b"},
	} {
		for _, name := range []string{"HTTPS_PROXY", "all_proxy"} {
			if got := WithoutLogins([]string{"HOME=/h", name + "=" + tt.proxy}, tt.said); got != tt.want {
				t.Errorf("%s=%s: %q becomes %q, want %q", name, tt.proxy, tt.said, got, tt.want)
			}
		}
	}
}

func TestForLaunch_TakesWhatACompanysNetworkNeeds(t *testing.T) {
	t.Parallel()
	var all []string
	for _, name := range slices.Concat(proxies, authorities) {
		all = append(all, name+"=x")
	}
	if env, _ := ForLaunch(all, nil); !slices.Equal(env, all) {
		t.Errorf("a launch gets %v of %v", env, all)
	}
	if env, _ := ForLaunch([]string{"GIT_SSL_NO_VERIFY=1", "NODE_TLS_REJECT_UNAUTHORIZED=0"}, nil); env != nil {
		t.Errorf("a launch gets %v, which trusts everybody", env)
	}
}

func TestAuthorities(t *testing.T) {
	t.Parallel()
	env := []string{"SSL_CERT_FILE=/a.pem", "SSL_CERT_DIR=/d:/e:relative", "GIT_SSL_CAINFO=/of-the-task", "NODE_EXTRA_CA_CERTS=", "HTTPS_PROXY=/no"}
	got := Authorities(env, map[string]string{"GIT_SSL_CAINFO": "/of-the-task"})
	if strings.Join(got, " ") != "/a.pem /d /e" {
		t.Errorf("%v", got)
	}
}
