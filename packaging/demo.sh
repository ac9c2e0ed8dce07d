#!/bin/bash
# The demo: the whole job on real files, in a scratch directory that is gone afterwards. Needs packaging/setup.sh.
# shellcheck disable=SC2016,SC2034 # checks are shell text, evaluated when they are made; so are the names in them
# Not pipefail: a reader that has seen enough ends the writer, as at any prompt.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
# Some kernels give ordinary users no namespaces (Ubuntu 24.04 by AppArmor), which a run needs: then as root, if possible.
if [ "$(id -u)" != 0 ] && ! unshare -rm true 2>/dev/null; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        echo "demo: this machine gives ordinary users no namespaces, which vfs run needs; going on with sudo"
        exec sudo -- "$0" "$@"
    fi
    echo "demo: this machine gives ordinary users no namespaces, which vfs run needs; run make demo as root" >&2
    exit 1
fi
picture=$here/.demo/lineage.svg
scratch=$(mktemp -d "${TMPDIR:-/tmp}/vfs-demo.XXXXXX")
export PATH=$here/.venv/bin:$PATH
for name in ${!VFS_@}; do unset "$name"; done
export VFS_STORE=file://$scratch/store VFS_STATE_DIR=$scratch/state VFS_CACHE_DIR=$scratch/cache
export XDG_CONFIG_HOME=$scratch/config LC_ALL=C.UTF-8
began=$SECONDS
checks=0

if [ -t 1 ]; then bold=$'\033[1m' dim=$'\033[2m' green=$'\033[32m' red=$'\033[31m' plain=$'\033[0m'
else bold='' dim='' green='' red='' plain=''; fi

mounts_left() { awk -v below="$scratch/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | sort -r; }

clean_up() {
    status=$?
    trap - EXIT INT TERM HUP
    cd /
    for point in $(mounts_left); do
        timeout 20 vfs umount "$point" >/dev/null 2>&1 || timeout 5 umount -l "$point" 2>/dev/null ||
            timeout 5 fusermount3 -u -z "$point" 2>/dev/null || true
    done
    # A directory that is still mounted is left alone rather than emptied through the mount.
    [ -n "$(mounts_left)" ] || rm -rf "$scratch"
    [ "$status" = 0 ] || printf '%s\n' "${red}demo: failed (status $status)${plain}" >&2
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

title() { printf '\n%s\n' "${bold}== $*${plain}"; }
say() { printf '%s\n' "${dim}# $*${plain}"; }
# Shows a command as one would type it, then runs exactly that.
run() {
    printf '%s\n' "${bold}\$ $1${plain}"
    eval "$1"
}
check() {
    if eval "$2"; then
        checks=$((checks + 1))
        printf '%s\n' "${green}ok${plain} $1"
    else
        printf '%s\n' "${red}not so: $1${plain}" >&2
        exit 1
    fi
}
# For a command that is to fail: its exit status, in $failed.
run_failing() {
    failed=0
    run "$1" || failed=$?
}

title "1. Real data"
cd "$scratch"
library=$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
packages=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mkdir code
cp -r "$here/.venv/demo/photographs" photographs
cp "$here"/packaging/demo/* code/
say "photographs/  pictures from a microscope, a telescope and a kitchen table"
run 'ls photographs | head -n 5'
say "library/      the Python library of this machine and its packages, thousands of files"
mkdir library
# Linked where the file system and the user allow it: these are only read.
keep() { cp -al "$1/." "$2" 2>/dev/null || { rm -rf "$2" && cp -a "$1/." "$2"; }; }
keep "$library" library/python
keep "$packages" library/packages
run 'find library -type f | wc -l'
say "usr.tar       files of this machine, until there are 210 MB of them"
find /usr/lib /usr/bin /usr/share /usr/include -xdev -type f -readable -size -64M -printf '%s %p\n' 2>/dev/null |
    LC_ALL=C sort -k2 | awk 'sum < 210e6 { sum += $1; print substr($0, length($1) + 2) }' >chosen
tar --create --file usr.tar --files-from chosen 2>/dev/null
run 'ls -lh usr.tar'
check "usr.tar is larger than 200 MB" '[ "$(stat -c %s usr.tar)" -gt 200000000 ]'
(cd library && find . -type f -print0 | sort -z | xargs -0 sha256sum) >library.sha256
sha256sum usr.tar >usr.sha256

title "2. Commit it"
run 'vfs init'
for repo in photographs library archive code; do
    run "vfs repo create $repo"
done
run 'vfs put photographs photographs/ -m "photographs"'
run 'vfs put library library/ -m "the Python library"'
run 'vfs put archive usr.tar -m "files of this machine"'
run 'vfs put code code/ -m "programs of the demo"'
run 'vfs repo list'
run 'vfs du -h -d 1 library'
say "A small change to a large file adds a few chunks to the store, not the file."
before=$(du -sk store | cut -f1)
run 'echo "one more line" >> usr.tar'
run 'vfs put archive usr.tar -m "one more line"'
added=$(($(du -sk store | cut -f1) - before))
check "the second commit added $added KB for a file of $(($(stat -c %s usr.tar) / 1000)) KB" '[ "$added" -lt 9000 ]'
run 'vfs log --oneline archive'

title "3. Mount it and read it with programs that know nothing of vfs"
run 'mkdir mnt mnt/library mnt/archive'
run 'vfs mount library mnt/library'
run 'vfs mount archive~1 mnt/archive'
run 'vfs mounts'
run 'find mnt/library -type f | wc -l'
check "find sees every file" '[ "$(find mnt/library -type f | wc -l)" = "$(find library -type f | wc -l)" ]'
run "find mnt/library/python -name '*.py' -print0 | xargs -0 cat | awk '/^class /{c++} /^def /{d++} END {print c \" classes, \" d \" functions\"}'"
say "library.sha256 and usr.sha256 were taken from the originals before they were committed."
check "every file of the library has its digest" '(cd mnt/library && run "sha256sum --quiet -c ../../library.sha256")'
check "and so has the archive" '(cd mnt/archive && run "sha256sum -c ../../usr.sha256")'
run 'tar --list --file mnt/archive/usr.tar | tail -n 2'
run 'cc -O2 -o census code/census.c && ./census mnt/library && ./census library'
check "a C program that maps files finds the same" '[ "$(./census mnt/library)" = "$(./census library)" ]'
run "python -S -c 'import sys; sys.path[:0] = [\"mnt/library/python\"]; import colorsys; print(colorsys.__file__)'"

title "4. Run programs on it: a compiler, Python, C, awk"
run "vfs run -i code -o tools -m 'build' -- sh -c 'cc -O2 -o /pfs/out/colours /pfs/code/colours.c'"
run "vfs run -i code -i photographs -o thumbnails -m 'thumbnails' -- python /pfs/code/thumbnails.py /pfs/photographs /pfs/out"
run "vfs run -i tools -i thumbnails -o colours -m 'mean colours' -- sh -c '/pfs/tools/colours /pfs/thumbnails/*.ppm > /pfs/out/colours.csv'"
run "vfs run -i code -i colours -o charts -m 'chart' -- sh -c 'awk -f /pfs/code/report.awk /pfs/colours/colours.csv | sort -rn > /pfs/out/light.txt'"
run 'vfs ls -l thumbnails | head -n 4'
run 'vfs cat charts:light.txt | head -n 5'
check "there is a line for each photograph" '[ "$(vfs cat charts:light.txt | wc -l)" = "$(find photographs -type f | wc -l)" ]'
say "A program that fails commits nothing; its exit status is passed on."
run_failing "vfs run -i photographs -o thumbnails -- sh -c 'echo half > /pfs/out/half; exit 7'"
check "exit status 7, and thumbnails has the one commit it had" \
    '[ "$failed" = 7 ] && [ "$(vfs log --json thumbnails | python -c "import json, sys; print(len(json.load(sys.stdin)))")" = 1 ]'

title "5. Ask where a result came from"
run 'vfs lineage charts:light.txt'
run 'vfs lineage --down photographs'
check "the photographs lead on to the chart" 'vfs lineage --down photographs | grep -q charts'
check "the chart leads back to the photographs" 'vfs lineage charts:light.txt | grep -q photographs'
mkdir -p "$here/.demo"
run 'vfs lineage --format svg charts:light.txt > lineage.svg'
check "the picture is a picture" 'grep -q "<svg" lineage.svg'
cp lineage.svg "$picture"
[ -z "${SUDO_UID:-}" ] || chown -R "$SUDO_UID" "$here/.demo"
say "kept as ${picture#"$here"/}"

title "6. Write"
run 'mkdir edit && vfs mount --rw code edit'
run "sed -i 's/#######/=======/g' edit/report.awk && echo 'see report.awk' > edit/NOTES"
run 'vfs status edit'
run 'vfs commit edit -m "another bar"'
run 'vfs diff code~1 code'
check "the first commit is as it was" '! vfs cat code~1:report.awk | grep -q "======="'
check "the new one is not" 'vfs cat code:report.awk | grep -q "======="'

title "7. Verify, unmount"
for revision in photographs library archive thumbnails charts; do
    run "vfs verify $revision"
done
run 'vfs umount edit && vfs umount mnt/archive && vfs umount mnt/library'
check "nothing is left mounted" '[ -z "$(mounts_left)" ]'

printf '\n%s\n' "${bold}demo: $checks checks hold, $((SECONDS - began)) s${plain}"
