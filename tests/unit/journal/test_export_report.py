"""The audit report as a document: complete, escaped, self-contained, in order."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from export_world import HOSTILE, MADE, Exported, without_controls
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_world import T0, World, a_record
from journal_world import given as as_inputs

from vfs.journal.blame import blame
from vfs.journal.graph import CommitNode, FilesNode, Graph
from vfs.journal.impact import impact
from vfs.journal.lineage import down, up
from vfs.journal.render.about import About
from vfs.journal.render.formats import render
from vfs.journal.render.markup import el
from vfs.model.names import printable
from vfs.model.record import RunRecord

EMPTY = {"meta", "polygon", "path", "ellipse", "polyline"}
PAGE = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "h1", "h2", "h3"),
    *("p", "ul", "li", "dl", "dt", "dd", "div", "span", "strong", "code", "pre"),
}
TABLE = {"table", "caption", "thead", "tbody", "tr", "th", "td"}
PICTURE = {"svg", "g", "a", "title", "polygon", "path", "text"}


class Page(HTMLParser):
    """What a page holds: its tags and attributes, its text by tag; elements that are not closed fail at once."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((tag, name, value or "") for name, value in attrs)
        if tag not in EMPTY or tag == "path":
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((tag, name, value or "") for name, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, (tag, self.open)

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def text(self) -> str:
        return self.texts["body"][0]

    def values(self, name: str) -> list[str]:
        return [value for _, key, value in self.attributes if key == name]


@pytest.fixture
def exported(world: World) -> Exported:
    return Exported(world)


def report(graph: Graph, *, full: bool = False, about: About | None = None) -> str:
    return render(graph, "html", full=full, about=about or About("s3://bucket/data"))


def check(text: str) -> Page:
    """The rules that every page keeps."""
    page = Page(text)
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert set(page.tags) <= PAGE | TABLE | PICTURE
    names = {name for _, name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on") or name in ("style", "src", "href", "xlink:href")}
    assert without_controls(text) == ""
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert set(page.values("aria-labelledby")) <= set(ids)
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.tags.count("table") == page.tags.count("caption") == page.tags.count("thead")
    assert set(page.values("scope")) <= {"row", "col"}
    check_policy(page)
    return page


def check_policy(page: Page) -> None:
    policy = next(
        value for tag, name, value in page.attributes if (tag, name) == ("meta", "content") and "src" in value
    )
    (style,) = page.texts["style"]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style and "@import" not in style


def test_a_page_answers_the_questions_of_an_auditor(exported: Exported) -> None:
    page = check(report(exported.up(), about=About("s3://bucket/data", signatures=("Signed by key 77 (Anna).",))))
    assert page.texts["h2"] == [
        *("At a glance", "Known gaps", "The picture", "Step by step, the nearest first", "How to verify"),
        *("Signatures", "Words on this page"),
    ]
    text = page.text()
    assert "It was made on 1 March 2026, 12:00:03 UTC by anna, on the computer host1, with the program sh" in text
    assert "from 2 files of “thumbs”" in text
    for said in (
        exported.report.id.hex(),
        "s3://bucket/data",
        "git commit " + "ab" * 20 + " on branch main, with changes that were not committed",
        "ghcr.io/anna/thumbs:1.2",
        "Signed by key 77 (Anna).",
        f"vfs verify report@{exported.report.id.hex()}",
        f"vfs rerun report@{exported.report.id.hex()} --verify",
        "It listed 1 directory (cat) of images",
        "It looked for 1 name (cat/9999.jpg) that images",
        "/etc/<b>.cnf",
        "LANG=C.UTF-8",
        "echo <b>bold</b>",
    ):
        assert said in text, said


def test_every_hostile_name_is_shown_as_text(exported: Exported) -> None:
    page = check(report(exported.up(), full=True))
    for name in HOSTILE:
        assert printable(name) in page.texts["main"][0]


@given(name=st.binary(min_size=1, max_size=40), text=st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_no_name_becomes_markup(name: bytes, text: str) -> None:
    root = CommitNode("commit:out:aa", text, b"\xaa" * 32, text, text, T0, problem=text, refs=(text,))
    files = FilesNode("files:out:aa:0", "in", b"\xbb" * 32, ((name, b"d" * 32),), (name,), (name,))
    page = check(re.sub(r"(?s)<svg.*</svg>", "", report(Graph("up", root.id, name, (root, files), (), (text,)))))
    assert page.texts["title"][0].endswith(f":{printable(name)}: audit report")


def test_an_element_escapes_what_it_is_given() -> None:
    assert el("p", "<b>", b"\xff\"'", class_='"x') == '<p class="&quot;x">&lt;b&gt;\\xff&quot;&#x27;</p>'


def test_the_page_is_the_same_in_every_time_zone(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = set()
    for zone in ("UTC", "Asia/Tokyo", "America/Lima"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        pages.add(report(exported.up()))
    monkeypatch.undo()
    time.tzset()
    assert len(pages) == 1


def test_without_graphviz_the_picture_is_told(
    exported: Exported, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    page = check(report(exported.up()))
    assert "svg" not in page.tags
    assert "graphviz, which draws the picture, was not there" in page.text()
    (told,) = page.texts["pre"]
    assert "└─ run: sh -c 'montage > index.html'" in told and "put: vfs put images photos/" in told


def test_a_graphviz_that_fails_is_told(exported: Exported, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dot").write_text("#!/bin/sh\necho '<b>no' >&2\nexit 3\n")
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    page = check(report(exported.up()))
    assert "The picture could not be drawn" in page.text() and "<b>no" in page.text()
    assert page.texts["pre"]


def test_with_graphviz_it_is_drawn_in_the_page(exported: Exported) -> None:
    page = check(report(exported.up()))
    assert page.tags.count("svg") == 1 and "img" in page.values("role")
    drawn = page.texts["svg"][0].replace("\u00a0", " ")
    assert f"report@{exported.report.id.hex()[:12]}" in drawn and "montage > index.html" in drawn


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"level": "none"}, "which files it read was not observed"),
        (
            {"gaps": 7, "reasons": (("queue ran over", 7),)},
            "7 observations lost: queue ran over (7); it may have read more",
        ),
        ({"exit_code": 3}, "its program reported a failure (status 3)"),
    ],
)
def test_what_is_not_known_is_said(world: World, changed: dict[str, object], said: str) -> None:
    source = world.commit("in", {b"a": b"a"}, record=a_record(kind="put", level="none"))
    record = msgspec.structs.replace(a_record(as_inputs(source), world.read(source, b"a")), **changed)
    made = world.commit("out", {b"x": b"x"}, record=record, inputs=as_inputs(source))
    text = check(report(up(world.library, world.resolved(made)))).text()
    assert said in text and "This record is not complete." in text


def test_a_record_without_gaps_says_so(world: World) -> None:
    source = world.commit("in", {b"a": b"a"}, record=a_record(kind="put", level="none", command=(b"vfs", b"put")))
    record = a_record(as_inputs(source), world.read(source, b"a"))
    made = world.commit("out", {b"x": b"x"}, record=record, inputs=as_inputs(source))
    text = check(report(up(world.library, world.resolved(made)))).text()
    assert "No gap is known." in text and "not complete" not in text
    assert "Where they were before is not recorded." in text
    assert "Signatures were not looked for" in text


def test_lost_and_unrecorded_commits_are_gaps(exported: Exported) -> None:
    world = exported.world
    bare = world.commit("bare", {b"a": b"a"})
    text = check(report(up(world.library, world.resolved(bare)), about=About(signatures=()))).text()
    assert "nothing is recorded of how it was made" in text and "carries no signature" in text
    world.damage(f"repos/images/commits/{exported.images.id.hex()}")
    with world.reopened() as again:
        text = check(report(up(again.library, again.resolved(exported.report)))).text()
    assert "cannot be read, so what it came from is not known" in text


def test_downwards_lists_what_was_made(exported: Exported) -> None:
    world = exported.world
    page = check(report(down(world.library, world.resolved(exported.images))))
    assert "What was made from it" in page.texts["h2"]
    assert any(caption.startswith("Made from it in thumbs@") for caption in page.texts["caption"])
    assert {"thumbs@" + exported.thumbs.id.hex()[:12], "report@" + exported.report.id.hex()[:12]} <= set(
        page.texts["code"]
    )


def test_one_file_says_how_to_check_it(exported: Exported) -> None:
    graph = up(exported.world.library, exported.world.resolved(exported.thumbs, b"small/0003.png"))
    said = check(report(graph)).text()
    for command in ("vfs cat {} | b3sum", "vfs lineage {} --format json"):
        assert command.format(f"thumbs@{exported.thumbs.id.hex()}:small/0003.png") in said


def test_the_same_question_is_what_to_type(exported: Exported) -> None:
    library, resolved = exported.world.library, exported.world.resolved
    first = f"images@{exported.first.id.hex()}"
    assert f"vfs lineage --down {first} --format json" in check(report(down(library, resolved(exported.first)))).text()
    asked = impact(library, resolved(exported.first, b"cat/0001.jpg"))
    assert f"vfs impact {first}:cat/0001.jpg --format json" in check(report(asked)).text()
    # A name that is not UTF-8 cannot be typed as it is shown.
    hidden = check(report(impact(library, resolved(exported.first, HOSTILE[3])))).text()
    assert "vfs impact" not in hidden and "vfs cat" not in hidden and "vfs verify" in hidden


def test_versions_say_in_which_order_they_are(exported: Exported) -> None:
    library, resolved = exported.world.library, exported.world.resolved
    for path, order in ((b"cat/0001.jpg", "The newest first"), (b"cat", "By name")):
        page = check(report(blame(library, resolved(exported.images, path))))
        assert order in page.texts["caption"]


def test_long_lists_are_cut_and_counted(exported: Exported) -> None:
    some, every = check(report(exported.up())), check(report(exported.up(), full=True))
    assert f"… and {MADE + len(HOSTILE) - 50} more; the complete list is in the JSON form" in some.text()
    assert "more; the complete list" not in every.text()
    assert every.tags.count("tr") > some.tags.count("tr") + MADE - 50


def test_a_page_of_many_reads_stays_small(world: World) -> None:
    count = 20_000
    source = world.commit("in", {b"d/%06d" % number: b"x" for number in range(count)})
    reads = world.read(source, *(b"d/%06d" % number for number in range(count)))
    inputs = as_inputs(source)
    made = world.commit("out", {b"x": b"x"}, record=a_record(inputs, reads), inputs=inputs)
    text = report(up(world.library, world.resolved(made)))
    assert len(text) < 40_000
    assert "20,000 files of “in”" in check(text).text()


def test_a_long_history_is_cut_and_counted(world: World) -> None:
    stored = world.commit("step", {b"a": b"0"}, record=a_record(kind="put", level="none"))
    for number in range(1, 60):
        record: RunRecord = a_record(as_inputs(stored), world.read(stored, b"a"))
        stored = world.commit("step", {b"a": b"%d" % number}, record=record, inputs=as_inputs(stored), replace=True)
    text = check(report(up(world.library, world.resolved(stored)))).text()
    assert "20 runs further away are left out here" in text
    assert "Shown are the 60 boxes nearest to this version; " in text
