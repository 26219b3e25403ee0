# What everybody runs, here and in CI. `make demo` and `make test` are all that a newcomer needs.

GO      ?= go
TOOL    := $(GO) tool -modfile=tools/go.mod
PREFIX  ?= $(HOME)/.local
# The version is the build's own: a tag of git, or a pseudo-version. Where git does not answer there is none.
VCS     := $(shell git status >/dev/null 2>&1 && echo auto || echo false)
BUILD   := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=$(VCS) -ldflags='-s -w'
# Tests run real programs; beside a busy machine they need their time.
TIMEOUT ?= 25m
# The tests of one package run side by side already, and whole fleets take what time the machine has.
PACKAGES ?= 1
FUZZTIME ?= 30s
EVENTS  ?= 10000000

.PHONY: help build install demo test fleets race quick check types format lint tidy generated generate bench simulate planted walk chaos night merges delivery agents situations fuzz prices tools tmux node browser gh release-dry clean

help: ## say what there is
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' Makefile

build: ## bin/muster, one static program
	$(BUILD) -o bin/muster ./cmd/muster

install: build ## copy it to PREFIX/bin (default: ~/.local/bin)
	mkdir -p '$(PREFIX)/bin'
	install -m 755 bin/muster '$(PREFIX)/bin/.muster.new'
	mv -f '$(PREFIX)/bin/.muster.new' '$(PREFIX)/bin/muster'

demo: tmux build ## the whole story in a minute, no account needed
	bin/muster demo

# Packages whose tests start no fleets and wait for no other program run side by side; the others one after another.
LIGHT = internal(/(agent|agent/(agenttest|all|command|gemini|generic)|change|config|environ|event|fault|home|intake|life|permit|price|proof|recipe|regular|replace|report|scarce|spec|store|testkit/.*|text|words))?$$
TEST  = $(GO) test -vet=off -timeout $(TIMEOUT)
# The flags of `make build` and `make lint`, so that nothing is compiled twice.
PLAIN = CGO_ENABLED=0 GOFLAGS="$$GOFLAGS -trimpath" $(TEST)

# Packages whose tests are whole fleets or real agents, and git, which takes four minutes.
WHOLE = internal/(e2e|git|agent/(claude|codex|opencode))$$
# The whole fleets that `make test` has, so that it goes once from dispatch to done; `make fleets` has all others.
ONCE  = ^Test(ClaudeFromDispatchToDone|TheServerIsKilled|APermissionIsAnswered|Verdict_OfAnotherTree)$$

test: tmux node gh ## each package's tests, and whole fleets once from dispatch to done: ten minutes
	@status=0; \
	$(PLAIN) $(shell $(GO) list ./... | grep -E '$(LIGHT)') || status=1; \
	$(PLAIN) -p $(PACKAGES) $(shell $(GO) list ./... | grep -vE '$(LIGHT)|$(WHOLE)') || status=1; \
	$(PLAIN) -run '$(ONCE)' ./internal/e2e || status=1; \
	exit $$status

fleets: tmux node browser gh ## all other whole fleets, the real agents, and git: twenty minutes
	@status=0; \
	$(PLAIN) -p $(PACKAGES) $(shell $(GO) list ./... | grep -E '$(WHOLE)' | grep -v /e2e) || status=1; \
	$(PLAIN) -skip '$(ONCE)' ./internal/e2e || status=1; \
	exit $$status

# The packages in which goroutines share data; real agents, git and the command line have their tests without the detector only.
RACED  = $(shell $(GO) list ./... | grep -vE '/internal(/(e2e|cli|git|bench|life|agent/[a-z]*|testkit/[a-z]*))?$$')
# Whole fleets whose supervisors have the detector, too: FLEETS=. is all of them.
FLEETS ?= ^Test(Adopt.*|ManyDispatchAtOnce|TheServerIsKilled|AFleetAtWorkIsUpgraded|DownKillInMidWork|APermissionIsAnswered|AFloodOfRecords|TheDiskIsFull)$$

race: tmux node gh ## the tests under the race detector; FLEETS are the whole fleets, FLEETS=. is all of them
	@status=0; \
	$(TEST) -race $(RACED) || status=1; \
	$(TEST) -race -run '$(FLEETS)' ./internal/e2e || status=1; \
	exit $$status

# What needs neither tmux, node nor gh, and no whole fleets.
QUICK = $(shell $(GO) list ./... | grep -vE '/internal/(tmux|forge|cli|e2e|bench|daemon|agent|testkit|fleet)(/|$$)')

quick: ## the tests that need no tmux and no node, for the inner loop
	$(GO) test $(QUICK)

# Whether the pages of docs/reference are fresh, and whether the house stands as ARCHITECTURE.md says, are tests.
check: build types format lint tidy test fleets ## everything that CI asks for

# The linter checks the types of the system that it runs on.
types: ## what does not compile on macOS
	cd tools && $(GO) run -trimpath ./types .. darwin

format: ## files that gofumpt would change
	@out=$$($(TOOL) gofumpt -l cmd internal tools/types tools/release) && if [ -n "$$out" ]; then \
		echo "not formatted; run: $(TOOL) gofumpt -w cmd internal tools/types tools/release"; echo "$$out"; exit 1; fi

# The flags are those of `make build`, so that both share what is compiled.
lint: ## golangci-lint, with go vet
	CGO_ENABLED=0 GOFLAGS="$$GOFLAGS -trimpath" $(TOOL) golangci-lint run

tidy: ## go.mod and go.sum hold what is needed and no more
	$(GO) mod tidy -diff

generated: ## the pages of docs/reference are fresh
	$(GO) test -run 'Fresh' ./internal/config ./internal/event ./internal/life ./internal/status ./internal/web

generate: ## write them anew
	$(GO) test -run 'Fresh' ./internal/config -update
	$(GO) test -run 'Fresh' ./internal/event -update
	$(GO) test -run 'Fresh' ./internal/life -update
	$(GO) test -run 'Fresh' ./internal/status -update
	$(GO) test -run 'Fresh' ./internal/web -update

bench: tmux ## what muster costs, each figure beside the least that the same work costs here
	$(GO) run ./internal/bench

# Many small worlds: memory is cheaper than collecting it often.
simulate: ## whole fleets in virtual time, with faults at every edge, until EVENTS are written
	$(GO) test -c -o bin/simulate.test ./internal/fleet/fleettest
	GOGC=400 bin/simulate.test -test.run '^TestSimulate$$' -test.timeout 30m -simulate.events $(EVENTS)

planted: ## the simulation finds bugs that are planted for it
	$(GO) test -count=1 -v -timeout 60m -tags planted -run '^TestPlanted' ./internal/fleet/fleettest

walk: ## every state that a task can reach, in every order of everything that can happen
	GOGC=400 $(GO) test -count=1 -v -timeout 60m -run '^TestWalk$$' ./internal/life -walk.full

# Kills of the supervisor, at least so many; a violation prints what repeats it: make chaos ONLY=... PLAN=... SEED=...
DEATHS ?= 2000
SEED   ?= 0
# Whole fleets without a fence, or with one: make chaos FENCE=on, make night FENCE=on.
FENCE  ?= off

chaos: tmux node ## the supervisor dies at every point of every scenario, then at random
	$(GO) test -c -o bin/chaos.test ./internal/e2e
	cd internal/e2e && ../../bin/chaos.test -test.run '^TestDeathAtEveryPoint$$' -test.timeout 60m \
		-e2e.fence $(FENCE) -chaos.deaths $(DEATHS) -chaos.seed $(SEED) -chaos.only '$(ONLY)' -chaos.plan '$(PLAN)'

# Real Claude Code beside a scripted model, on three repositories that hurt.
TASKS ?= 30

night: tmux node ## a night of TASKS tasks, in which supervisor and tmux are killed twice and people commit
	@.ci/need git-lfs git-lfs
	$(GO) test -count=1 -v -timeout 60m -run '^TestANightOnThreeRepositories$$' ./internal/e2e -night.tasks $(TASKS) -e2e.fence $(FENCE)

# A quarter of the tasks conflicts, and a quarter is red only together with another.
MERGES ?= 40

merges: tmux ## the work of MERGES tasks goes through a merge queue; each commit of the base passes the checks
	$(GO) test -count=1 -v -timeout 60m -run '^TestANightOfMerges$$' ./internal/e2e -merge.tasks $(MERGES)

# Messages to agents of each kind; a fault names the message.
SIM      ?= 100000
CLAUDE   ?= 1000
CODEX    ?= 100
OPENCODE ?= 100

delivery: tmux node ## messages to agents of each kind, by many senders at once: each arrives once and as it is
	$(GO) test -count=1 -v -timeout 12h -run '^TestDelivery$$' ./internal/e2e \
		-delivery.sim $(SIM) -delivery.claude $(CLAUDE) -delivery.codex $(CODEX) -delivery.opencode $(OPENCODE)

# Which tests of the table, such as RUN='^TestSituations$$/^codex$$/^question$$'; FIRST are the situations that each change must pass.
RUN   ?= ^Test(Situations|AFencedNightOnToolchains|RulesAnswerForAPerson|RealAgents|Claude|Codex|Copilot|Gemini|OpenCode|Qwen)
FIRST := ^TestSituations$$$$/./^(plain_task|two_tool_calls|edit_check|failing_check_fed_back|permission_.*|question)$$$$

agents: tmux node ## the real agents in every situation, against a scripted model; the table goes into docs/agents.md
	@mkdir -p bin
	MUSTER_TEST_AGENTS=all $(GO) test -json -count=1 -timeout 3h -run '$(RUN)' ./internal/agent/... ./internal/e2e > bin/agents.json; status=$$?; \
	grep -E '"Output":"( *--- |ok|FAIL)' bin/agents.json | sed -E 's/.*"Output":"(.*)\\n".*/\1/'; \
	$(GO) test -count=1 -run '^TestPageIsFresh$$' ./internal/testkit/matrix -run-of-agents "$$PWD/bin/agents.json" && exit $$status

situations: ## the first situations of the table, as CI runs them for each change
	$(MAKE) agents RUN='$(FIRST)'

fuzz: ## each fuzz test for FUZZTIME
	@set -e; for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; done

# The catalog of models that an npm package has, which is made from models.dev. Of another one: go test ./internal/price -catalog FILE -source NAME
CATALOG ?= @earendil-works/pi-ai@1.5.2

prices: node ## the table of prices anew, from CATALOG
	@set -e; d=$$(mktemp -d); trap 'rm -rf "$$d"' EXIT; \
		(cd "$$d" && npm pack --silent '$(CATALOG)' && tar -xzf ./*.tgz); \
		$(GO) test -count=1 -run '^TestTheTableIsAsItIsWritten$$' ./internal/price -catalog "$$d/package/dist/providers/data" -source 'npm $(CATALOG) (models.dev)'

tools: ## build the tools once
	$(TOOL) gofumpt -version
	$(TOOL) golangci-lint version

tmux: ## install tmux if it is missing
	@.ci/need tmux tmux

node: ## install node and npm if they are missing: tests run a real Claude Code, which npm brings
	@.ci/need npm nodejs npm

browser: ## install Chromium if it is missing: tests open the page of muster web in it
	@command -v google-chrome >/dev/null 2>&1 || test -d '/Applications/Google Chrome.app' || .ci/need chromium chromium

gh: ## install gh if it is missing: tests open pull requests at a server of their own
	@.ci/need gh gh

# Where the archives will lie, for the formula; without one it installs from DIST itself.
DIST ?= dist
URL  ?=

release-dry: ## archives, packages, formula, checksums and bills of materials in DIST; nothing is published
	cd tools/release && GOFLAGS= $(GO) run . -out '$(abspath $(DIST))' -url '$(URL)' ../..

clean: ## remove what was built
	rm -rf bin dist
