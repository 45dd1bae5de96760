# Freshet. `make` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

.PHONY: demo
demo: ## The shop on in-process Kafka and a private Redis (DEMO_SECONDS=30 to end by itself)
	scripts/setup.sh demo
	$(CARGO) build -q --profile demo -p freshet -p freshet-demo
	target/demo/freshet-demo demo $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS),)

.PHONY: stack
stack: ## The shop on real Postgres, Debezium, Kafka, Redis and Varnish (DEMO_SECONDS=30 to end by itself)
	scripts/setup.sh test
	$(CARGO) run -q --release -p freshet-testbed --bin testbed-fetch
	$(CARGO) build -q --release -p freshet -p freshet-demo
	target/release/freshet-demo stack $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS),)

.PHONY: test
test: ## Formatting, clippy, licences, docs, tidy, every test including those on the real stack
	scripts/setup.sh test
	scripts/tools.sh deny
	$(CARGO) fmt --all --check
	target/tools/bin/cargo-deny check licenses bans sources
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc -q --workspace --no-deps --document-private-items
	$(CARGO) run -q -p freshet-testbed --bin testbed-fetch
	scripts/leftovers.sh $(CARGO) test --workspace
	scripts/broken.sh

.PHONY: quick
quick: ## Formatting, clippy and every test that needs no server: within a minute when all is built
	$(CARGO) fmt --all --check
	$(CARGO) clippy -q --workspace --all-targets -- -D warnings
	$(CARGO) test -q -p freshet-core -p freshet-registry -p freshet-wire -p freshet-pipeline -p freshet-audit -p freshet-desk -p freshet-fuzz
	$(CARGO) test -q --lib -p freshet-kafka -p freshet-redis -p freshet-cdn -p freshet -- --skip parts::

.PHONY: bench
bench: ## Freshet beside its peers: drains, latency, limit (QUICK=1 for <= 5 min; GROWTH=1; ONLY=drain-json-4 PARTICIPANTS=freshet,go)
	scripts/setup.sh bench
	$(CARGO) run -q -p freshet-testbed --bin testbed-fetch
	$(CARGO) build -q --release -p freshet -p freshet-bench
	target/release/freshet-bench $(if $(QUICK),--quick,) $(if $(GROWTH),--growth,) $(if $(ONLY),--only $(ONLY),) $(if $(PARTICIPANTS),--participants $(PARTICIPANTS),) $(BENCH_ARGS)

.PHONY: bench-regress
bench-regress: ## This tree against BASE=<commit> (default: its parent): instructions, drains, latency; fails when slower
	scripts/setup.sh bench
	$(CARGO) run -q -p freshet-testbed --bin testbed-fetch
	$(CARGO) build -q --release -p freshet -p freshet-bench
	target/release/regress --base $(or $(BASE),HEAD^) $(BENCH_ARGS)

.PHONY: bench-decode
bench-decode: ## Decoding alone, beside serde_json and apache-avro
	scripts/setup.sh test
	$(CARGO) run -q --release -p freshet-bench --bin decode_beside

.PHONY: flame
flame: ## Flame graphs of a drain in each wire form, into docs/flame (needs perf)
	scripts/setup.sh flame
	$(CARGO) run -q -p freshet-testbed --bin testbed-fetch
	scripts/flame.sh

.PHONY: bench-commits
bench-commits: ## From a commit in Postgres to the key gone, Debezium tuned, and which stage takes how much
	scripts/setup.sh test
	$(CARGO) run -q -p freshet-testbed --bin testbed-fetch
	$(CARGO) build -q --release -p freshet -p freshet-bench
	target/release/commit_to_purge $(BENCH_ARGS)

.PHONY: sim
sim: ## Seeded simulation of the pipeline under faults (SEEDS=10000, or SEED=7 to play one again)
	$(CARGO) build -q --release -p freshet-sim
	target/release/freshet-sim $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),500))

.PHONY: faults
faults: ## Faults on real processes under traffic (KILLS=200, SEED=1, SHORT=1, ONLY=redis-killed; OUTAGE=10 for a Redis away so many minutes)
	scripts/setup.sh test
	$(CARGO) run -q -p freshet-testbed --bin testbed-fetch
	$(CARGO) build -q --release -p freshet -p freshet-faults
	target/release/freshet-faults $(if $(OUTAGE),--outage $(OUTAGE) --rate $(or $(RATE),5000),) --kills $(or $(KILLS),200) --seed $(or $(SEED),1) $(if $(SHORT),--short,) $(if $(ONLY),--only $(ONLY),)

.PHONY: fuzz
fuzz: ## Made-up input for every parser of what comes from outside (MINUTES=8 for all together, ONLY=record_json); needs nightly Rust
	scripts/fuzz.sh $(or $(MINUTES),8) $(ONLY)

.PHONY: mutants
mutants: ## Changes what decides, place by place, to see tests fail (ONLY=core or core/shape, SHARD=1/16, IN_DIFF=<commit>; LIST=1)
	scripts/mutants.sh

.PHONY: dist
dist: ## The program as it is shipped, into target/dist: stripped, with its symbols in a file beside it
	scripts/dist.sh

.PHONY: fmt
fmt: ## Format everything
	$(CARGO) fmt --all

.PHONY: check
check: ## Clippy alone
	$(CARGO) clippy --workspace --all-targets -- -D warnings
