"""Which values of a command line are never written down, and which stay."""

from __future__ import annotations

import shlex

import pytest

from vfs.journal.masking import is_masked, looks_secret, masked, masked_text

SECRET = "hunter2-s3cr3t"


@pytest.mark.parametrize(
    "line",
    [
        f"tool --password {SECRET}",
        f"tool --password={SECRET}",
        f"tool --db-password '{SECRET} with blanks'",
        f"tool '--password={SECRET} with blanks; and = more'",
        f"tool --api-key={SECRET}",
        f"tool --apikey {SECRET}",
        f"tool --apiKey {SECRET}",
        f"tool -token {SECRET}",
        f"tool --auth-token={SECRET}",
        f"tool --secret {SECRET}",
        f"tool --passphrase {SECRET}",
        f"tool --aws-secret-access-key {SECRET}",
        f"tool --client-secret '-{SECRET}'",
        f"tool --private_key={SECRET}",
        f"env TOKEN={SECRET} tool",
        f"env GITHUB_TOKEN={SECRET} tool",
        f"env 'PASSWORD={SECRET} two words' tool",
        f"env PGPASSWORD={SECRET} psql",
        f"env MY_KEY={SECRET} tool",
        f"sh -c 'TOKEN={SECRET} tool --verbose'",
        f"""sh -c 'PASSWORD="{SECRET} x" tool'""",
        f"""sh -ec "PASSWORD='{SECRET} x' tool" """,
        f"""bash -c "tool --password {SECRET} > /pfs/out/a" """,
        f"""bash -c "export A=1; tool --password={SECRET}" """,
        f"""bash -c "a; b --token '{SECRET}'; c" """,
        f"""python -c 'password = "{SECRET}"; print(1)' """,
        f"""tool --config '{{"user": "x", "api_token": "{SECRET}"}}' """,
        f"curl https://anna:{SECRET}@example.org/x",
        f"curl https://{SECRET}@example.org/x",
        f"pg_dump postgresql://anna:{SECRET}@db/shop",
        f"curl 'https://example.org/x?user=1&access_token={SECRET}&b=2'",
        f"curl 'https://example.org/x?sig={SECRET}'",
        f"curl -H 'Authorization: Bearer {SECRET}' x",
        f"curl -H 'X-Api-Key: {SECRET}' x",
        f"curl -H 'Cookie: id={SECRET}; b={SECRET}' x",
        f"sh -c 'curl -H \"Authorization: Bearer {SECRET}\" x'",
        f"""sh -c "curl -H 'Cookie: a={SECRET}; b={SECRET}' x" """,
        f"""sh -c "env 'PASSWORD=a {SECRET}' tool" """,
        f"""sh -c "env 'PASSWORD=a {SECRET}" """,
        f"curl '-HAuthorization: Bearer {SECRET}' x",
        f"""python -c 'os.environ["API_KEY"] = "{SECRET}"; print(1)' """,
        f"""node -e 'process.env["API_KEY"]="{SECRET}"' """,
        f"tool --set db.password={SECRET}",
        f"tool --conf=spark.password={SECRET}",
    ],
)
def test_value_of_a_secret_name_is_masked(line: str) -> None:
    words = [word.encode() for word in shlex.split(line)]
    found = masked(words)
    assert SECRET.encode() not in b"\0".join(found)
    assert len(found) == len(words) and is_masked(found)
    # A record is masked when it is made, and what reads it may mask it again.
    assert masked(found) == found


@pytest.mark.parametrize(
    "line",
    [
        "sort --key=2 -k 3 /pfs/a/keys.txt",
        "python train.py --tokenizer bert --max-tokens 512 --tokens x",
        "tool --password-file /run/secrets/x --token-file=/y",
        "python -c 'Popen(words, pass_fds=[3])'",
        "tool --password --user anna",
        "tool --no-password x",
        "tool --passes 3 --author anna --compass x --authors=y",
        "dd if=/pfs/a/secret.bin of=/pfs/out/b",
        "cat /pfs/password/token secrets.txt",
        "sh -c 'wc -w < /pfs/texts/words.txt > /pfs/out/words'",
        "sh -c 'cat token password secret > /pfs/out/x'",
        "git clone ssh://git@example.org/x",
        "python -m tool --keys a --keyword b --monkey c",
        "mail anna@example.org http://example.org/@x",
        "tool -p x -k y",
    ],
)
def test_other_words_stay_as_they_are(line: str) -> None:
    words = tuple(word.encode() for word in shlex.split(line))
    assert masked(words) == words and not is_masked(words)


def test_rest_of_a_script_stays() -> None:
    script = b"TOKEN=abc tool --password 'x y' --size 3 > /pfs/out/a; echo token=1&&b"
    expected = b"TOKEN=*** tool --password *** --size 3 > /pfs/out/a; echo token=***&&b"
    assert masked([b"/bin/sh", b"-c", script]) == (b"/bin/sh", b"-c", expected)


def test_bytes_that_are_no_text() -> None:
    assert masked([b"\xff\xfe", b"--password", b"\xff", b"a=\xff", b""]) == (
        b"\xff\xfe",
        b"--password",
        b"***",
        b"a=\xff",
        b"",
    )


def test_long_words_take_no_long_time() -> None:
    for piece in (b"a", b"a=", b"a ", b"--a ", b'"', b"'", b"\\", b"a://b:", b"token=\\"):
        word = piece * (64_000 // len(piece))
        assert len(masked([word, b"-c", word])) == 3


@pytest.mark.parametrize("name", ["PASSWORD", "my_passwd", "AWS_SECRET_ACCESS_KEY", "ApiKey", "--token", "SIGNING_KEY"])
def test_secret_names(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize("name", ["", "-", "PATH", "LANG", "HOME", "TOKENIZERS_PARALLELISM", "KEYBOARD", "key"])
def test_other_names(name: str) -> None:
    assert not looks_secret(name)


def test_text() -> None:
    assert masked_text("run: tool --password abc") == "run: tool --password ***"
    assert masked_text("\udcff plain") == "\udcff plain"
