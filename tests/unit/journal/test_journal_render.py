from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_world import SECOND, T0, World, a_record
from journal_world import given as as_inputs

from vfs.errors import Refused, UsageError
from vfs.journal.graph import CommitNode, Edge, FilesNode, Graph, RunNode
from vfs.journal.lineage import down, up
from vfs.journal.render import words
from vfs.journal.render.document import document
from vfs.journal.render.formats import FORMATS, render

HOSTILE = [
    b'"; evil [shape=box]; "',
    b"</svg><script>alert(1)</script>",
    b"<B>bold</B> & &amp; \\N \\l",
    b"new\nline\rback\x1b[31mred\x07",
    b"\xff\xfe not utf-8 \x00",
    "русский ümläut 日本 \u202egnp.exe \u2028".encode(),
    b'"]; click n0 "javascript:alert(1)"',
    b"`code` #35; #quot; %% comment",
    b"-->|x| end",
    b"%%{init: {'theme': 'forest'}}%%",
    b"]]> <!-- --> ]()",
    b"back\\slash\\",
    b"C:\\New\\Graph\\Edge",
    b" ",
]


def _run(**changed: object) -> RunNode:
    values: dict[str, object] = {
        "id": "run:out:aa",
        "kind": "run",
        "command": (b"python", b"thumb.py", b"--size", b"200 x 200"),
        "cwd": b"/home/anna",
        "exit_code": 0,
        "started_ns": T0,
        "ended_ns": T0 + 3 * SECOND,
        "user": "anna",
        "host": "host1",
        "version": "0.1.0",
        "level": "open",
        "gaps": 0,
        "processes": 4,
        "reads": 12,
        "outputs": 12,
    }
    return RunNode(**{**values, **changed})


def _graph(names: list[bytes], *, run: RunNode | None = None, text: str = "photos", path: bytes | None = None) -> Graph:
    root = CommitNode("commit:out:aa", "out", b"\xaa" * 32, text, "anna", T0)
    source = CommitNode("commit:in:bb", text, b"\xbb" * 32, text, text, T0)
    lost = CommitNode("commit:lost:cc", "lost", b"\xcc" * 32, problem=text)
    files = FilesNode("files:out:aa:0", "in", b"\xbb" * 32, tuple((name, b"d" * 32) for name in names))
    run = run or _run()
    edges = (
        Edge(run.id, root.id, "made", 1),
        Edge(files.id, run.id, "read", len(names)),
        Edge(source.id, files.id, "holds", len(names)),
        Edge(lost.id, run.id, "given"),
    )
    return Graph("up", root.id, path, (root, run, files, source, lost), edges, (text,))


def _hostile() -> Graph:
    text = b" ".join(HOSTILE).decode("utf-8", "replace")
    run = _run(command=tuple(HOSTILE), user=text, host=text, kind=text, cwd=HOSTILE[4])
    return _graph(HOSTILE, run=run, text=text, path=HOSTILE[1])


def _controls(text: str) -> list[str]:
    return [char for char in text if not char.isprintable() and char != "\n"]


def test_text_is_a_tree_with_the_first_few_files() -> None:
    graph = _graph([b"cat/%05d.jpg" % number for number in range(10_000)], path=b"a/thumb.png")
    lines = render(graph, "text").splitlines()
    when = words.minute(T0)
    assert lines == [
        f"out@aaaaaaaaaaaa:a/thumb.png  {when}  photos",
        "└─ run: python thumb.py --size '200 x 200'",
        f"   │  anna@host1, {when}, 3.0 s, exit 0, 4 processes, 12 files read",
        f"   ├─ read 10,000 files of photos@bbbbbbbbbbbb  {when}  photos",
        "   │       cat/00000.jpg",
        "   │       cat/00001.jpg",
        "   │       cat/00002.jpg",
        "   │       cat/00003.jpg",
        "   │       cat/00004.jpg",
        "   │       … and 9,995 more",
        "   └─ given, and read nothing of, lost@cccccccccccc",
        "         cannot be read: photos",
        "note: photos",
    ]
    full = render(graph, "text", full=True).splitlines()
    assert len(full) == len(lines) + 9_994
    assert not any("more" in line for line in full)


def test_six_files_take_six_lines_rather_than_five_and_one_for_the_last() -> None:
    text = render(_graph([b"%d" % number for number in range(6)]), "text")
    assert "more" not in text and "5\n" in text


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (_run(level="none"), "reads not observed"),
        (_run(kind="put", level="none"), "exit 0\n"),
        (_run(gaps=1200), "1,200 reads lost: the list of files is not complete"),
        (_run(ended_ns=T0 - SECOND), "12:00, exit 0"),
        (_run(ended_ns=T0 + 7_384 * SECOND, exit_code=-9), "2 h 03 min, exit -9"),
        (_run(ended_ns=T0 + 125 * SECOND), "2 min 05 s"),
        (_run(command=(b"\xff", b"it's")), r"""'\xff' 'it'"'"'s'"""),
        (_run(command=()), "run: \n"),
    ],
)
def test_a_run_says_what_is_known_of_it(run: RunNode, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    assert said in render(_graph([b"a"], run=run), "text")


def test_text_of_nothing_says_so(world: World) -> None:
    photos = world.commit("images", {b"a": b"a"})
    assert "nothing is recorded of how it was made" in render(up(world.library, world.resolved(photos)), "text")
    assert "no commit in this store was made from it" in render(down(world.library, world.resolved(photos)), "text")


def test_text_shows_each_node_in_full_once(world: World) -> None:
    top = world.commit("top", {b"x": b"x"}, record=a_record(kind="put", level="none", command=(b"vfs", b"put")))
    left = world.commit("left", {b"l": b"l"}, record=a_record(as_inputs(top), world.read(top, b"x")))
    both = [*world.read(left, b"l"), *world.read(top, b"x", place=1)]
    end = world.commit("end", {b"e": b"e"}, record=a_record(as_inputs(left, top), both))
    text = render(up(world.library, world.resolved(end)), "text")
    assert text.count("put: vfs put") == 1
    assert text.count("(shown above)") == 1
    below = render(down(world.library, world.resolved(top)), "text")
    assert below.count("made end@") == 1
    assert "read by run: python thumb.py  (shown above)" in below


def test_a_deep_chain_can_be_shown() -> None:
    nodes: list[CommitNode | RunNode] = []
    edges = []
    for number in range(3000):
        nodes.append(CommitNode(f"c{number}", "r", number.to_bytes(32), time_ns=T0))
        nodes.append(_run(id=f"r{number}"))
        edges.append(Edge(f"r{number}", f"c{number}", "made"))
        edges.append(Edge(f"c{number + 1}", f"r{number}", "given"))
    graph = Graph("up", "c0", None, tuple(nodes), tuple(edges[:-1]))
    assert render(graph, "text").count("run: ") == 3000


def test_no_control_character_reaches_a_terminal() -> None:
    text = render(_hostile(), "text", full=True)
    assert _controls(text) == []
    assert "\\x1b[31m" in text and "\\n" in text and "\\u202e" in text
    assert len(text.splitlines()) == len(text.split("\n")) - 1


def test_json_is_exact_and_complete() -> None:
    graph = _hostile()
    loaded = json.loads(render(graph, "json"))
    assert loaded == document(graph)
    assert (loaded["format"], loaded["direction"], loaded["root"]) == (1, "up", "commit:out:aa")
    by_type = {node["type"]: node for node in loaded["nodes"]}
    exact = [
        base64.b64decode(item["path_b64"]) if "path_b64" in item else item["path"].encode()
        for item in by_type["files"]["files"]
    ]
    assert exact == HOSTILE
    assert [base64.b64decode(word) for word in by_type["run"]["command_b64"]] == HOSTILE
    assert by_type["run"]["started"] == "2026-03-01T12:00:00.000000000Z"
    assert loaded["edges"][3] == {"source": "commit:lost:cc", "target": "run:out:aa", "role": "given"}
    assert by_type["commit"] == {
        "id": "commit:lost:cc",
        "type": "commit",
        "repo": "lost",
        "commit": "cc" * 32,
        "problem": graph.notes[0],
    }


def test_json_always_names_every_file() -> None:
    graph = _graph([b"%d" % number for number in range(500)])
    (files,) = [node for node in json.loads(render(graph, "json"))["nodes"] if node["type"] == "files"]
    assert files["count"] == len(files["files"]) == 500


@pytest.fixture(scope="module")
def graphviz() -> str:
    found = shutil.which("dot")
    if found is None:
        pytest.skip("graphviz is not installed")
    return found


def test_graphviz_reads_hostile_names_as_text(graphviz: str) -> None:
    dot = render(_hostile(), "dot", full=True)
    assert _controls(dot) == []
    read = subprocess.run([graphviz, "-Tjson0"], input=dot.encode(), capture_output=True, timeout=60)
    assert (read.returncode, read.stderr) == (0, b"")
    drawn = json.loads(read.stdout)
    assert [item["name"] for item in drawn["objects"]] == ["n0", "n1", "n2", "n3", "n4"]
    assert len(drawn["edges"]) == 4


def test_svg_is_a_picture_and_nothing_else(graphviz: str) -> None:
    svg = render(_hostile(), "svg", full=True)
    tree = ElementTree.fromstring(svg)
    tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert tags <= {"svg", "g", "title", "polygon", "path", "text", "a"}
    text = "\n".join("".join(element.itertext()) for element in tree.iter("{http://www.w3.org/2000/svg}text"))
    hints = "".join(
        value for element in tree.iter() for name, value in element.attrib.items() if name.endswith("title")
    )
    for expected in (
        "</svg><script>alert(1)</script>",
        "<B>bold</B> & &amp; \\N \\l",
        "C:\\New\\Graph\\Edge",
        '"; evil [shape=box]; "',
    ):
        assert expected in text.replace("\u00a0", " ")
        assert expected in hints.replace("\u00a0", " ")
    links = [value for element in tree.iter() for name, value in element.attrib.items() if name.endswith("href")]
    assert links == []


def test_without_graphviz_svg_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match=r"graphviz is not installed: .*install the package graphviz"):
        render(_graph([b"a"]), "svg")


def test_a_graphviz_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "dot"
    fake.write_text("#!/bin/sh\necho 'out of \x1bluck' >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(Refused, match=r"ended with status 3: out of \\x1bluck"):
        render(_graph([b"a"]), "svg")


MERMAID_LINE = re.compile(
    r"flowchart TB"
    r"|  n\d+(\(|\(\[|\[)\"[^\"`]*\"(\)|\]\)|\]):::(commit|run|files|lost)"
    r"|  class n\d+ root"
    r"|  n\d+ (-->|-\.->)(\|\"[^\"`]*\"\|)? n\d+"
    r"|  classDef (commit|run|files|lost|root) [-a-z0-9:#,]+"
)


def _check_mermaid(text: str) -> None:
    assert _controls(text) == []
    for line in text.rstrip("\n").split("\n"):
        assert MERMAID_LINE.fullmatch(line), line
        label = line.partition('"')[2].rpartition('"')[0]
        # What is left of markup is ours, and each code is one of ours.
        assert "<" not in re.sub(r"<b>|</b>|<br/>", "", label)
        assert "&" not in label
        assert "%" not in label
        assert "#" not in re.sub(r"#\d+;", "", label)


def test_mermaid_labels_hold_no_syntax() -> None:
    _check_mermaid(render(_hostile(), "mermaid", full=True))
    assert "… and 9 more" in render(_graph([b"%d" % number for number in range(14)]), "mermaid")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(names=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4), text=st.text(max_size=40))
def test_any_names_give_well_formed_output(names: list[bytes], text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    graph = _graph(names, run=_run(command=tuple(names), user=text, host=text), text=text, path=names[0])
    assert _controls(render(graph, "text", full=True)) == []
    json.loads(render(graph, "json"))
    _check_mermaid(render(graph, "mermaid", full=True))
    assert _controls(render(graph, "dot", full=True)) == []


def test_every_format_ends_a_line_and_others_are_refused() -> None:
    for format in FORMATS:
        if format != "svg":
            assert render(_graph([b"a"]), format).endswith("\n")
    with pytest.raises(UsageError, match="lineage format 'pdf': unknown; one of text, json, dot, mermaid, svg"):
        render(_graph([b"a"]), "pdf")
