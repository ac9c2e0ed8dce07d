"""The shim finds its place under every name by which libfuse makes a session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vfsd.shim import PATH

# A library that makes sessions as some version of libfuse does, and asks the table it was given to read.
LIBRARY = """
#define FUSE_USE_VERSION 32
#include <fuse_lowlevel.h>
#include <stdio.h>
void fuse_req_interrupt_func(fuse_req_t req, fuse_interrupt_func_t f, void *data) {}
struct fuse_session *made(struct fuse_args *args, const struct fuse_lowlevel_ops *ops, size_t size
#if VERSIONED
    , void *version
#endif
    , void *userdata) __asm__(NAME);
struct fuse_session *made(struct fuse_args *args, const struct fuse_lowlevel_ops *ops, size_t size
#if VERSIONED
    , void *version
#endif
    , void *userdata)
{
    struct fuse_file_info none = {0}, given = {.fh = 7};
#if VERSIONED
    printf("version %d ", *(int *)version);
#endif
    ops->read(0, 42, 1, 0, &none);
    ops->read(0, 42, 1, 0, &given);
    printf("userdata %d\\n", *(int *)userdata);
    return 0;
}
"""
PROGRAM = """
#define FUSE_USE_VERSION 32
#include <fuse_lowlevel.h>
#include <stdio.h>
extern void *make(struct fuse_args *, const struct fuse_lowlevel_ops *, size_t
#if VERSIONED
    , void *
#endif
    , void *) __asm__(NAME);
static void reads(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    printf("fh %d ", (int)fi->fh);
}
int main(void)
{
    struct fuse_lowlevel_ops ops = {.read = reads};
    int version = 3, userdata = 5;
    (void)version;
    make(0, &ops, sizeof ops
#if VERSIONED
        , &version
#endif
        , &userdata);
    return 0;
}
"""


def compiled(directory: Path, name: str, source: str, *flags: str) -> Path:
    """Compile a C source; fails the test when it does not."""
    (directory / f"{name}.c").write_text(source)
    headers = subprocess.run(["pkg-config", "--cflags", "fuse3"], capture_output=True, text=True, check=True)
    command = ["cc", "-w", f"{name}.c", "-o", name, *headers.stdout.split(), *flags]
    subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=60)
    return directory / name


@pytest.mark.skipif(not PATH.exists(), reason="the shim is not compiled: no compiler or headers at installation")
@pytest.mark.parametrize(
    ("name", "versioned"),
    [("fuse_session_new", False), ("fuse_session_new_versioned", True), ("_fuse_session_new", True)],
)
def test_a_session_made_under_any_name_goes_through_the_shim(tmp_path: Path, name: str, versioned: bool) -> None:
    """Up to libfuse 3.16 the first, from 3.17 on one of the others."""
    defines = (f'-DNAME="{name}"', f"-DVERSIONED={int(versioned)}")
    compiled(tmp_path, "libsession.so", LIBRARY, "-shared", "-fPIC", *defines)
    program = compiled(tmp_path, "program", PROGRAM, *defines, "-L.", "-lsession", f"-Wl,-rpath,{tmp_path}")
    with_shim = subprocess.run(
        [program], env={"LD_PRELOAD": str(PATH)}, capture_output=True, text=True, check=True, timeout=20
    )
    shown = "version 3 " if versioned else ""
    assert with_shim.stdout == f"{shown}fh 42 fh 7 userdata 5\n"
    without = subprocess.run([program], capture_output=True, text=True, check=True, timeout=20)
    assert without.stdout == f"{shown}fh 0 fh 7 userdata 5\n"


def test_the_daemon_without_the_shim_says_why() -> None:
    code = "from vfsd.shim import SHIM; print(SHIM.missing, SHIM.request())"
    off = subprocess.run(
        [sys.executable, "-c", code], env={"VFSD_SHIM": "0"}, capture_output=True, text=True, check=True, timeout=30
    )
    assert off.stdout == "VFSD_SHIM is 0 0\n"
