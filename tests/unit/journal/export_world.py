"""A store whose lineage has everything that exports speak of, and names that no format likes."""

from __future__ import annotations

import msgspec
from journal_world import SECOND, T0, World, a_process, a_record
from journal_world import given as as_inputs

from vfs.journal.graph import Graph
from vfs.journal.lineage import up
from vfs.model.commit import StoredCommit
from vfs.model.record import Code, Output, Outside, Read, RunRecord

HOSTILE = (
    b"</script><script>alert(1)</script>.html",
    b"\"><img src=x onerror=alert(1)> ' & &amp; .png",
    b"new\nline\x1b[31m.txt",
    b"\xff\xfe not utf-8.bin",
    "русский ümläut 日本 \u202egnp.exe".encode(),
    b"a:b@c%2F%00 #frag?query (1) [2] {3} `4` \\5 ^6 |7 ;8=9,10",
    b"vfs:x prov:y _:z",
)
PARENT = "airflow/dag.task/01890A5D-ac96-774b-bcce-b302099a8057"
MADE = 80


class Exported:
    """images (put, changed by another put) and code (put) -> thumbs -> report."""

    def __init__(self, world: World) -> None:
        photos = {b"cat/%04d.jpg" % number: b"%d" % number for number in range(MADE)}
        photos |= {name: name for name in HOSTILE}
        put = a_record(kind="put", level="none", command=(b"vfs", b"put", b"images", b"photos/"))
        self.world = world
        self.first = world.commit("images", photos, message="add photos", record=put)
        self.images = world.commit("images", {b"dog.jpg": b"d"}, message="a dog", record=put)
        self.code = world.commit("code", {b"thumb.py": b"print()"}, message="thumbnailer", record=put)
        self.thumbs = self._thumbs()
        self.report = self._report()

    def _thumbs(self) -> StoredCommit:
        inputs = as_inputs(self.images, self.code)
        names = [*HOSTILE, *(b"cat/%04d.jpg" % number for number in range(MADE))]
        reads = self.world.read(self.images, *names) + self.world.read(self.code, b"thumb.py", place=1)
        made = tuple(Output(b"small/%04d.png" % number, bytes([number]) * 32, 1, 5) for number in range(MADE))
        record = full_record(a_record(inputs, reads, command=(b"python", b"thumb.py", *HOSTILE), outputs=made))
        files = {b"small/%04d.png" % number: b"p%d" % number for number in range(MADE)}
        return self.world.commit("thumbs", files, message="thumbs\nsecond line", record=record, inputs=inputs)

    def _report(self) -> StoredCommit:
        inputs = as_inputs(self.thumbs)
        reads = self.world.read(self.thumbs, b"small/0001.png", b"small/0002.png")
        made = (Output(b"index.html", b"\x01" * 32),)
        record = a_record(inputs, reads, command=(b"sh", b"-c", b"montage > index.html"), outputs=made)
        return self.world.commit("report", {b"index.html": b"<p>"}, message="sheet", record=record, inputs=inputs)

    def up(self) -> Graph:
        """The lineage of the report."""
        return up(self.world.library, self.world.resolved(self.report))


def full_record(record: RunRecord) -> RunRecord:
    """A record with all that a run can say."""
    children = (
        a_process(1, argv=record.command, exe_digest=b"\x12" * 32, ended_ns=T0 + SECOND),
        a_process(2, parent=1, argv=(b"sh", b"-c", b"echo <b>bold</b>")),
    )
    return msgspec.structs.replace(
        record,
        user="anna <script>",
        processes=children,
        environment=(("LANG", "C.UTF-8"), ("OPENLINEAGE_PARENT_ID", PARENT), ("PATH", "/usr/bin:/bin")),
        code=(
            Code("cwd", b"/home/anna/work", b"", b"/home/anna/work", "cd" * 20, "main", True),
            Code("script", b"/home/anna/work/thumb.py", b"\x33" * 32, b"/home/anna/work", "ab" * 20, "main", True),
        ),
        image="ghcr.io/anna/thumbs:1.2",
        listed=(Read(1, 0, b"cat", b"", 3),),
        absent=(Read(1, 0, b"cat/9999.jpg", b"", 4),),
        outside=(Outside(1, b"/etc/<b>.cnf"),),
    )


def without_controls(text: str) -> str:
    """The characters of a text that could steer a terminal or turn the direction of writing."""
    return "".join(letter for letter in text if not letter.isprintable() and letter != "\n")
