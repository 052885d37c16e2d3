# Everything here works on a fresh machine that has Go, make and git.

GO         ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOLANGCI    = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
BUF         = @bufbuild/buf@1.75.0
BENCH       = testfixtures/bench
S3          = examples/plugins/s3
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS     = -s -w -X main.version=$(VERSION)
GOTESTFLAGS ?= -race
# They wait more than they work, so they begin first.
LONGEST     = ./testfixtures/e2e ./testfixtures/scenarios ./testfixtures/soak ./testfixtures/mutants ./cmd/dprun ./testfixtures/servers

# The race detector needs cgo; what tests compile is as it ships, and what was compiled before serves again.
NOCGO       = -exec 'env CGO_ENABLED=0'

export CGO_ENABLED ?= 0

.PHONY: fuzz-api help packages test-packages release test-release test-fast lint-all build status-matrix demo test check fmt lint vet unit deps test-servers servers-results screenshots bench bench-quick soak generate docs clean darwin

build: ## bin/dprun and bin/dpsim
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/dprun ./cmd/dprun
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/dpsim ./testfixtures/dpsim/cmd/dpsim

demo: build ## simulated gateways, one backup, the result
	./examples/demo/run.sh

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile

# Without what compiles a database or a server, and without the longest searches and measurements: `make test` has them.
FAST = ./plan/... ./runner/backups ./runner/drill ./runner/engine ./runner/evidence ./runner/graph ./runner/lifecycle ./runner/lock ./runner/metrics ./runner/redact \
	./runner/restore ./runner/retention ./runner/schedule ./runner/secret ./runner/state ./runner/status ./sdk/failure ./sdk/schema ./cmd/dprun/view
SLOW = TestARunInterruptedAnywhere|TestAskingWhatIsPending|TestATaskCostsTheSame
# The compiler takes most of the time: it optimises only what the tests spend theirs in, leaves out what debuggers need, and collects garbage seldom.
QUICK = -gcflags='all=-N -l -dwarf=false' $(patsubst %,-gcflags=%/...=-dwarf=false,github.com/dprun/dprun runtime internal/runtime) -ldflags='-s -w'

test-fast: ## the pure core and the language: no server, no root, no other program; under a minute
	GOGC=400 $(GO) test -short -vet=off $(QUICK) -skip '$(SLOW)' $(FAST)

test: deps check unit ## all that CI runs

check: fmt vet lint darwin ## format, vet, staticcheck, and that it builds for darwin

fmt: ## fails on files that gofmt would change
	@files=$$(git ls-files '*.go' | grep -v '\.pb\.go$$' | xargs gofmt -l); \
	if [ -n "$$files" ]; then echo "not gofmt-ed:"; echo "$$files"; exit 1; fi

vet: ## go vet of every module
	$(GO) vet ./... ./.release
	$(GO) vet -tags builtservers ./testfixtures/servers
	$(GO) vet -tags packages,release ./.release
	$(GO) vet -C $(BENCH) ./...
	$(GO) vet -C $(S3) -tags builtservers ./...

lint: ## staticcheck of every module
	$(GO) run $(STATICCHECK) ./... ./.release
	cd $(BENCH) && $(GO) run $(STATICCHECK) ./...
	cd $(S3) && $(GO) run $(STATICCHECK) ./...

lint-all: ## more linters, outside the gate: compiling them takes minutes; needs npm for the protocol's
	$(GO) run $(GOLANGCI) run ./... ./.release
	npm exec --yes --package=$(BUF) -- buf lint sdk/proto

darwin: ## darwin must compile
	GOOS=darwin GOARCH=arm64 $(GO) build -gcflags='all=-N -l -dwarf=false' -ldflags='-s -w' ./cmd/... ./plan/... ./runner/... ./plugins/... ./sdk/...

# A program with the race detector sleeps for a second before it ends, and the tests end thousands.
unit: export GORACE = atexit_sleep_ms=0
unit: deps build ## the tests, with the race detector
	CGO_ENABLED=1 $(GO) test $(GOTESTFLAGS) $(NOCGO) -timeout 40m $(LONGEST) ./... ./.release
	CGO_ENABLED=1 $(GO) test -C $(BENCH) $(GOTESTFLAGS) $(NOCGO) ./...
	CGO_ENABLED=1 $(GO) test -C $(S3) $(GOTESTFLAGS) $(NOCGO) ./...

fuzz-api: ## ten minutes of requests made from the REST API's own description: an internal error fails it
	$(GO) test ./cmd/dprun/web/api -run MadeFromTheDescription -fuzz-api 10m -timeout 15m -v

status-matrix: deps ## plays a scenario for every status code; a code that is not reached fails it
	$(GO) test -c -o bin/status-matrix ./testfixtures/scenarios
	cd testfixtures/scenarios && ../../bin/status-matrix -matrix -test.parallel 6

deps: ## installs from Debian's packages what the tests need and the machine lacks
	./testfixtures/install-deps.sh

test-servers: deps ## tests of what is compiled or comes from npm: servers, the plugin for Node; takes minutes
	./testfixtures/servers/built/run.sh

servers-results: deps ## writes anew what docs/servers.md says of every server
	$(GO) test -count 1 ./testfixtures/servers -run 'Packaged|Ganesha' -update
	./testfixtures/servers/built/run.sh -update
	$(GO) run ./docs/gen

screenshots: deps ## makes the pictures of docs/page.md anew
	$(GO) test -count 1 ./testfixtures/browser -run TestScreenshots -update

bench: deps build ## each figure beside its peer; see docs/benchmarks.md
	$(BENCH)/run.sh

bench-quick: $(if $(OLD),build) ## an older dprun beside this one, in under 3 minutes: make bench-quick OLD=path/to/dprun
	$(BENCH)/run.sh -rounds 7 -old $(or $(OLD),$(error bench-quick needs OLD=path/to/dprun, the older program to compare with))

soak: build ## kills dprun 500 times, at random moments of runs over pairs of simulated gateways; takes about 20 minutes
	$(GO) run ./testfixtures/soak/cmd/soak $(SOAK)

generate: ## protocol code and generated documentation
	$(GO) generate ./sdk/...
	$(GO) run ./docs/gen

docs: ## generated documentation
	$(GO) run ./docs/gen

packages: ## dist: packages for Debian and RPM, of what stands here
	rm -rf dist
	$(GO) run ./.release -packages deb,rpm

test-packages: deps ## installs the packages in a Debian of their own, as root; takes minutes
	./testfixtures/install-deps.sh mmdebstrap rpm buildah lintian
	$(GO) test -tags packages ./.release -run 'CleanHost|Image' -count 1 -timeout 30m

OUT ?= dist

release: ## all files of a release: make release TAG=v1.2.3, with KEY=FILE signed
	$(GO) run ./.release -tag $(or $(TAG),$(error make release needs TAG=v1.2.3, a tag of this repository)) -out $(OUT) $(if $(KEY),-sign $(KEY))

test-release: ## a tag gives the same bytes here and in a clean root of Debian, as root; takes half an hour
	./testfixtures/install-deps.sh mmdebstrap
	$(GO) test -tags release ./.release -run SameBytes -count 1 -timeout 90m -v

clean:
	rm -rf bin dist
