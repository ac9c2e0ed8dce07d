"""The client: what it makes of daemons that are gone, silent, or talk nonsense."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vfs.control.client import Client
from vfs.control.place import Place, reachable
from vfs.control.protocol import Reply, Request, decode_request, encode_line, error_reply
from vfs.errors import Corrupt, DaemonError

Answer = Callable[[bytes], bytes]


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Callable[[Answer], Place]]:
    """A daemon that answers each line with what the function makes of it."""
    place = Place(str(tmp_path))
    ends: list[socket.socket] = []

    def start(answer: Answer) -> Place:
        server = socket.socket(socket.AF_UNIX)
        with reachable(place.control) as address:
            server.bind(address)
        server.listen()
        ends.append(server)

        def serve() -> None:
            peer, _ = server.accept()
            with peer, peer.makefile("rb") as lines:
                for line in lines:
                    peer.sendall(answer(line))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        return place

    yield start
    for server in ends:
        server.close()


def test_a_daemon_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(DaemonError, match=f"mount {tmp_path.name}: its daemon cannot be reached: no such file"):
        Client(Place(str(tmp_path)))


def test_an_error_comes_back_as_what_it_is(answering: Callable[[Answer], Place]) -> None:
    place = answering(lambda line: encode_line(error_reply(Corrupt("pack: bad"), id=decode_request(line[:-1]).id)))
    with Client(place) as client, pytest.raises(Corrupt, match=r"^pack: bad$"):
        client.flush()


def test_several_calls_share_a_connection(answering: Callable[[Answer], Place]) -> None:
    place = answering(lambda line: encode_line(Reply(id=decode_request(line[:-1]).id)))
    with Client(place) as client:
        client.flush()
        client.stop(lazy=True)
        client.flush()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"junk\n", "not understood"),
        (b'{"v": 2, "id": 1}\n', "speaks protocol 2"),
        (b'{"v": 1, "id": 9}\n', "protocol"),
        (b'{"v": 1, "id": 1, "result": "text"}\n', "not understood"),
    ],
)
def test_nonsense_is_an_error_of_the_daemon(answering: Callable[[Answer], Place], said: bytes, why: str) -> None:
    with Client(answering(lambda _: said)) as client, pytest.raises(DaemonError, match=why):
        client.status()


def test_silence_is_an_error_after_a_while(answering: Callable[[Answer], Place]) -> None:
    with Client(answering(lambda _: b""), timeout=0.2) as client, pytest.raises(DaemonError, match="does not answer"):
        client.status()


def test_requests_of_another_version_are_refused() -> None:
    with pytest.raises(DaemonError, match="protocol 7, this daemon speaks 1"):
        decode_request(encode_line(Request("status", v=7)))
