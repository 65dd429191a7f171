# Shared by the scripts; sourced by bash.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

# Tells what goes on.
say() { printf '%s==> %s%s\n' "$bold" "$*" "$plain"; }

# Ends with one clear line.
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# "3 min 12 s" for a number of seconds.
duration() {
    if [ "$1" -ge 60 ]; then echo "$(($1 / 60)) min $(($1 % 60)) s"; else echo "$1 s"; fi
}
