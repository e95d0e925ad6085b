#!/usr/bin/env bash
# How much of the firmware the committed corpus reaches: replays it on an instrumented build and prints
# regions, lines and branches of each parser, and of each state machine for information. Fails if a parser
# is below 90 % of its regions or branches.
#
# usage: host-sim/fuzz/coverage.sh [--html DIR]
#
# Needs the nightly toolchain (stable does not count branches) with its own LLVM tools.
set -euo pipefail
cd "$(dirname "$0")/../.."

MINIMUM=90
# The parsers: every file that reads octets from a network or from flash. The rest are machines.
PARSERS='^firmware/(wire/src/|proto/src/redial/ledger.rs|runtime/src/ledger.rs|runtime/src/settings/flash.rs|settings/src/(kind|text).rs)'
MACHINES='^firmware/(proto|router|settings)/src/'

sysroot=$(rustc +nightly --print sysroot)
tools=$sysroot/lib/rustlib/$(rustc +nightly -vV | sed -n 's/^host: //p')/bin
if [ ! -x "$tools/llvm-cov" ]; then
    echo "llvm-cov is missing. Type: rustup component add llvm-tools --toolchain nightly" >&2
    exit 2
fi

# A directory of its own: other flags would rebuild everything else each time.
target=${CARGO_TARGET_DIR:-target}/coverage
profiles=$target/profiles
rm -rf "$profiles"
mkdir -p "$profiles"

export CARGO_TARGET_DIR=$target
export RUSTFLAGS='-Cinstrument-coverage -Zcoverage-options=branch'
case $target in /*) absolute=$target ;; *) absolute=$PWD/$target ;; esac
LLVM_PROFILE_FILE=/dev/null cargo +nightly test --package gatelet-fuzz --test replay --no-run --message-format=json \
    > "$target/build.json"
replay=$(sed -n 's/.*"name":"replay".*"executable":"\([^"]*\)".*/\1/p' "$target/build.json" | tail -1)
(cd host-sim/fuzz && LLVM_PROFILE_FILE=$absolute/profiles/replay.profraw "$replay" --quiet > /dev/null)
"$tools/llvm-profdata" merge -sparse "$profiles/replay.profraw" -o "$profiles/replay.profdata"

arguments=("$replay" "-instr-profile=$profiles/replay.profdata" "-ignore-filename-regex=/rustc/|registry|host-sim/")
if [ "${1:-}" = --html ]; then
    "$tools/llvm-cov" show "${arguments[@]}" -format=html -show-branches=count -output-dir="${2:?--html needs a directory}"
fi
"$tools/llvm-cov" export "${arguments[@]}" -summary-only > "$profiles/summary.json"

# One line per file; llvm-cov writes the summary as a single line of JSON.
sed 's/{"filename":/\n&/g' "$profiles/summary.json" | awk -v minimum="$MINIMUM" -v parsers="$PARSERS" -v machines="$MACHINES" '
    function part(kind,   block) {
        match($0, "\"" kind "\":{[^}]*}")
        block = substr($0, RSTART, RLENGTH)
        match(block, /"count":[0-9]+/);   count = substr(block, RSTART + 8, RLENGTH - 8)
        match(block, /"covered":[0-9]+/); covered = substr(block, RSTART + 10, RLENGTH - 10)
        percent = count == 0 ? 100 : 100 * covered / count
        return sprintf("%4d of %4d %6.1f %%", covered, count, percent)
    }
    function heading(what) { printf "%-40s %20s %20s %20s\n", what, "regions", "lines", "branches" }
    /^{"filename":/ {
        name = $0; sub(/^{"filename":"/, "", name); sub(/".*/, "", name)
        if (!match(name, "firmware/")) next
        name = substr(name, RSTART)
        is_parser = name ~ parsers
        if (!is_parser && name !~ machines) next
        regions = part("regions"); low = percent < minimum
        lines = part("lines")
        branches = part("branches"); low = is_parser && (low || percent < minimum)
        row = sprintf("%-40s %20s %20s %20s%s\n", name, regions, lines, branches, low ? "  too low" : "")
        if (is_parser) { parser_rows = parser_rows row; failed += low } else machine_rows = machine_rows row
    }
    END {
        if (parser_rows == "") { print "no parser was measured"; exit 1 }
        heading("parser"); printf "%s\n", parser_rows
        heading("machine (for information)"); printf "%s", machine_rows
        exit failed > 0
    }'
