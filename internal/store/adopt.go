package store

import (
	"context"
	"database/sql"
	"errors"

	"muster/internal/life"
)

// Live gives the tasks that a supervisor has to look after, oldest first: what a new one adopts.
func (s *Store) Live(ctx context.Context) ([]life.Task, error) {
	rows, err := s.readers.QueryContext(ctx, "SELECT doc FROM tasks WHERE busy AND NOT removed ORDER BY num")
	return collect(s, "read live tasks", rows, err, func(rows *sql.Rows) (life.Task, error) {
		var doc string
		if err := rows.Scan(&doc); err != nil {
			return life.Task{}, err
		}
		return s.decodeTask(doc)
	})
}

// Offset gives how far a file was read, 0 if it never was.
func (s *Store) Offset(ctx context.Context, source string) (o int64, err error) {
	err = s.readers.QueryRowContext(ctx, "SELECT offset FROM offsets WHERE source = ?", source).Scan(&o)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return o, s.explain(err, "read offset")
}
