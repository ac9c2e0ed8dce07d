"""What a runner and the process that enters its namespace say to each other, and what happens when either is gone."""

from __future__ import annotations

import os

from vfs.run.conversation import READY, Conversation, is_ready, say, told_to_go


def other_end(talk: Conversation) -> int:
    fd = os.dup(talk.theirs)
    talk.begun()
    return fd


def test_the_process_waits_to_be_told() -> None:
    with Conversation() as talk:
        fd = other_end(talk)
        say(fd, READY)
        assert is_ready(talk.hear())
        talk.go()
        assert told_to_go(fd)
        say(fd, {"code": 0, "leftovers": 2})
        said = talk.hear()
        assert said == b'{"code": 0, "leftovers": 2}' and not is_ready(said)
    assert not told_to_go(fd)
    os.close(fd)


def test_a_runner_that_is_gone_is_nobody_to_wait_for() -> None:
    with Conversation() as talk:
        fd = other_end(talk)
    say(fd, READY)
    assert not told_to_go(fd)
    os.close(fd)


def test_a_runner_that_hangs_up_on_what_was_said_is_gone_as_well() -> None:
    with Conversation() as talk:
        fd = other_end(talk)
        say(fd, READY)
    assert not told_to_go(fd)
    os.close(fd)


def test_a_process_that_ended_has_said_nothing() -> None:
    with Conversation() as talk:
        os.close(other_end(talk))
        assert talk.hear() == b""
        talk.go()
    with Conversation() as talk:
        fd = other_end(talk)
        talk.go()
        os.close(fd)
        assert talk.hear() == b""
