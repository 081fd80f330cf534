#!/bin/sh
# Looks into a built package: that all is there, runs, and is declared. `make deb` ends with it.
#
#   packaging/deb/check.sh PACKAGE.deb
set -eu

package=$1
programs='stratavore stratavored stratavore-agent stratavore-desktop'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
dpkg-deb --extract "$package" "$root"

die() {
    printf '%s: %s\n' "$package" "$*" >&2
    exit 1
}

field() { dpkg-deb --field "$package" "$1"; }

holds() { # file
    [ -s "$root/$1" ] || die "$1 is missing or empty"
}

says() { # file pattern
    grep -Eq -e "$2" "$root/$1" || die "$1 does not say $2"
}

for program in $programs; do
    file=$root/usr/bin/$program
    [ -x "$file" ] || die "usr/bin/$program is missing or not executable"
    [ "$("$file" --version)" = "$program $(field Version)" ] || die "$program is not of version $(field Version)"
    if readelf --section-headers --wide "$file" | grep -q '\.symtab'; then die "$program is not stripped"; fi
done

holds usr/share/applications/Stratavore.desktop
says usr/share/applications/Stratavore.desktop '^Exec=stratavore-desktop'
says usr/share/applications/Stratavore.desktop '^Icon=stratavore-desktop$'
if command -v desktop-file-validate >/dev/null; then
    desktop-file-validate "$root/usr/share/applications/Stratavore.desktop" || die 'the desktop entry is not valid'
fi
for size in 32x32 128x128 256x256@2 512x512; do holds "usr/share/icons/hicolor/$size/apps/stratavore-desktop.png"; done
holds usr/share/icons/hicolor/scalable/apps/stratavore-desktop.svg

# Stopping or upgrading the host must end no agent.
unit=usr/lib/systemd/user/stratavored.service
says $unit '^ExecStart=/usr/bin/stratavored$'
says $unit '^KillMode=process$'
for script in prerm postrm preinst; do
    if dpkg-deb --info "$package" $script >/dev/null 2>&1; then die "there is a $script, which could end what runs"; fi
done

for licence in MIT Apache-2.0; do says usr/share/doc/stratavore/copyright "^License: $licence\$"; done
holds usr/share/doc/stratavore/CHANGELOG.md
holds usr/share/bash-completion/completions/stratavore
holds usr/share/zsh/vendor-completions/_stratavore
holds usr/share/fish/vendor_completions.d/stratavore.fish

if dpkg-deb --contents "$package" | awk '$2 != "root/root" && $2 != "0/0" || $1 ~ /^.....w|^........w|s/ { print; bad = 1 } END { exit !bad }'; then
    die 'the files above belong to somebody, or may be written by others'
fi

# Every library that a program is linked to comes with a package that is asked for, and the C library is as old as what
# the programs use of it allows, whatever this machine has. The tray's library is loaded rather than linked to.
depends=$(field Depends)
mkdir "$work/debian"
printf 'Source: stratavore\n\nPackage: stratavore\nArchitecture: any\n' >"$work/debian/control"
linked=$(cd "$work" && dpkg-shlibdeps -O --warnings=0 root/usr/bin/* 2>"$work/said") ||
    die "cannot tell what the programs are linked to: $(cat "$work/said")"
for library in libayatana-appindicator3-1 $(printf '%s' "${linked#*=}" | tr ',' '\n' | sed 's/^ *//; s/ .*//; s/t64$//'); do
    case ", $depends," in
        *", $library,"* | *", $library "*) ;;
        *) die "the programs need $library, which Depends does not name: $depends" ;;
    esac
done
version=$(printf '%s' "$linked" | sed -n 's/.*libc6 (>= \([0-9.]*\)).*/\1/p')
case $depends in
    *"libc6 (>= $version)"*) ;;
    *) die "the programs need libc6 $version; Depends: $depends" ;;
esac

# It works as it is unpacked: a host starts, launches and stops.
export STRATAVORE_DATA_DIR="$work/data" STRATAVORE_RUNTIME_DIR="$work/run" STRATAVORE_CONFIG="$work/stratavore.toml"
stratavore=$root/usr/bin/stratavore
mkdir "$work/project"
{
    "$stratavore" project add api --path "$work/project" &&
        "$stratavore" launch api --name checked --command 'sh -c "echo it runs; cat"' &&
        "$stratavore" wait checked --for running --timeout 30 &&
        "$stratavore" stop checked &&
        "$stratavore" audit verify
} >"$work/said" 2>&1 || {
    "$stratavore" host stop --stop-runners >/dev/null 2>&1 || :
    die "the unpacked programs do not work: $(cat "$work/said")"
}
"$stratavore" host stop >/dev/null 2>&1 || die 'the unpacked host does not end'

printf '%s: complete\n' "$package"
