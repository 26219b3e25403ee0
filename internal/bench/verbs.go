package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"muster/internal/event"
	"muster/internal/fence"
)

// payload is the input of the hook before a tool call.
const payload = `{"session_id":"0b9f0c3e-6d6e-4f0e-8f57-0f2f3c6f2a10","transcript_path":"/nowhere/t.jsonl","cwd":"/nowhere",` +
	`"permission_mode":"acceptEdits","hook_event_name":"PreToolUse","tool_name":"Bash",` +
	`"tool_input":{"command":"go test ./...","description":"Run the tests"},"tool_use_id":"toolu_01"}`

// measureHook measures the process that an agent starts before each of its tool calls.
func measureHook(ctx context.Context, b *bench) (result, error) {
	w, err := b.newWorld(ctx, 1)
	if err != nil {
		return result{}, err
	}
	defer func() { _ = os.RemoveAll(w.dir) }() // the fleet was never up
	file := w.home.StatusFile("t1", 1)
	env := append(w.env, "MUSTER_TASK=t1", "MUSTER_GEN=1", "MUSTER_STATUS_FILE="+file, "MUSTER_WORKTREE="+w.repo)
	if err := os.MkdirAll(w.home.NewGen("t1", 1).RW(), 0o700); err != nil {
		return result{}, err
	}
	var hook, floor samples
	for range 50 {
		d, err := process(ctx, env, []byte(payload), b.empty)
		if err != nil {
			return result{}, err
		}
		floor = append(floor, d)
		if d, err = process(ctx, env, []byte(payload), b.bin, "hook", "claude", "PreToolUse"); err != nil {
			return result{}, err
		}
		hook = append(hook, d)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return result{}, fmt.Errorf("the hook wrote no record: %w", err)
	}
	var r event.Record
	if lines := len(splitLines(data)); lines != 50 {
		return result{}, fmt.Errorf("50 calls wrote %d records", lines)
	}
	if err := json.Unmarshal(splitLines(data)[0], &r); err != nil || r.Tool != "Bash" {
		return result{}, fmt.Errorf("the hook wrote %s (%w)", data, err)
	}
	rel := ratio(hook.best(), floor.best())
	return result{
		measured: ms(hook.best()), floor: ms(floor.best()), ratio: rel, met: hook.best() <= 6*time.Millisecond && rel <= 4,
		notes: []string{fmt.Sprintf("median %s, that of an empty program %s", ms(hook.median()), ms(floor.median()))},
	}, nil
}

// hooksInARow is how many hooks one measurement of a fenced hook runs.
const hooksInARow = 50

// measureFencedHook measures a shell that runs hooks one after the other, in a fence. The floor is the same shell without a fence.
func measureFencedHook(ctx context.Context, b *bench) (result, error) {
	w, err := b.newWorld(ctx, 1)
	if err != nil {
		return result{}, err
	}
	defer func() { _ = os.RemoveAll(w.dir) }() // the fleet was never up
	file, files := w.home.StatusFile("t1", 1), w.home.NewGen("t1", 1)
	if err := errors.Join(os.MkdirAll(files.RW(), 0o700), os.MkdirAll(files.RO(), 0o700), os.WriteFile(file, nil, 0o600)); err != nil {
		return result{}, err
	}
	input := filepath.Join(files.RO(), "input")
	if err := os.WriteFile(input, []byte(payload), 0o600); err != nil {
		return result{}, err
	}
	argv := []string{"/bin/sh", "-c", `i=0; while [ $i -lt "$1" ]; do i=$((i+1)); "$0" hook claude PreToolUse <"$2"; done`, b.bin, strconv.Itoa(hooksInARow), input}
	env := append(w.env, "MUSTER_TASK=t1", "MUSTER_GEN=1", "MUSTER_STATUS_FILE="+file, "MUSTER_WORKTREE="+w.repo)
	policy := fence.System()
	for _, path := range []string{b.bin, files.RO()} {
		real, _ := fence.Real(path)
		policy.Read = append(policy.Read, real)
	}
	for _, path := range []string{w.repo, files.RW(), file} {
		real, _ := fence.Real(path)
		policy.Write = append(policy.Write, real)
	}
	spec := filepath.Join(w.dir, "fence.json")
	var with, without samples
	for range b.pick(15, 5) {
		d, err := process(ctx, env, nil, argv...)
		if err != nil {
			return result{}, err
		}
		without = append(without, d/hooksInARow)
		if err := (fence.Command{Argv: argv, Dir: w.repo, Env: env, Policy: policy}).Write(spec); err != nil {
			return result{}, err
		}
		if d, err = process(ctx, env, nil, b.bin, "launch", spec); err != nil {
			return result{}, err
		}
		with = append(with, d/hooksInARow)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return result{}, err
	}
	if lines, want := len(splitLines(data)), 2*len(with)*hooksInARow; lines != want {
		return result{}, fmt.Errorf("%d calls wrote %d records", want, lines)
	}
	more := with.best() - without.best()
	return result{
		measured: ms(with.best()), floor: ms(without.best()), ratio: ratio(with.best(), without.best()), met: more <= time.Millisecond,
		notes: []string{fmt.Sprintf("%s more; median %s, without a fence %s", ms(more), ms(with.median()), ms(without.median()))},
	}, nil
}

func splitLines(data []byte) (out [][]byte) {
	for len(data) > 0 {
		i := 0
		for i < len(data) && data[i] != '\n' {
			i++
		}
		out = append(out, data[:i])
		data = data[min(i+1, len(data)):]
	}
	return out
}

// measureLs measures the verb that scripts call most often.
func measureLs(ctx context.Context, b *bench) (r result, err error) {
	const n = 1000
	w, err := b.newWorld(ctx, 1)
	if err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(w.dir) }() // the fleet is never up
	if err := os.WriteFile(w.home.Down(), nil, 0o600); err != nil {
		return r, err
	}
	path, err := w.tasks(n, "Make the tests of the package pass. Do not touch the generated files.", "agent = \"sim\"")
	if err != nil {
		return r, err
	}
	began := time.Now()
	if _, err := w.muster(ctx, "dispatch", "--file", path); err != nil {
		return r, err
	}
	queued := time.Since(began)
	out, err := w.muster(ctx, "ls", "--json")
	if err != nil {
		return r, err
	}
	var all []json.RawMessage
	if err := json.Unmarshal(out, &all); err != nil || len(all) != n {
		return r, fmt.Errorf("ls printed %d tasks (%w)", len(all), err)
	}
	var ls samples
	for range 50 {
		d, err := process(ctx, w.env, nil, b.bin, "ls", "--json")
		if err != nil {
			return r, err
		}
		ls = append(ls, d)
	}
	return result{
		measured: ms(ls.best()), met: ls.best() <= 20*time.Millisecond,
		notes: []string{fmt.Sprintf("median %s; queueing the %d tasks by one dispatch took %s", ms(ls.median()), n, ms(queued))},
	}, nil
}
