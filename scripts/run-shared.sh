#!/bin/sh
# Runs two hosts on a private PostgreSQL and RabbitMQ, for a look; started by `make run-shared`, which gives the programs'
# directory and the servers' addresses. Everything is gone when it ends.
set -eu

programs=$1
home=$(mktemp -d "${TMPDIR:-/tmp}/stratavore-shared.XXXXXX")
hosts=''

clean() {
    # Whoever is impatient would leave runners behind, whose directories are gone.
    trap - EXIT
    trap '' INT TERM HUP
    for node in attic cellar; do
        eval "$(place "$node")"
        "$programs/stratavore" --no-start host stop --stop-runners >/dev/null 2>&1 || true
    done
    for host in $hosts; do
        kill "$host" 2>/dev/null || true
    done
    wait
    rm -rf "$home"
}

# Writes what makes the programs use a node's directories.
place() {
    printf 'export STRATAVORE_DATA_DIR=%s STRATAVORE_RUNTIME_DIR=%s STRATAVORE_CONFIG=%s\n' \
        "$home/$1/data" "$home/$1/run" "$home/$1/stratavore.toml"
}

trap clean EXIT
trap 'exit 130' INT TERM HUP

for node in attic cellar; do
    mkdir -p "$home/$node"
    (
        umask 077
        printf '[store]\nurl = "%s"\n[broker]\nurl = "%s"\n[node]\nname = "%s"\n' \
            "$STRATAVORE_TEST_POSTGRES_URL" "$STRATAVORE_TEST_AMQP_URL" "$node" >"$home/$node/stratavore.toml"
    )
    eval "$(place "$node")"
    : >"$home/$node/log"
    "$programs/stratavored" 2>>"$home/$node/log" &
    hosts="$hosts $!"
    until grep -q ready "$home/$node/log"; do
        kill -0 $! 2>/dev/null || {
            cat "$home/$node/log" >&2
            exit 1
        }
        sleep 0.1
    done
done

mkdir "$home/project"
"$programs/stratavore" project add demo --path "$home/project"
"$programs/stratavore" launch demo --name here --command 'sh -c "date; exec cat"' >/dev/null
"$programs/stratavore" launch demo --name there --node attic --command 'sh -c "date; exec cat"' >/dev/null
"$programs/stratavore" node list
"$programs/stratavore" runners
cat <<TEXT

Two hosts, attic and cellar, share a PostgreSQL and a RabbitMQ. In another shell, as cellar:

  $(place cellar)
  $programs/stratavore runners

Or open the window there: $programs/stratavore-desktop. Enter (or ctrl-C) ends all of it.
TEXT
read -r _ || true
