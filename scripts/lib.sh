# Functions of the set-up scripts, which read this file with `.`.

has() { command -v "$1" >/dev/null 2>&1; }
say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif has sudo; then sudo "$@"
    else fail "root is needed for: $*"
    fi
}

# Installs a package that has the same name everywhere.
install() {
    if has apt-get; then
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq "$1" >/dev/null
    elif has dnf; then
        as_root dnf install -y -q "$1"
    elif has brew; then
        brew install --quiet "$1"
    else
        fail "no apt-get, dnf or brew here: install $1 by hand"
    fi
}
