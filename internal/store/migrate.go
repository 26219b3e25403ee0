package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"runtime/debug"

	"muster/internal/fault"
)

// applicationID marks a SQLite file as muster's ("must").
const applicationID = 0x6d757374

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one step of the file's format. A released step is never changed.
type migration struct {
	file string
	// rebuild folds all projections again. It is for steps that change their tables, and for steps without SQL that
	// mark a change of life.Task, Summary or Apply.
	rebuild bool
}

// migrations lists the steps. The number of a format is the number of its steps.
func migrations() []migration {
	return []migration{
		{file: "0001_log.sql"},
		{file: "0002_subjects.sql", rebuild: true},
		{file: "0003_queue.sql", rebuild: true},
		{file: "0004_counts.sql", rebuild: true},
		{file: "0005_merge.sql", rebuild: true},
	}
}

// format returns the number of the format that this program writes.
func format() int { return len(migrations()) }

// checkFormat compares the file's format with the program's, and migrates an older one.
func (s *Store) checkFormat(ctx context.Context) error {
	var version, app int
	err := retry(ctx, func() error {
		return s.readers.QueryRowContext(ctx,
			"SELECT user_version, application_id FROM pragma_user_version, pragma_application_id").Scan(&version, &app)
	})
	switch {
	case err != nil:
		return s.explain(err, "open database")
	case version != 0 && app != applicationID:
		return s.notOurs()
	case version == format():
		return nil
	case version > format():
		return s.tooNew(ctx, version)
	case s.opts.ReadOnly:
		return fault.New(fault.Conflict, "the database %s has the old format %d", s.path, version).
			WithHint("Run `muster up` once with this version.")
	}
	return s.migrate(ctx)
}

func (s *Store) notOurs() error {
	return fault.New(fault.Conflict, "%s is a database, but not of muster", s.path).
		WithHint("Point MUSTER_HOME to a directory of muster's own.")
}

// tooNew returns an error that names the version of muster that a file of a newer format needs.
func (s *Store) tooNew(ctx context.Context, version int) error {
	var by string
	err := s.readers.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = 'migrated_by'").Scan(&by)
	if err != nil {
		by = "a newer version" // meta may have another form there; the number is enough
	}
	return fault.New(fault.Conflict, "the database %s has format %d of muster %s, and this program knows formats up to %d",
		s.path, version, by, format()).
		WithHint("Use muster %s or newer.", by)
}

// migrate takes all missing steps. Any number of processes may call it at the same time.
func (s *Store) migrate(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn, err := s.writeConn(ctx)
	if err != nil {
		return err
	}
	if err := s.useWAL(ctx, conn); err != nil {
		return err
	}
	if err := s.takeSteps(ctx, conn); err != nil {
		return errors.Join(err, s.dropConn())
	}
	return nil
}

// useWAL enables the write-ahead log, which is a property of the file.
func (s *Store) useWAL(ctx context.Context, conn queryer) error {
	var mode string
	err := retry(ctx, func() error {
		return conn.QueryRowContext(ctx, "PRAGMA journal_mode=WAL").Scan(&mode)
	})
	if err != nil {
		return s.explain(err, "create database")
	}
	if mode != "wal" {
		return fault.New(fault.Failed, "the file system of %s cannot hold a database that processes share", s.path).
			WithHint("Point MUSTER_HOME to a directory on a local disk.")
	}
	return nil
}

// takeSteps takes all missing steps in one transaction, because only the newest tables can be folded again.
func (s *Store) takeSteps(ctx context.Context, conn *writeConn) (err error) {
	if err := conn.sync(ctx, true); err != nil {
		return s.explain(err, "migrate database")
	}
	if err := s.lock(ctx, conn); err != nil {
		return err
	}
	end := "ROLLBACK"
	defer func() {
		if _, e := conn.ExecContext(context.WithoutCancel(ctx), end); err == nil {
			err = s.explain(e, "migrate database")
		}
	}()
	var version, tables int
	if err := conn.QueryRowContext(ctx, "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version").
		Scan(&version, &tables); err != nil {
		return s.explain(err, "migrate database")
	}
	if version >= format() {
		return nil
	}
	if version == 0 && tables > 0 {
		return s.notOurs()
	}
	if err := s.apply(ctx, conn, version); err != nil {
		return s.explain(err, fmt.Sprintf("migrate database to format %d", format()))
	}
	end = "COMMIT"
	return nil
}

// apply runs the migrations after format version within the open transaction.
func (s *Store) apply(ctx context.Context, conn *writeConn, version int) error {
	rebuild := false
	for _, m := range migrations()[version:] {
		text, err := migrationFiles.ReadFile("migrations/" + m.file)
		if err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, string(text)); err != nil {
			return err
		}
		rebuild = rebuild || m.rebuild
	}
	if rebuild {
		if err := refold(ctx, conn); err != nil {
			return err
		}
	}
	if _, err := conn.ExecContext(ctx, "INSERT OR REPLACE INTO meta VALUES ('migrated_by', ?)", s.version()); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d", applicationID, format()))
	return err
}

func (s *Store) version() string {
	if s.opts.Version != "" {
		return s.opts.Version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(unknown version)"
}
