// Package keeper restarts the supervisor, and changes it to another program and back during an upgrade.
//
// Owns: the process that starts the supervisor again, the files of an upgrade request and its outcome.
// Never does: read the log, call tmux, or judge a program by more than whether it became ready and reports its looks at the fleet.
// Start at: Keeper.Serve, Ask.
//
// The keeper is the first process of the supervisor's pane. It holds a lock, so there is only one:
//
//	tmux pane ── keeper ── supervisor        ended by itself: started again after a delay of 100 ms, doubled up to 1 min
//	               ▲           │             ended with status 0 and the fleet is down: the keeper ends, too
//	     SIGUSR1   │           │ "ready"     SIGHUP and the tmux server is proven gone: supervisor ended, lock released,
//	 (Wake, Ask) ──┘◀──────────┘             Revive does what `muster up` does
//
// A supervisor that hangs is replaced: see hang.go.
//
// An upgrade is a request file and a signal. The keeper may be killed after any step; the next keeper finds the request and
// continues:
//
//	Ask ─▶ request file ─▶ old supervisor ends ─▶ new program on trial ── ready ──────────────▶ Adopt, outcome
//	                                                   │ ends, or 15 s
//	                                                   └─▶ RestoreState ─▶ program before ─ ready ─▶ outcome with why
//
// The request file is removed when the outcome is written. A request that keepers took up twice without an outcome is given up.
package keeper
