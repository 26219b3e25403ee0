package environ

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// proxies are the variables that lead programs to a proxy, in both spellings. A proxy's login is in them.
var proxies = []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"}

// authorities are the variables that name the certificates which programs trust: of Go and OpenSSL, curl, git, Node and Python. A proxy
// that looks into TLS has an authority of its own.
var authorities = []string{
	"SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE",
}

// IsNetwork reports whether a variable says how programs reach the network: through which proxy, and whose certificates they trust.
func IsNetwork(name string) bool {
	return slices.Contains(proxies, name) || slices.Contains(authorities, name)
}

// Authorities returns the files and directories with the certificates that an environment has programs trust, but for the variables of
// except.
func Authorities(env []string, except map[string]string) (paths []string) {
	for _, name := range authorities {
		if _, skip := except[name]; skip {
			continue
		}
		for _, p := range filepath.SplitList(Get(env, name)) {
			if filepath.IsAbs(p) {
				paths = append(paths, p)
			}
		}
	}
	return paths
}

// unshown stands for words that have the login of a proxy.
const unshown = "[the rest is not shown, since it has the login of a proxy]"

// WithoutLogins returns what a program with an environment said, without the logins of its proxies. A program that cannot read the URL
// of a proxy quotes it whole and in parts, so all that follows in the line is left out.
func WithoutLogins(env []string, said string) string {
	var marks []string
	for _, name := range proxies {
		marks = append(marks, marksOf(Get(env, name))...)
	}
	var b strings.Builder
	for line := range strings.Lines(said) {
		at := len(line)
		for _, m := range marks {
			if i := strings.Index(line, m); i >= 0 {
				at = min(at, i)
			}
		}
		// git has proxies of its own settings, too.
		for _, word := range []string{"proxy", "Proxy", "PROXY"} {
			_, after, _ := strings.Cut(line, word)
			if before, rest, ok := strings.Cut(after, "://"); ok && strings.Contains(rest, "@") {
				at = min(at, len(line)-len(after)+len(before))
			}
		}
		if at < len(line) {
			line = line[:at] + unshown + line[len(strings.TrimRight(line, "\r\n")):]
		}
		b.WriteString(line)
	}
	return b.String()
}

// marksOf returns the texts at which the URL of a proxy and its login begin; nil if it has no login.
func marksOf(proxy string) []string {
	rest := proxy
	if _, after, ok := strings.Cut(proxy, "://"); ok {
		rest = after
	}
	at := strings.LastIndexByte(rest, '@')
	if at <= 0 {
		return nil
	}
	login := rest[:at]
	user, password, _ := strings.Cut(login, ":")
	marks := []string{proxy, login, password}
	if plain, err := url.PathUnescape(password); err == nil {
		marks = append(marks, plain)
	}
	if u, err := url.Parse("http://" + rest); err != nil || u.User == nil { // a part of the login is taken for the host
		marks = append(marks, user+":")
	}
	return slices.DeleteFunc(marks, func(m string) bool { return len(m) < 3 }) // it is part of many words
}
