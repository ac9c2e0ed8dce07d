#!/bin/sh
# Verifies the unit files with systemd's own checker, the installed command's path put in for this one's.
set -eu

cd "$(dirname "$0")/.."
if ! command -v systemd-analyze >/dev/null 2>&1; then
    echo "check: systemd-analyze is not installed, the units are not verified"
    exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for unit in systemd/*.service; do
    sed "s|/usr/bin/vfs|$PWD/.venv/bin/vfs|" "$unit" >"$scratch/$(basename "$unit")"
done
# An instance, because a bare template is loaded with its specifiers unresolved.
for unit in "$scratch"/*@.service; do
    ln -s "$unit" "${unit%@.service}@check.service"
    report=$(systemd-analyze verify --man=no --generators=no "${unit%@.service}@check.service" 2>&1) || failed=yes
    # Complaints about units of the machine that this one pulls in are not ours.
    ours=$(printf '%s\n' "$report" | grep -F "$scratch" || true)
    if [ -n "$ours" ] || { [ "${failed:-}" = yes ] && printf '%s' "$report" | grep -q vfs-mount; }; then
        printf '%s\n' "$report" >&2
        exit 1
    fi
done
