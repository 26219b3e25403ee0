package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"muster/internal/intake"

	"github.com/spf13/cobra"

	"muster/internal/config"
	"muster/internal/fault"
)

const initHelp = `Write muster.toml for this repository: the build and test commands that its files suggest become
its checks. Read it before the first night; every key is optional.

  muster init
  muster init --print     show it, write nothing`

// written is the output of `init --json`.
type written struct {
	Path    string   `json:"path"`
	Notes   []string `json:"notes"`
	Content string   `json:"content,omitempty"` // with --print, which writes nothing
}

func newInitCommand(env Env) *cobra.Command {
	var show, force bool
	c := verb(&cobra.Command{
		Use: "init", Short: "Write muster.toml with the checks found in this repository", Long: initHelp, Args: cobra.NoArgs,
	}, groupSetup)
	c.Flags().BoolVar(&show, "print", false, "print it instead of writing it")
	c.Flags().BoolVar(&force, "force", false, "replace an existing muster.toml")
	result[written]{
		get: func(ctx context.Context, _ []string) (written, error) {
			root, err := intake.Root(ctx, env.Environ, env.Dir)
			if err != nil {
				return written{}, err
			}
			content, notes := config.Init(root)
			w := written{Path: filepath.Join(root, config.ProjectFile), Notes: notes}
			if show {
				w.Content = content
				return w, nil
			}
			return w, writeNew(w.Path, content, force)
		},
		show: func(w written) error {
			if show {
				_, err := fmt.Fprint(env.Stdout, w.Content)
				return err
			}
			_, _ = fmt.Fprintln(env.Stdout, "wrote "+w.Path)
			for _, n := range w.Notes {
				_, _ = fmt.Fprintln(env.Stdout, "  "+n)
			}
			return env.say("Next: `muster doctor`, then `muster dispatch \"…\"`.")
		},
	}.addTo(env, c)
	return c
}

// writeNew writes a file that must not exist yet, unless force is set.
func writeNew(path, content string, force bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o644) //nolint:gosec // a file to be committed
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Conflict, "%s already exists", path).WithHint("Edit it, or replace it with `muster init --force`.")
	}
	if err != nil {
		return fault.Wrap(fault.Failed, err, "write %s", path)
	}
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return fault.Wrap(fault.Failed, err, "write %s", path).WithHint("Check the free space of the disk.")
	}
	return nil
}
