"""The control socket: what peers may do to it, and what they may not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from vfs.control.client import Client
from vfs.control.place import Place
from vfs.control.protocol import LINE_MAX, Request
from vfs.errors import Conflict, DaemonError
from vfsd.control import ControlServer


async def echo(request: Request) -> object:
    return {"id": request.id, "lazy": request.lazy}


async def fail(request: Request) -> object:
    raise Conflict("main: moved")


async def break_down(request: Request) -> object:
    raise ZeroDivisionError("a bug")


ACTIONS = {"echo": echo, "stop": echo, "fail": fail, "flush": fail, "status": break_down}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A state directory with a control server that gives peers a second and serves eight of them."""
    place = Place(str(tmp_path))
    server = ControlServer(place.control, ACTIONS, idle_seconds=1.0, connections_max=8)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve)
        yield place
        nursery.cancel_scope.cancel()


async def connect(place: Place) -> trio.SocketStream:
    return await trio.open_unix_socket(place.control)


async def said(stream: trio.SocketStream) -> dict[str, object] | None:
    """The next line from the server; None when it hung up."""
    held = b""
    with trio.fail_after(20):
        while not held.endswith(b"\n"):
            try:
                piece = await stream.receive_some(65536)
            except trio.BrokenResourceError:
                return None
            if not piece:
                return None
            held += piece
    result: dict[str, object] = json.loads(held)
    return result


async def test_requests_are_answered_in_order_on_one_connection(place: Place) -> None:
    async with await connect(place) as stream:
        await stream.send_all(b'{"do":"echo","id":1}\n{"do":"ec')
        assert await said(stream) == {"id": 1, "result": {"id": 1, "lazy": False}}
        await stream.send_all(b'ho","id":2,"lazy":true}\n')
        assert await said(stream) == {"id": 2, "result": {"id": 2, "lazy": True}}


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (b"junk", "daemon", "not understood"),
        (b"", "daemon", "not understood"),
        (b"\xff\x00", "daemon", "not understood"),
        (b"[" * 200_000, "daemon", "not understood"),
        (b'{"do":"echo","v":2}', "daemon", "protocol 2, this daemon speaks 1"),
        (b'{"do":"reboot"}', "daemon", "'reboot': not known"),
        (b'{"do":"fail"}', "conflict", "main: moved"),
    ],
)
async def test_what_cannot_be_done_is_said_and_the_connection_lives(
    place: Place, line: bytes, code: str, message: str
) -> None:
    async with await connect(place) as stream:
        await stream.send_all(line + b"\n")
        answer = await said(stream)
        assert answer is not None and answer["code"] == code and message in str(answer["message"])
        await stream.send_all(b'{"do":"echo"}\n')
        assert (await said(stream) or {})["result"]


@pytest.mark.expects_warnings("a bug")
async def test_a_bug_is_reported_and_ends_nothing(place: Place) -> None:
    async with await connect(place) as stream:
        await stream.send_all(b'{"do":"status"}\n')
        answer = await said(stream)
        assert answer is not None and "bug in the daemon: ZeroDivisionError: a bug" in str(answer["message"])
    await works(place)


async def works(place: Place) -> None:
    """The server answers the real client."""

    def ask() -> None:
        with Client(place, timeout=10) as client:
            client.stop()
            with pytest.raises(Conflict):
                client.flush()

    await trio.to_thread.run_sync(ask)


async def test_a_line_of_a_hundred_megabytes_is_cut_off(place: Place) -> None:
    async with await connect(place) as stream:
        sent = 0
        with pytest.raises(trio.BrokenResourceError):
            for _ in range(100):
                await stream.send_all(b"x" * (1 << 20))
                sent += 1 << 20
        assert sent < 20 * LINE_MAX
    await works(place)


async def test_a_silent_peer_is_hung_up_on(place: Place) -> None:
    async with await connect(place) as stream:
        await stream.send_all(b'{"do":')
        assert await said(stream) is None


async def test_a_thousand_connections_leave_it_alive(place: Place) -> None:
    streams = [await connect(place) for _ in range(400)]
    for stream in streams[:8]:
        await stream.send_all(b'{"do":"echo"}\n')
        assert await said(stream) is not None
    assert await said(streams[-1]) is None
    for stream in streams:
        await stream.aclose()
    for _ in range(600):
        await (await connect(place)).aclose()
    await trio.sleep(0.1)
    await works(place)


async def test_clients_that_die_in_the_middle_of_a_call_leave_it_alive(place: Place) -> None:
    for piece in (b'{"do":"echo"', b'{"do":"echo"}\n' * 1000):
        for _ in range(20):
            stream = await connect(place)
            await stream.send_all(piece)
            await stream.aclose()
    await trio.sleep(0.1)
    await works(place)


async def test_the_socket_is_private(place: Place) -> None:
    assert os.stat(place.control).st_mode & 0o777 == 0o600


@pytest.mark.root
async def test_another_user_is_not_answered(place: Place) -> None:
    for directory in (Path(place.directory), *Path(place.directory).parents[:3]):
        directory.chmod(0o755)
    os.chmod(place.control, 0o666)
    code = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        """s.sendall(b'{"do":"echo"}\\n'); s.settimeout(10); print(s.recv(100))"""
    )
    words = [sys.executable, "-c", code, place.control]

    def run(user: int) -> bytes:
        return subprocess.run(words, user=user, capture_output=True, timeout=20, check=True, cwd="/").stdout

    assert b"result" in await trio.to_thread.run_sync(run, 0)
    try:
        heard = await trio.to_thread.run_sync(run, 65534)
    except subprocess.CalledProcessError as error:
        assert b"Connection reset" in error.stderr or b"Broken pipe" in error.stderr
    else:
        assert heard == b"b''\n"


async def test_a_name_that_is_taken_is_an_error(place: Place) -> None:
    with pytest.raises(DaemonError, match="cannot listen: address already in use"):
        ControlServer(place.control, ACTIONS)
