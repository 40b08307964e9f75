#!/bin/sh
# Installs what the browser tests need: Chromium, and playwright-core and axe-core in target/browser. Changes
# nothing when all are installed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=$(cd "$here/../.." && pwd)/target/browser

. "$here/../../scripts/lib.sh"

has chromium || has chromium-browser || has google-chrome || {
    say "installing Chromium"
    install chromium
}
has node || {
    say "installing Node.js"
    install nodejs
}
has npm || install npm

stamp=$(cksum <"$here/package.json")
if [ "$(cat "$folder/complete" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
say "installing playwright-core and axe-core"
mkdir -p "$folder"
cp "$here/package.json" "$folder/package.json"
npm install --prefix "$folder" --silent --no-fund --no-audit --no-package-lock --ignore-scripts ||
    fail "npm could not install $here/package.json: is the network there? (npm's own message is above)"
printf '%s\n' "$stamp" >"$folder/complete"
