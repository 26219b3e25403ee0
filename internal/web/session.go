package web

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"sync"
	"time"
)

const (
	// sessionFor is how long a browser stays signed in.
	sessionFor = 12 * time.Hour
	// mostSessions bounds the browsers that are signed in. The oldest makes room.
	mostSessions = 50
	// mostStreams and mostStreamsEach bound the open streams, of the server and of one browser: a browser opens six connections
	// to a server, and the page needs two of them to answer.
	mostStreams     = 64
	mostStreamsEach = 4
)

// session is one browser that is signed in.
type session struct {
	until   time.Time
	streams int
}

// sessions are the browsers that are signed in, by the hash of their cookie. They end with the server.
type sessions struct {
	mu      sync.Mutex
	all     map[[sha256.Size]byte]*session
	streams int
}

// token returns a random text of n bytes.
func token(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// fingerprint is a short name for a text, the same for every start of the server.
func fingerprint(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}

// begin returns the cookie of a new session.
func (s *sessions) begin(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[[sha256.Size]byte]*session{}
	}
	for k, v := range s.all {
		if now.After(v.until) {
			delete(s.all, k)
		}
	}
	for len(s.all) >= mostSessions {
		oldest, found := [sha256.Size]byte{}, false
		for k, v := range s.all {
			if !found || v.until.Before(s.all[oldest].until) {
				oldest, found = k, true
			}
		}
		delete(s.all, oldest)
	}
	cookie := token(32)
	s.all[sha256.Sum256([]byte(cookie))] = &session{until: now.Add(sessionFor)}
	return cookie
}

// of returns the session of a cookie; nil if there is none.
func (s *sessions) of(cookie string, now time.Time) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.all[sha256.Sum256([]byte(cookie))]
	if v == nil || now.After(v.until) {
		return nil
	}
	return v
}

// end ends the session of a cookie.
func (s *sessions) end(cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(cookie)))
}

// stream takes one of the places for streams. ok is false if the session, or the server, has too many open.
func (s *sessions) stream(v *session) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.streams >= mostStreamsEach || s.streams >= mostStreams {
		return nil, false
	}
	v.streams++
	s.streams++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		v.streams--
		s.streams--
	}), true
}
