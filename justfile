# The project's commands. `sh scripts/setup.sh` installs just and a Redis server.

set positional-arguments

# List the recipes
default:
    @just --list

# Run believable jobs on a private Redis: one fails, is requeued, and succeeds
demo: setup
    cargo run --quiet --release -- demo

# Unit and behaviour tests, for the inner loop: no browser, no Python, less than two minutes when built
quick *ARGS: setup
    cargo test --lib --bins --test behaviour -- --test-threads 6 "$@"

# All tests, against a real redis-server that they start themselves, a real Python RQ, and in a real browser
test *ARGS: setup python setup-browser
    cargo test "$@"

# What CI runs, and what must be true before a commit: format, lints, docs, all tests, and behaviour in RQ's dialect
check: setup fmt-check lint docs test test-rq test-tls

# The dashboard's tests in Chromium
browser *ARGS: setup setup-browser
    cargo test --test browser -- "$@"

# Take the pictures of the dashboard that the README and docs/dashboard.md show
screenshots: setup setup-browser
    mkdir -p docs/dashboard
    RUST_BACKTRACE=0 cargo test --test browser -- --ignored screenshots

# Python RQ and rq-rs on the same queues: rq 3.0.0 and 2.10, rq-dashboard, django-rq, rq-exporter
interop *ARGS: setup python
    cargo test --test interop -- "$@"

# The behaviour tests in RQ's dialect
test-rq: setup
    RQ_RS_TEST_DIALECT=rq cargo test --test behaviour

# The tests of TLS, in a build that has it
test-tls: setup
    cargo test --features tls --test behaviour -- tls::

# The long chaos run in both dialects, threads and work horses: 100,000 jobs, 50 workers and 5 Redis killed each; RQ_CHAOS_SEED repeats one.
# Before it, a million simulated schedules in each dialect; RQ_SIMULATION_SEED repeats one
chaos: setup
    RQ_SIMULATION=full cargo test --release --lib simulation -- --nocapture --test-threads 1
    RQ_CHAOS=full cargo test --release --test chaos

# rq-rs beside other queues (all: half an hour, benches/results.md; or: run ID …, own, raw); see benches/README.md
bench *ARGS="all":
    sh benches/setup.sh
    python3 benches/bench.py {{ARGS}}

# Measure where a job's microseconds go, by number of slots: docs/performance.md
profile:
    sh benches/setup.sh
    python3 benches/bench.py profile

# Format the code
fmt:
    cargo fmt

fmt-check:
    cargo fmt --check

# Clippy without a warning, for each set of features
lint:
    cargo clippy --all-targets -- -D warnings
    cargo clippy --lib --no-default-features -- -D warnings
    cargo clippy --lib --no-default-features --features worker -- -D warnings
    cargo clippy --lib --no-default-features --features cron -- -D warnings
    cargo clippy --lib --bins --no-default-features --features cli -- -D warnings
    cargo clippy --lib --bins --no-default-features --features dashboard -- -D warnings
    cargo clippy --lib --bins --no-default-features --features top -- -D warnings
    cargo clippy --all-targets --features tls -- -D warnings

# The crate's documentation, without a warning
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet

# Install what is missing: a Redis server, tmux, jq, luacheck
setup:
    @sh scripts/setup.sh

# Install Chromium and its driver where they are missing
setup-browser:
    @sh tests/browser/setup.sh

# Make the Python environments of the interop tests where they are missing
python:
    @sh tests/interop/python/setup.sh
