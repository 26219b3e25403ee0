package check

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"muster/internal/fault"
	"muster/internal/testkit/proc"
)

func TestMain(m *testing.M) {
	proc.Main(m, map[string]func(string) int{
		"run": func(file string) int {
			ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
			defer cancel()
			err := Run(ctx, file, os.Stdout)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			return fault.ExitCode(err)
		},
	})
}
