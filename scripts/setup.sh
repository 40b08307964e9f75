#!/bin/sh
# Installs what rq-rs needs beside Rust: a Redis server, `just`, `jq` for the examples, and for the tests `tmux` (`rq-rs top`),
# `luacheck` (scripts) and `openssl` (certificates). It asks nothing, and changes nothing when all are installed.
set -eu

. "$(dirname "$0")/lib.sh"

install_redis() {
    # Debian's package would also start a server on port 6379; rq-rs starts its own private ones.
    if has apt-get; then install redis-server
    elif has dnf; then install redis || install valkey
    else install redis
    fi
}

install_luacheck() {
    if has apt-get; then install lua-check
    elif has brew; then install luacheck
    else
        install luarocks
        as_root luarocks install luacheck >/dev/null
    fi
}

# Links a just that was installed outside PATH into a folder on PATH.
link_just() {
    for dir in /usr/local/bin "${CARGO_HOME:-$HOME/.cargo}/bin" "$HOME/.local/bin"; do
        case ":$PATH:" in *":$dir:"*) ;; *) continue ;; esac
        mkdir -p "$dir" 2>/dev/null && ln -sf "$1" "$dir/just" 2>/dev/null && return 0
    done
    fail "just is at $1 but no folder of PATH could be written: add its folder to PATH"
}

# A prebuilt package takes seconds; `cargo install just` takes minutes and is the last resort.
install_just() {
    if has brew; then
        brew install --quiet just
        return
    fi
    tools="${XDG_DATA_HOME:-$HOME/.local/share}/rq-rs-tools"
    if has python3 && python3 -m pip --version >/dev/null 2>&1 &&
        PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --upgrade --target "$tools/just" rust-just; then
        link_just "$tools/just/bin/just"
    elif has npm && npm install --silent --no-fund --no-audit --prefix "$tools/just-npm" rust-just; then
        link_just "$tools/just-npm/node_modules/.bin/just"
    else
        cargo install --locked just
    fi
}

has cargo || fail "Rust is missing: see https://rustup.rs"
if ! has redis-server && ! has valkey-server; then
    say "installing a Redis server"
    install_redis
fi
if ! has just; then
    say "installing just"
    install_just
fi
if ! has openssl; then
    say "installing openssl"
    install openssl
fi
if ! has jq; then
    say "installing jq"
    install jq
fi
if ! has luacheck; then
    say "installing luacheck"
    install_luacheck
fi
if ! has tmux; then
    say "installing tmux"
    install tmux
fi
has redis-server || has valkey-server || fail "redis-server is still not on PATH"
has just || fail "just is still not on PATH"
