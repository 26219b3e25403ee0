package words

import (
	"fmt"
	"slices"
	"strings"

	"muster/internal/event"
)

// Fence describes the fence that an agent was started in.
func Fence(p event.FenceApplied) string {
	return fmt.Sprintf("the fence is closed (%s): %s", fenceMeans(p), fenceGrants(p))
}

// VerdictFence describes the fence in which the commands of a task's job ran. It returns "" if no command ran, or if the log
// is of a version that did not record it.
func VerdictFence(spec *event.Fence, applied *event.FenceApplied) string {
	switch {
	case applied != nil:
		return fmt.Sprintf("in a fence (%s): %s", fenceMeans(*applied), fenceGrants(*applied))
	case spec == nil:
		return "without a fence"
	}
	return ""
}

// JudgedIn describes in which fence and in which environment the commands of a round ran; "" if none ran, or if the log is of a
// version that did not record it.
func JudgedIn(spec *event.Fence, r event.RoundFinished) string {
	if len(r.Results) == 0 {
		return ""
	}
	parts := []string{VerdictFence(spec, r.Fence)}
	if r.Environment != "" {
		parts = append(parts, "environment "+r.Environment[:min(len(r.Environment), 9)])
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

// fenceMeans says what enforces a fence.
func fenceMeans(p event.FenceApplied) string {
	how := "sandbox-exec"
	if p.ABI > 0 {
		how = fmt.Sprintf("Landlock ABI %d", p.ABI)
	}
	if p.Seccomp {
		how += " and a filter of system calls"
	}
	return how
}

// fenceGrants says how much a fence grants, and the beginning of the policy's hash.
func fenceGrants(p event.FenceApplied) string {
	text := fmt.Sprintf("%d paths to read, %d to write", p.Read, p.Write)
	if p.Policy != "" {
		text += ", policy " + p.Policy[:min(len(p.Policy), 9)]
	}
	return text
}

// FenceSpec describes what a task's fence leaves open; nil is a task without one.
func FenceSpec(f *event.Fence) string {
	if f == nil {
		return "off: the agent and its checks may do what you may do"
	}
	parts := []string{"on", "network open"}
	if f.Ports != nil {
		parts[1] = "no TCP port"
		if len(f.Ports) > 0 {
			parts[1] = "TCP ports " + strings.Trim(fmt.Sprint(f.Ports), "[]")
		}
	}
	if f.Unix {
		parts = append(parts, "Unix sockets open")
	}
	parts = append(parts, "caches of the "+f.Cache)
	if f.Git == event.GitRead {
		parts = append(parts, "git read-only")
	}
	for _, list := range []struct {
		what  string
		paths []string
	}{{"read", f.Read}, {"write", f.Write}} {
		if len(list.paths) > 0 {
			parts = append(parts, list.what+" "+strings.Join(list.paths, " "))
		}
	}
	return strings.Join(parts, ", ")
}
