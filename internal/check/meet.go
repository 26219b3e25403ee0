package check

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/host"
	"muster/internal/spec"
)

// A runner and the supervisor that started it meet before the first step. The runner says which job it has read and
// with which key it will sign the result, and waits. The supervisor proves who speaks: the kernel tells it the pid of
// the process that listens, which must be the process of the pane. It writes the key to the log, and then lets the
// runner begin. So the key is known before anything that could lie runs, and any later supervisor can check the result.

// Introduction is what a runner says about itself.
type Introduction struct {
	V          int          `json:"v"`
	Task       event.TaskID `json:"task"`
	Job        string       `json:"job"`        // the name
	Definition string       `json:"definition"` // see Job.Definition
	Key        []byte       `json:"key"`        // public, ed25519
	// Fence is the fence that the runner has prepared for the steps; nil if the job has none, or if it cannot be had: no step
	// runs then, and the result says why.
	Fence *event.FenceApplied `json:"fence,omitempty"`
}

const (
	// socketFile is the name in Out of the socket at which the runner waits.
	socketFile = "runner"
	// maxSocket is the longest path of a socket, in bytes. Systems take 103 to 107.
	maxSocket = 100
	// beginLimit is how long a runner waits to be let begin. It is longer than the supervisor is away at an upgrade
	// or a restart.
	beginLimit = 10 * time.Minute
	// talkLimit is how long one conversation may take. One with a process that says nothing keeps others waiting.
	talkLimit = 2 * time.Second
	// meetPause is the pause between two attempts to meet a runner that has just been started.
	meetPause = 5 * time.Millisecond
	// maxTalk is the longest line of a conversation, in bytes.
	maxTalk = 4 << 10

	begin = "begin"
	begun = "begun"
)

var (
	// ErrGone is the error of a runner that ended before it was met.
	ErrGone = errors.New("the runner has ended")
	// ErrImpostor means that another process answers in place of the runner.
	ErrImpostor = errors.New("another process answers in place of the runner")
	errOtherKey = errors.New("the runner has another key than the log")
)

// Meet waits until the runner p of the job with this Out introduces itself. The error is ErrGone if it ended before,
// and that of the last attempt if ctx ends.
func Meet(ctx context.Context, outDir string, p host.Process) (Introduction, error) {
	return untilDone(ctx, func() (Introduction, bool, error) {
		in, err := talk(ctx, outDir, p, nil)
		gone := err != nil && !p.Alive()
		if gone {
			err = ErrGone
		}
		return in, err == nil || gone, err
	})
}

// Begin lets the runner p begin, if its key is the expected one. A second call has no effect. There is no error if
// nobody listens, because a runner that has begun no longer does.
func Begin(ctx context.Context, outDir string, p host.Process, key []byte) error {
	_, err := untilDone(ctx, func() (Introduction, bool, error) {
		in, err := talk(ctx, outDir, p, key)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			err = nil
		}
		return in, err == nil || errors.Is(err, errOtherKey) || !p.Alive(), err
	})
	return err
}

// untilDone repeats a conversation until it is done or ctx ends.
func untilDone(ctx context.Context, converse func() (Introduction, bool, error)) (Introduction, error) {
	pause := time.NewTicker(meetPause)
	defer pause.Stop()
	var last error
	for {
		in, done, err := converse()
		if done {
			return in, err
		}
		if !errors.Is(last, ErrImpostor) { // it says more than the time that ran out at last
			last = err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return in, fmt.Errorf("meet the runner: %w", errors.Join(last, ctx.Err()))
		}
	}
}

// talk connects to a runner, proves who it is and reads its introduction. With a key it lets the runner begin.
func talk(ctx context.Context, outDir string, p host.Process, key []byte) (in Introduction, err error) {
	ctx, cancel := context.WithTimeout(ctx, talkLimit)
	defer cancel()
	var conn net.Conn
	err = withSocket(outDir, func(path string) (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, "unix", path)
		return err
	})
	if err != nil {
		return in, err
	}
	defer conn.Close() //nolint:errcheck // the conversation is over
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return in, ErrImpostor
	}
	switch pid, err := host.Peer(unixConn); {
	case err != nil:
		return in, err
	case pid != p.PID || !p.Alive():
		return in, ErrImpostor
	}
	until, _ := ctx.Deadline()
	if err := conn.SetDeadline(until); err != nil {
		return in, err
	}
	r := bufio.NewReader(io.LimitReader(conn, maxTalk))
	line, err := r.ReadBytes('\n')
	if err != nil {
		return in, err
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return in, err
	}
	if key == nil {
		return in, nil
	}
	if string(in.Key) != string(key) {
		return in, errOtherKey
	}
	if _, err := io.WriteString(conn, begin+"\n"); err != nil {
		return in, err
	}
	if said, err := r.ReadString('\n'); err != nil || said != begun+"\n" {
		return in, fmt.Errorf("the runner did not begin: %w", errors.Join(err, fs.ErrInvalid))
	}
	return in, nil
}

// await introduces this runner to each process that connects, and returns when one of them lets it begin.
func (j Job) await(ctx context.Context, in Introduction) error {
	if err := removeFile(filepath.Join(j.Out, socketFile)); err != nil {
		return err
	}
	var l *net.UnixListener
	err := withSocket(j.Out, func(path string) error {
		any, err := new(net.ListenConfig).Listen(ctx, "unix", path)
		if err == nil {
			l, _ = any.(*net.UnixListener) // by the name of its network
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for the supervisor: %w", err)
	}
	l.SetUnlinkOnClose(false) // the path may have been a short one, which is gone
	defer func() {
		_ = l.Close()
		_ = os.Remove(filepath.Join(j.Out, socketFile)) // a socket without a listener is refused
	}()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	if err := l.SetDeadline(time.Now().Add(beginLimit)); err != nil {
		return fmt.Errorf("wait for the supervisor: %w", err)
	}
	for {
		conn, err := l.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fault.New(fault.Timeout, "no supervisor let %s of %s begin within %s", j.Name, j.Task, beginLimit)
		case err != nil:
			return fmt.Errorf("wait for the supervisor: %w", err)
		}
		if introduce(conn, in) {
			return nil
		}
	}
}

// introduce has one conversation. It reports whether the runner may begin.
func introduce(conn *net.UnixConn, in Introduction) bool {
	defer conn.Close() //nolint:errcheck // the conversation is over
	if conn.SetDeadline(time.Now().Add(talkLimit)) != nil || json.NewEncoder(conn).Encode(in) != nil {
		return false
	}
	said, err := bufio.NewReader(io.LimitReader(conn, maxTalk)).ReadString('\n')
	if err != nil || said != begin+"\n" {
		return false
	}
	// Without an answer the supervisor asks again, and finds that nobody listens any more.
	_, _ = io.WriteString(conn, begun+"\n")
	return true
}

// withSocket calls fn with a path of the socket in a directory. If its own path is too long for the system, it is a
// short one through a symbolic link that exists during the call.
func withSocket(dir string, fn func(path string) error) error {
	path := filepath.Join(dir, socketFile)
	if len(path) <= maxSocket {
		return fn(path)
	}
	short, err := os.MkdirTemp("/tmp", "muster-")
	if err != nil {
		return fmt.Errorf("make a short path: %w", err)
	}
	defer os.RemoveAll(short) //nolint:errcheck // it holds a link only
	link := filepath.Join(short, "d")
	if err := os.Symlink(dir, link); err != nil {
		return fmt.Errorf("make a short path: %w", err)
	}
	return fn(filepath.Join(link, socketFile))
}

// introduction returns what the runner of this job says about itself.
func (j Job) introduction(public []byte, applied *event.FenceApplied) (Introduction, error) {
	definition, err := j.Definition()
	return Introduction{V: spec.Version, Task: j.Task, Job: j.Name, Definition: definition, Key: public, Fence: applied}, err
}
