package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
)

// LimitPages prevents the file from growing. SQLite reports that as it reports a full disk.
func LimitPages(ctx context.Context, s *Store) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn, err := s.writeConn(ctx)
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "PRAGMA max_page_count = 1")
	return err
}

// QueueQueries returns the queries whose cost must not grow with the queue.
func QueueQueries() []string {
	return []string{liveTasks, lineQuery, unsettledQuery, timedQuery, nextDueQuery, followedQuery, overviewQuery, endedQuery, slotsQuery, endedBeforeQuery, unpricedQuery}
}

// Verify runs SQLite's integrity check; it returns nil if the file is whole.
func (s *Store) Verify(ctx context.Context) error {
	rows, err := s.readers.QueryContext(ctx, "PRAGMA integrity_check")
	lines, err := collect(s, "check database", rows, err, func(rows *sql.Rows) (line string, err error) {
		return line, rows.Scan(&line)
	})
	if err == nil && !slices.Equal(lines, []string{"ok"}) {
		err = s.damaged(errors.New(strings.Join(lines, "; ")), "check database")
	}
	return err
}
