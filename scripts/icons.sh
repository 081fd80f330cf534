#!/bin/sh
# Renders every icon from its SVG source. Needs rsvg-convert (Debian: librsvg2-bin).
# The PNGs are committed, so only a change of the drawings calls for this.
set -eu
cd "$(dirname "$0")/../icons"

sheet=$(mktemp)
trap 'rm -f "$sheet"' EXIT

app() { # file size
    rsvg-convert --width "$2" --height "$2" --output "$1" stratavore.svg
}
app 32x32.png 32
app 128x128.png 128
app 128x128@2x.png 256
app icon.png 512

# The mark is one colour; a state is what lies in its bite, told by shape first and colour second.
look() { # state ink amber red
    play=none dot=none cross=none
    case $1 in
        quiet) ;;
        running) play=inline ;;
        problem) cross=inline ;;
        needs-you) dot=inline ;;
    esac
    cat <<CSS
.strata { fill: $2 }
.play { fill: $2; stroke: $2; display: $play }
.dot { fill: $3; display: $dot }
.cross { stroke: $4; display: $cross }
CSS
}

tray() { # state panel source size [margin]
    rsvg-convert --stylesheet "$sheet" --width "$(($4 - 2 * ${5:-0}))" --height "$(($4 - 2 * ${5:-0}))" \
        --page-width "$4" --page-height "$4" --left "${5:-0}" --top "${5:-0}" \
        --output "tray/$1-$2-$4.png" "tray/$3.svg"
}

# -dark is for dark panels, -light for light ones. 24 px is the 22 px drawing with a margin, as panels expect.
for state in quiet running problem needs-you; do
    for panel in dark light; do
        case $panel in
            dark) look "$state" '#f2f4f8' '#ffb454' '#ff7b72' ;;
            light) look "$state" '#1d2129' '#b45f06' '#c62828' ;;
        esac >"$sheet"
        tray "$state" "$panel" tray-16 16
        tray "$state" "$panel" tray-22 22
        tray "$state" "$panel" tray-22 24 1
        tray "$state" "$panel" tray-16 32
        tray "$state" "$panel" tray-22 44
    done
done
