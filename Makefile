# Two commands do everything: `make run` starts the shop, `make test` passes the tests.
# Both bring what is missing onto the machine when they run as root, and say what to install when not.

SHELL         := bash
.SHELLFLAGS   := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

# Without what nobody here needs, everything is compiled in half the time, and what one checkout has compiled the next
# one need not (ADR 0013).
export GOFLAGS := $(strip $(GOFLAGS) -trimpath -tags=nomsgpack -gcflags=all=-dwarf=false)

GOLANGCI_VERSION    := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
REDOC_VERSION       := 2.5.4

# Tools are built once a machine and version, not once a checkout.
TOOLS       := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/shiyi/tools
GOLANGCI    := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
GOVULNCHECK := $(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION)

# Whatever is compiled in: code, migrations, pages, the recorded year, the contract.
SOURCES := $(shell find api cmd internal pkg -name node_modules -prune -o -type f ! -name '*_test.go' ! -path '*/testdata/*' ! -path internal/web/dist/redoc.standalone.js -print) go.mod go.sum

FUZZTIME ?= 5s

.PHONY: help run build setup test suite race test-race nets orderings walk year generate generate-check lint format fuzz bench cover audit clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

run: setup build ## start the shop on http://localhost:8080, with its recorded year (ARGS=--empty: without)
	@exec bin/shiyi serve $(ARGS)

build: bin/shiyi ## compile the programs into bin/

setup:
	@.ci/setup run

# Both programs at once: their last steps run side by side.
bin/shiyi bin/shiyi-verify &: $(SOURCES)
	@.ci/redoc $(REDOC_VERSION)
	GOGC=300 go build -o bin/ ./cmd/shiyi ./cmd/shiyi-verify
	@touch bin/shiyi bin/shiyi-verify

test: ## everything that must hold: contract, lint, plan, the suite, races, fuzzing
	@.ci/setup test
	@$(MAKE) --no-print-directory generate-check lint suite race fuzz TARGET='$(LIGHT)'

WITH := .ci/with-redis go run ./internal/pgtest/withpg -- # a real Redis, and one PostgreSQL for all

# What shares memory between goroutines and compiles in seconds (ADR 0018).
RACED := outbound redisdb sandbox telemetry

space := $(subst ,, )

suite: ## the tests of all packages but those of race (lint vets both)
	$(WITH) go test -vet=off -count=1 -timeout=30m $$(go list ./... | grep -vE '/internal/($(subst $(space),|,$(RACED)))$$')

race: ## with the race detector: what shares memory and needs no database
	$(WITH) go test -race -vet=off -count=1 -timeout=30m $(addprefix ./internal/,$(RACED))

test-race: ## the whole suite with the race detector: before a release, and after a change of what runs at once
	$(WITH) go test -race -count=1 -timeout=40m ./...

nets: ## more of the nets than the suite has: 10,000 requests, good and bad: every answer must keep the contract
	NETS_REQUESTS=10000 $(WITH) go test -count=1 -timeout=30m ./internal/nets

orderings: ## all 5,040 orders of arrival of seven events, doubled, and but for one; all ways to be cut off (half an hour)
	$(WITH) go test -count=1 -timeout=90m -run='AnyOrder|Wherever' -v ./internal/reconcile -orderings=0 -crashes

walk: ## 10,000 random sequences of people at the fund's desk: nobody gets money out alone, nor beyond what is free (hours)
	$(WITH) go test -count=1 -timeout=12h -run='NoSequence' -v ./internal/grant -sequences=10000

year: ## the whole recorded year, settled; and again with refunds and disputes, each day compared: to the li (20 minutes)
	$(WITH) go test -count=1 -timeout=90m -run='WholeYear|ToTheLi' -v ./internal/replay -sales=0

generate: ## write the generated code anew from the contract
	go generate ./...

generate-check: ## fail if the generated code is not what the contract says
	.ci/generate-check

lint: $(GOLANGCI) ## the doors, the storeys and the habits
	GOGC=300 $(GOLANGCI) run

format: $(GOLANGCI) ## gofumpt and import order
	$(GOLANGCI) fmt

fuzz: ## every fuzz target for FUZZTIME (5s); TARGET=FuzzX for one
	.ci/fuzz $(FUZZTIME) '$(TARGET)'

# What can be compiled for fuzzing in seconds. The others take minutes to compile, and are fuzzed by `make fuzz` alone (ADR 0018).
LIGHT := Fuzz(Check|Decode|Lint|Parse|Receipt|Split)

bench: ## sales a second, reads a second, and pgbench beside them
	@.ci/setup test
	.ci/with-redis go run ./internal/bench $(ARGS)

cover: ## statements covered by the tests, in coverage.html
	@.ci/setup test
	.ci/with-redis go run ./internal/pgtest/withpg -- go test -count=1 -timeout=30m -coverpkg=./... -coverprofile=coverage.out ./...
	go tool cover -html=coverage.out -o coverage.html
	@go tool cover -func=coverage.out | tail -n 1

audit: $(GOVULNCHECK) ## known vulnerabilities that our code can reach (needs the database, or GOVULNDB)
	.ci/audit $(GOVULNCHECK)

clean: ## remove what was built here, not the shop's state
	rm -rf bin coverage.out coverage.html internal/web/dist/redoc.standalone.js

$(GOLANGCI):
	.ci/tool github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION) $@

$(GOVULNCHECK):
	.ci/tool golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) $@
