package hub

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// The login that a Proxy asks for.
const (
	ProxyUser     = "clerk"
	ProxyPassword = "pr0xy-0f-the-c0mpany"
)

// Proxy is the proxy of a company: the only way to the server, which has its real names there, and certificates of an authority that
// only the company knows. It is safe for concurrent use.
type Proxy struct {
	// URL is that of the proxy, with the login.
	URL string
	// Authority is the path of the certificate of the authority.
	Authority string

	server string // the address of the server

	mu      sync.Mutex
	tunnels []string
	refused int
	look    func()
}

// Behind serves Host and its API by TLS behind a proxy, and writes the configuration of gh into a home directory.
func (h *Hub) Behind(home string) *Proxy {
	h.t.Helper()
	p := &Proxy{Authority: filepath.Join(h.t.TempDir(), "authority.pem")}
	api := "api." + Host
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{h.certificate(p.Authority, Host, api)}, MinVersion: tls.VersionTLS12})
	if err != nil {
		h.t.Fatal(err)
	}
	p.server = listener.Addr().String()
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == api {
			h.serveAPI(w, r)
			return
		}
		h.serve(w, r)
	})}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	h.t.Cleanup(func() { _ = server.Close(); <-served })
	proxy := httptest.NewServer(p)
	h.t.Cleanup(proxy.Close)
	p.URL = (&url.URL{Scheme: "http", User: url.UserPassword(ProxyUser, ProxyPassword), Host: proxy.Listener.Addr().String()}).String()
	h.login(home, "git_protocol: https\n")
	return p
}

// Watch calls look at each request for a tunnel, while the program that wants it waits.
func (p *Proxy) Watch(look func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look = look
}

// Tunnels returns what was connected, as HOST:PORT, and how often a request without the login was refused.
func (p *Proxy) Tunnels() (to []string, refused int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tunnels), p.refused
}

// ServeHTTP connects a program with the server.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, _ := net.SplitHostPort(r.Host)
	login := "Basic " + base64.StdEncoding.EncodeToString([]byte(ProxyUser+":"+ProxyPassword))
	known := r.Method == http.MethodConnect && (host == Host || host == "api."+Host)
	allowed := r.Header.Get("Proxy-Authorization") == login
	p.mu.Lock()
	if look := p.look; look != nil {
		look()
	}
	if allowed && known {
		p.tunnels = append(p.tunnels, r.Host)
	} else if !allowed {
		p.refused++
	}
	p.mu.Unlock()
	switch {
	case !allowed:
		w.Header().Set("Proxy-Authenticate", `Basic realm="company"`)
		http.Error(w, "who are you?", http.StatusProxyAuthRequired)
		return
	case !known:
		http.Error(w, "no way there", http.StatusForbidden)
		return
	}
	there, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", p.server)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	here, buffered, err := hijacker.Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_, _ = here.Close(), there.Close()
		return
	}
	connect(here, there, buffered)
}

// connect copies in both directions until both ends have closed.
func connect(here, there net.Conn, buffered io.Reader) {
	ctx, over := context.WithCancel(context.Background())
	go func() {
		defer over()
		_, _ = io.Copy(there, buffered)
		_ = there.Close()
	}()
	_, _ = io.Copy(here, there)
	_ = here.Close()
	<-ctx.Done()
}

// certificate makes an authority, whose certificate it writes to a file, and returns a certificate of it for some names.
func (h *Hub) certificate(file string, names ...string) tls.Certificate {
	h.t.Helper()
	check := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		check(err)
		return key
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the company"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	signer, key := newKey(), newKey()
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, signer.Public(), signer)
	check(err)
	check(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err = x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), signer)
	check(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
