package control

import (
	"context"
	"time"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/host"
	"muster/internal/life"
	"muster/internal/store"
)

// DiskUse is the room that a task takes on the disk now, in bytes.
type DiskUse struct {
	Worktree int64 `json:"worktree"`
	Files    int64 `json:"files"` // of its generations and jobs: logs, conversations, its own caches
	// Partial is true if not everything was counted in time, or could be read: it takes more.
	Partial bool `json:"partial,omitempty"`
}

// Total returns the sum.
func (d DiskUse) Total() int64 { return d.Worktree + d.Files }

// Disk asks for the room that a task takes. It reads the directories of the task, for at most Limit.
type Disk struct {
	Task  event.TaskID
	Limit time.Duration
}

func (q Disk) get(ctx context.Context, c *Control, db *store.Store) (DiskUse, error) {
	t, err := db.Task(ctx, q.Task)
	if err != nil {
		return DiskUse{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, q.Limit)
	defer cancel()
	return diskUse(ctx, c.home, t), nil
}

func diskUse(ctx context.Context, h home.Dir, t life.Task) DiskUse {
	var worktree, files host.Used
	if t.Worktree != "" {
		worktree = host.DiskUsed(ctx, t.Worktree)
	}
	paths := []string{h.TaskDir(t.ID), h.TaskJobsDir(t.ID), h.TaskCache(t.ID), h.TempDir(t.ID)}
	for gen := 1; gen <= t.Gen; gen++ {
		paths = append(paths, h.NewGen(t.ID, gen).Dir, h.OldGenDir(t.ID, gen))
	}
	for _, p := range paths {
		files = files.Add(host.DiskUsed(ctx, p))
	}
	return DiskUse{Worktree: worktree.Bytes, Files: files.Bytes, Partial: worktree.Partial || files.Partial}
}
