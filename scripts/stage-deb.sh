#!/bin/sh
# Puts the programs and completions that the package carries beside the desktop app into target/deb,
# where tauri.conf.json looks for them. The bundler calls this after it built the app.
set -eu
cd "$(dirname "$0")/.."

cargo build --release --locked --package stratavore-agent --package stratavore-cli --package stratavore-daemon

built=${CARGO_TARGET_DIR:-target}/release
stage=target/deb
rm -rf "$stage"
mkdir -p "$stage/completions"
for program in stratavore stratavored stratavore-agent; do
    install -m 755 "$built/$program" "$stage/$program"
done
"$stage/stratavore" completions bash >"$stage/completions/stratavore"
"$stage/stratavore" completions zsh >"$stage/completions/_stratavore"
"$stage/stratavore" completions fish >"$stage/completions/stratavore.fish"
