package store

import "context"

// LimitPages forbids the file to grow, which SQLite reports as it reports a full disk.
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
