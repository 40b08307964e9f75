#!/bin/sh
# Makes the two Python environments of the interop tests:
#
#   setup.sh [FOLDER]     FOLDER is target/interop of this repository by default
#
#   FOLDER/rq3   requirements-3.txt: rq 3.0.0, rq-dashboard, django-rq, rq-exporter
#   FOLDER/rq2   requirements-2.txt: rq 2.10
#
# Changes nothing when both are complete. The stamp of an environment is written last, so an interrupted
# one is made again. PYTHON names the interpreter to use.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$(cd "$here/../../.." && pwd)/target/interop}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

. "$here/../../../scripts/lib.sh"

# Stamp of a complete environment: the requirements and, because an environment cannot be moved, the folder.
stamp() {
    printf '%s %s\n' "$(cksum <"$here/requirements-$1.txt")" "$folder"
}

complete() {
    [ -x "$folder/rq$1/bin/python" ] && [ -f "$folder/rq$1/complete" ] || return 1
    read -r found <"$folder/rq$1/complete" || return 1
    [ "$found" = "$(stamp "$1")" ]
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

# Sets `python` to an interpreter that is new enough.
find_python() {
    for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python3.10}; do
        if has "$python" && new_enough "$python"; then return; fi
    done
    if [ -n "${PYTHON:-}" ]; then fail "PYTHON=$PYTHON is not a Python 3.10 or newer"
    elif has python3; then fail "Python 3.10 or newer is needed, python3 is $(python3 --version 2>&1)"
    elif [ -z "${tried:-}" ]; then
        tried=1
        say "installing python3"
        install python3
        find_python
    else fail "Python 3.10 or newer is needed: there is no python3 on PATH"
    fi
}

# Debian and Ubuntu keep the venv module in a package of its own.
make_venv() {
    rm -rf "$1"
    if "$python" -m venv "$1" >/dev/null 2>&1; then return; fi
    if has apt-get; then
        version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        say "installing $version-venv"
        (install "$version-venv") 2>/dev/null || install python3-venv
    fi
    rm -rf "$1"
    "$python" -m venv "$1" || fail "\`$python -m venv\` does not work here: install Python's venv module by hand"
}

make_environment() {
    env="$folder/rq$1"
    make_venv "$env"
    "$env/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --retries 2 --no-deps \
        --requirement "$here/requirements-$1.txt" ||
        fail "pip could not install $here/requirements-$1.txt: is the network there? (pip's own message is above)"
    "$env/bin/python" -c 'import rq, redis' || fail "the environment $env does not work"
    stamp "$1" >"$env/complete.new"
    mv "$env/complete.new" "$env/complete"
}

if complete 3 && complete 2; then exit 0; fi

find_python
# Only one set-up runs at a time: descriptor 9 of this shell holds the lock until the shell ends.
exec 9>"$folder/setup.lock"
"$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
if complete 3 && complete 2; then exit 0; fi

say "making Python environments with rq 3.0.0 and rq 2.10"
for which in 3 2; do
    complete "$which" || make_environment "$which"
done
