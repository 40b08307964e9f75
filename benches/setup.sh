#!/bin/sh
# Installs what `just bench` measures, below target/bench: Rust peers always, the others by name.
#   benches/setup.sh [rq] [node]     default: both
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=${WORK:-$here/../target/bench}
mkdir -p "$work"
sh "$here/../scripts/setup.sh"

cargo build --quiet --release --manifest-path "$here/../Cargo.toml"
cargo build --quiet --release --manifest-path "$here/peers/rust/Cargo.toml" --target-dir "$work/rust"
for what in "${@:-rq node}"; do
    for one in $what; do
        case $one in
        rq)
            [ -x "$work/venvs/rq/bin/rq" ] && continue
            python3 -m venv "$work/venvs/rq"
            "$work/venvs/rq/bin/pip" -q install rq==3.0.0 hiredis
            ;;
        node)
            mkdir -p "$work/node"
            cp "$here"/peers/node/* "$work/node/"
            [ -d "$work/node/node_modules" ] || (cd "$work/node" && npm install --silent --no-audit --no-fund)
            ;;
        *)
            echo "benches/setup.sh: nothing is called $one; there are: rq node" >&2
            exit 2
            ;;
        esac
    done
done
