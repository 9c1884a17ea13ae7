#!/usr/bin/env bash
# What deny.toml says of licences, banned crates and sources, checked with nothing but cargo: .ci/licences.sh
# cargo-deny knows more (texts of licences, duplicates), and `.ci/run` asks it too where it is installed.
set -u
cd "$(dirname "$0")/.." || exit 1
wrong=0

blame() {
    echo "$*"
    wrong=1
}

# Each licence of the list, with _ in place of spaces.
declare -A allowed
while IFS= read -r licence; do allowed[${licence// /_}]=1; done < \
    <(sed -n '/^allow = \[/,/^\]/s/^ *"\(.*\)",$/\1/p' deny.toml)
[ ${#allowed[@]} -gt 0 ] || blame 'deny.toml allows no licence'

# permitted EXPRESSION: whether the allowed licences satisfy an SPDX expression.
permitted() {
    local word told='' expression=${1//\// OR }
    expression=${expression// WITH /_WITH_}
    expression=${expression//(/ ( }
    expression=${expression//)/ ) }
    set -f
    for word in $expression; do
        case $word in
        AND) told+=' && ' ;;
        OR) told+=' || ' ;;
        '(' | ')') told+=$word ;;
        *) told+=${allowed[$word]:-0} ;;
        esac
    done
    set +f
    [ -n "$told" ] && ((told))
}

tree() {
    cargo tree --locked --workspace --all-features -e normal,build,dev --prefix none "$@"
}

# The systems of deny.toml.
systems=()
while IFS= read -r system; do systems+=(--target "$system"); done < \
    <(sed -n '/^targets = \[/,/^\]/s/^ *"\(.*\)",$/\1/p' deny.toml)
crates=$(tree "${systems[@]}" -f '{p}|{l}') || exit 1
crates=$(sed 's/ (\*)$//; s/^\([^ |]* v[^ |]*\)[^|]*/\1/' <<<"$crates" | grep . | sort -u)
[ -n "$crates" ] || blame 'no crates at all'

while IFS='|' read -r crate licence; do
    permitted "$licence" || blame "$crate: the licence \"$licence\" is not allowed"
done <<<"$crates"

while IFS= read -r name; do
    grep -E "^$name v" <<<"$crates" && blame "$name is banned"
done < <(sed -n 's/.*{ crate = "\([^"]*\)".*/\1/p' deny.toml)

while read -r name bound; do
    while read -r _ version; do
        [ "$(printf '%s\n' "${version#v}" "$bound" | sort -V | head -n 1)" = "$bound" ] ||
            blame "$name $version is banned: older than $bound"
    done < <(grep -E "^$name v" <<<"$crates" | cut -d'|' -f1)
done < <(sed -n 's/.*{ name = "\([^"]*\)", version = "<\([^"]*\)".*/\1 \2/p' deny.toml)

sources=$(sed -n 's/^source = "\(.*\)"$/\1/p' Cargo.lock | grep . | sort -u)
[ "$sources" = 'registry+https://github.com/rust-lang/crates.io-index' ] || blame "other sources: $sources"

[ $wrong = 0 ] && echo "$(wc -l <<<"$crates") crates"
exit $wrong
