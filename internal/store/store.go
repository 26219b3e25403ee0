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

// Options describes how to open a log. The zero value is for production.
type Options struct {
	// Now is the clock for the times of events; nil means time.Now.
	Now func() time.Time
	// ReadOnly rejects every write, and a file that does not exist.
	ReadOnly bool
	// Version is this program's version. The file stores the version that last changed its format, so that an older
	// program can report which one it needs. "" means the version that the program was built as.
	Version string
}

func (o Options) clock() func() time.Time {
	if o.Now == nil {
		return time.Now
	}
	return o.Now
}

// Store is the event log in its SQLite file, with its projections. Any number of processes may have it open. All
// methods may be called from any goroutine. Writes are serialised, and a read sees what was committed when it began.
type Store struct {
	path    string
	now     func() time.Time
	opts    Options
	readers *sql.DB
	writers *sql.DB // with one connection, made when it is first needed

	mu   sync.Mutex // held during a whole write transaction
	conn *writeConn
}

// Open opens the log at path and migrates it to this program's format. A missing file is created, private to its
// owner. Its directory must exist. The error is a fault.Conflict if a newer muster wrote the file, or if it is not a
// file of muster.
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

// Close closes the file. It may be called twice.
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

// Path returns the path of the file.
func (s *Store) Path() string { return s.path }

// Request runs fn in a transaction of a verb. After Request returns, the events survive a power failure. If it
// returns an error, nothing was written.
func (s *Store) Request(ctx context.Context, fn func(*Tx) error) error {
	return Request(ctx, s.begin, s.now, fn)
}

// NewWriter returns the supervisor's access to the log.
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

// Request is Store.Request for any log.
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
