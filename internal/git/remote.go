package git

import (
	"context"
	"net/url"
)

// WebServer returns the server of a remote as https://host, or as http://host; "" if it is reached in another way. It has no
// path and no password.
func (r *Repo) WebServer(ctx context.Context, remote string) (string, error) {
	if _, err := r.viewed(ctx); err != nil {
		return "", err
	}
	read, known := r.view.settings()
	at, err := url.Parse(lastOf("remote."+remote+".url", read.user, known.Programs))
	if err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" {
		return "", nil //nolint:nilerr // a path, or the form of scp
	}
	return at.Scheme + "://" + at.Host, nil
}
