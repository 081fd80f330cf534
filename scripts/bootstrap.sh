#!/bin/sh
# Installs what Stratavore needs to be built and tested, and nothing that is already there.
#
#   scripts/bootstrap.sh host     the programs without the desktop app
#   scripts/bootstrap.sh build    everything
#   scripts/bootstrap.sh test     everything, and what the tests run
#
# Libraries and tools come from apt-get, with sudo where not root; where that may not be, it lists them and ends with 1.
# Rust and Node are the user's own: their versions are checked, never changed.
set -eu

rust_wanted=1.95
node_wanted=20.19 # what Vite asks for

# name | how to see that it is there: lib <pkg-config module>, cmd <program>, or file <path> for what is on no user's PATH
host_packages='
build-essential              | cmd cc
'
build_packages='
pkg-config                   | cmd pkg-config
libwebkit2gtk-4.1-dev        | lib webkit2gtk-4.1
libayatana-appindicator3-dev | lib ayatana-appindicator3-0.1
'
test_packages='
dbus                         | cmd dbus-daemon
imagemagick                  | cmd import
pgbouncer                    | file /usr/sbin/pgbouncer
postgresql                   | file /usr/lib/postgresql
rabbitmq-server              | file /usr/lib/rabbitmq/bin/rabbitmq-server
shellcheck                   | cmd shellcheck
tmux                         | cmd tmux
webkit2gtk-driver            | cmd WebKitWebDriver
xvfb                         | cmd Xvfb
'
# crate | version and flags, pinned so that the same checks run everywhere; a tool that is already there is used as it is
test_tools='
cargo-deny    | 0.20.2
cargo-nextest | 0.9.143 --no-default-features --features default-no-update
tauri-driver  | 2.1.0
'

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$@"
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# Succeeds if version $1 is $2 or newer; only the first two numbers count.
at_least() {
    [ "${1%%.*}" -gt "${2%%.*}" ] && return
    have=${1#*.} want=${2#*.}
    [ "${1%%.*}" -eq "${2%%.*}" ] && [ "${have%%.*}" -ge "${want%%.*}" ]
}

check_rust() {
    has cargo || die "Rust is not installed. Install it from https://rustup.rs, then run make again."
    rust=$(rustc --version | cut -d ' ' -f 2)
    at_least "$rust" "$rust_wanted" ||
        die "Rust $rust_wanted or newer is needed; found $rust. Run: rustup update stable"
}

check_rust_components() {
    for component in clippy rustfmt; do
        case $component in
            clippy) cargo clippy --version >/dev/null 2>&1 && continue ;;
            rustfmt) cargo fmt --version >/dev/null 2>&1 && continue ;;
        esac
        has rustup || die "$component is not installed. Install it with the Rust toolchain, then run make again."
        rustup component add "$component"
    done
}

check_node() {
    mend="Install it from https://nodejs.org or https://github.com/nodesource/distributions, then run make again."
    has node || die "Node is not installed. $mend"
    node=$(node --version | tr -d v)
    at_least "$node" "$node_wanted" || die "Node $node_wanted or newer is needed; found $node. $mend"
    has npm || die "npm is not installed. $mend"
}

# Prints those of the packages given on stdin that are not there.
missing() {
    while IFS='|' read -r package probe; do
        package=${package%% *}
        [ -n "$package" ] || continue
        # shellcheck disable=SC2086 # two words: kind and name
        set -- $probe
        case $1 in
            cmd) has "$2" ;;
            lib) has pkg-config && pkg-config --exists "$2" ;;
            file) [ -e "$2" ] ;;
        esac || printf '%s ' "$package"
    done
}

# Debian starts a server as soon as it is installed, and at every boot. The tests start their own: none is to run because of
# them. What was installed before is left as it is.
policy=${STRATAVORE_POLICY_RC_D:-/usr/sbin/policy-rc.d}
our_policy=

start_nothing() {
    [ -e "$policy" ] && return
    our_policy=$policy
    trap 'start_as_usual' EXIT
    trap 'exit 1' HUP INT TERM
    # shellcheck disable=SC2016 # the inner shell's own
    $as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >"$1" && chmod 755 "$1"' sh "$policy"
}

start_as_usual() {
    [ -n "$our_policy" ] || return 0
    $as_root rm -f "$our_policy"
    our_policy=
}

# Of the packages given, the servers.
servers() {
    for package in "$@"; do
        case $package in
            pgbouncer | postgresql | rabbitmq-server) printf '%s ' "$package" ;;
        esac
    done
}

install_packages() { # list
    packages=$(printf '%s' "$1" | missing)
    packages=${packages% }
    [ -n "$packages" ] || return 0
    by_hand="Install these packages, then run make again:
  sudo apt-get install $packages"

    has apt-get || die "Missing, and there is no apt-get here (Debian names): $packages"
    if [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif has sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        as_root=sudo
    else
        die "$by_hand"
    fi

    say "Installing with apt-get: $packages"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # words: several names
    servers=$(servers $packages)
    [ -z "$servers" ] || start_nothing
    # shellcheck disable=SC2086 # words: an empty prefix and several names
    {
        $as_root apt-get -q update &&
            $as_root apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $packages
    } >&2 || die "apt-get failed. $by_hand"
    [ -n "$servers" ] || return 0
    start_as_usual
    if has systemctl; then
        # shellcheck disable=SC2086 # words, as above. Where systemd does not run there is nothing to disable.
        $as_root systemctl --quiet disable $servers >&2 || :
    fi
}

# The checks run these for seconds: compiling them fast counts for more than running them fast.
install_tools() { # list
    unset CARGO_TARGET_DIR
    printf '%s' "$1" | while IFS='|' read -r tool version; do
        tool=${tool%% *}
        if [ -z "$tool" ] || has "$tool"; then continue; fi
        say "Installing $tool with cargo"
        # shellcheck disable=SC2086 # words: a version and flags
        CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_DEBUG=0 \
            CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256 \
            cargo install --quiet --locked "$tool" --version $version </dev/null >&2 ||
            die "cargo install $tool failed. Install it by hand, then run make again."
    done
}

case ${1:-} in
    host)
        check_rust
        install_packages "$host_packages"
        ;;
    build)
        check_rust
        check_node
        install_packages "$host_packages$build_packages"
        ;;
    test)
        check_rust
        check_rust_components
        check_node
        install_packages "$host_packages$build_packages$test_packages"
        install_tools "$test_tools"
        ;;
    *) die "usage: scripts/bootstrap.sh host|build|test" ;;
esac
