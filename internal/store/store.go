package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"muster/internal/fault"
)

// Options say how a log is opened. The zero value is for production.
type Options struct {
	// Now is the clock that gives events their time; time.Now if nil.
	Now func() time.Time
	// ReadOnly refuses every write, and a file that is not there.
	ReadOnly bool
	// Version is this program's version; the file remembers which one last changed its format, so that an older
	// program can say which it would need. "" takes the version that the program was built as.
	Version string
}

func (o Options) clock() func() time.Time {
	if o.Now == nil {
		return time.Now
	}
	return o.Now
}

// Store is the event log in its SQLite file, with its projections. Any number of processes may have it open. All
// methods may be called from any goroutine; writes take turns, reads see what was committed when they began.
type Store struct {
	path    string
	now     func() time.Time
	opts    Options
	readers *sql.DB
	writers *sql.DB // of one connection, made when it is first needed

	mu   sync.Mutex // held for the whole of a write transaction
	conn *writeConn
}

// Open opens the log at path and brings its format up to date. A missing file is made, private to its owner; its
// directory must exist. fault.Conflict: the file is of a newer muster, or none of muster's.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s := &Store{path: path, now: o.clock(), opts: o}
	_, err = os.Stat(path)
	switch {
	case err == nil:
	case !errors.Is(err, os.ErrNotExist):
		err = fault.Wrap(fault.Failed, err, "open database").WithHint("Make %s readable and writable for yourself.", path)
	case o.ReadOnly:
		err = fault.New(fault.NotFound, "no database %s", path).WithHint("Start with `muster dispatch` or `muster up`.")
	default:
		err = s.create(ctx)
	}
	if err == nil {
		err = s.connect()
	}
	if err == nil {
		err = s.checkFormat(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close ends all use of the file. Closing twice is harmless.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.dropConn()
	for _, db := range []*sql.DB{s.writers, s.readers} {
		if db != nil {
			err = errors.Join(err, db.Close())
		}
	}
	return err
}

// Path is the file.
func (s *Store) Path() string { return s.path }

// Request runs fn in a transaction of a verb: what it appends survives a loss of power from the moment that Request
// returns. After an error nothing has happened.
func (s *Store) Request(ctx context.Context, fn func(*Tx) error) error {
	return Request(ctx, s.begin, s.now, fn)
}

// NewWriter makes the supervisor's way into the log.
func (s *Store) NewWriter(ctx context.Context) (*Writer, error) {
	if s.opts.ReadOnly {
		return nil, s.readOnly()
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return NewWriter(s.begin, s.now), nil
}

func (s *Store) readOnly() error {
	return fault.New(fault.Conflict, "the database %s was opened for reading only", s.path)
}

// Request is Store.Request over any log.
func Request(ctx context.Context, begin Begin, now func() time.Time, fn func(*Tx) error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b, err := begin(ctx, true)
	if err != nil {
		return err
	}
	_, err = runTx(newTx(b, now()), fn, false)
	return err
}
