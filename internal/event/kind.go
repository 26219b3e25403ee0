package event

// Kind implements Payload.
func (TaskMoved) Kind() Kind { return "task.moved" }

// Kind implements Payload.
func (ActionIntended) Kind() Kind { return "action.intended" }

// Kind implements Payload.
func (ActionFinished) Kind() Kind { return "action.finished" }

// Kind implements Payload.
func (ActionPutOff) Kind() Kind { return "action.put_off" }

// Kind implements Payload.
func (ActionBegun) Kind() Kind { return "action.begun" }

// Kind implements Payload.
func (DeadlineSet) Kind() Kind { return "deadline.set" }

// Kind implements Payload.
func (DeadlineCleared) Kind() Kind { return "deadline.cleared" }

// Kind implements Payload.
func (WorktreeReady) Kind() Kind { return "worktree.ready" }

// Kind implements Payload.
func (WorktreeRemoved) Kind() Kind { return "worktree.removed" }

// Kind implements Payload.
func (GenerationStarted) Kind() Kind { return "generation.started" }

// Kind implements Payload.
func (AgentLaunched) Kind() Kind { return "agent.launched" }

// Kind implements Payload.
func (AgentReported) Kind() Kind { return "agent.reported" }

// Kind implements Payload.
func (AgentExited) Kind() Kind { return "agent.exited" }

// Kind implements Payload.
func (RecordRefused) Kind() Kind { return "record.refused" }

// Kind implements Payload.
func (RequestOpened) Kind() Kind { return "request.opened" }

// Kind implements Payload.
func (RequestClosed) Kind() Kind { return "request.closed" }

// Kind implements Payload.
func (PermissionDecided) Kind() Kind { return "permission.decided" }

// Kind implements Payload.
func (MessageQueued) Kind() Kind { return "message.queued" }

// Kind implements Payload.
func (MessageMoved) Kind() Kind { return "message.moved" }

// Kind implements Payload.
func (JobStarted) Kind() Kind { return "job.started" }

// Kind implements Payload.
func (RoundFinished) Kind() Kind { return "round.finished" }

// Kind implements Payload.
func (WorkPublished) Kind() Kind { return "work.published" }

// Kind implements Payload.
func (RaceDecided) Kind() Kind { return "race.decided" }

// Kind implements Payload.
func (WorkKept) Kind() Kind { return "work.kept" }

// Kind implements Payload.
func (StashKept) Kind() Kind { return "stash.kept" }

// Kind implements Payload.
func (UsageRecorded) Kind() Kind { return "usage.recorded" }

// Kind implements Payload.
func (SlotReleased) Kind() Kind { return "slot.released" }

// Kind implements Payload.
func (TaskRemoved) Kind() Kind { return "task.removed" }

// Kind implements Payload.
func (SlotGranted) Kind() Kind { return "slot.granted" }

// Kind implements Payload.
func (DepsMet) Kind() Kind { return "deps.met" }

// Kind implements Payload.
func (DepsFailed) Kind() Kind { return "deps.failed" }

// Kind implements Payload.
func (GateClosed) Kind() Kind { return "gate.closed" }

// Kind implements Payload.
func (GateOpened) Kind() Kind { return "gate.opened" }

// Kind implements Payload.
func (SupervisorStarted) Kind() Kind { return "supervisor.started" }

// Kind implements Payload.
func (SupervisorStopped) Kind() Kind { return "supervisor.stopped" }

// Kind implements Payload.
func (ServerChanged) Kind() Kind { return "server.changed" }

// Kind implements Payload.
func (HostSlept) Kind() Kind { return "host.slept" }

// Kind implements Payload.
func (NextPlanned) Kind() Kind { return "next.planned" }

// Kind implements Payload.
func (Shelved) Kind() Kind { return "task.shelved" }

// Kind implements Payload.
func (AgentProbed) Kind() Kind { return "agent.probed" }

// Kind implements Payload.
func (SilenceDoubted) Kind() Kind { return "silence.doubted" }

// Kind implements Payload.
func (StallStaged) Kind() Kind { return "stall.staged" }

// Kind implements Payload.
func (SupervisorUpgraded) Kind() Kind { return "supervisor.upgraded" }

// Kind implements Payload.
func (UpgradeRolledBack) Kind() Kind { return "upgrade.rolled_back" }

// Kind implements Payload.
func (FenceApplied) Kind() Kind { return "fence.applied" }

// Kind implements Payload.
func (ReviewTold) Kind() Kind { return "review.told" }
