"""`seawall seal`: what it prints is what policy files take."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.algorithms.sealed import SealKey, opened
from proxy.cli import main
from proxy.cli.seal import seal_command
from proxy.config.sealing import KEY_FILE, KEYS

OLD, NEW = "11" * 32, "22" * 32


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEYS, raising=False)
    monkeypatch.delenv(KEY_FILE, raising=False)


def run(*arguments: str, given: bytes = b"", keys: str = OLD) -> Result:
    return CliRunner().invoke(seal_command, list(arguments), input=given, env={KEYS: keys})


def sealed(secret: bytes, keys: str = OLD) -> str:
    return yaml.safe_load(run(given=secret, keys=keys).stdout)["sealed"]


def secret_in(text: str, key: str = OLD) -> bytes:
    return opened(text, [SealKey.parse(key)])


@pytest.mark.parametrize(
    ("given", "secret"),
    [
        (b"hunter2", b"hunter2"),
        (b"hunter2\n", b"hunter2"),
        (b"a\nb\r\n", b"a\nb"),
        (b"\xff\x00", b"\xff\x00"),
    ],
    ids=["as it is", "with a line end", "with a line in it", "bytes"],
)
def test_what_stands_on_standard_input_is_sealed(given: bytes, secret: bytes) -> None:
    assert secret == secret_in(sealed(given))


def test_the_first_key_seals() -> None:
    assert b"hunter2" == secret_in(sealed(b"hunter2", f"{NEW} {OLD}"), NEW)


def test_the_same_secret_is_another_text_each_time() -> None:
    assert sealed(b"hunter2") != sealed(b"hunter2")


def test_at_a_terminal_it_is_asked_for_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def prompt(text: str, **how: object) -> str:
        asked.append(how["hide_input"] and how["confirmation_prompt"])
        return "hunter2"

    monkeypatch.setattr(click, "prompt", prompt)
    monkeypatch.setattr(
        "proxy.cli.seal.sys.stdin", type("Terminal", (), {"isatty": staticmethod(lambda: True)})
    )
    monkeypatch.setenv(KEYS, OLD)
    printed = []
    monkeypatch.setattr(click, "echo", printed.append)
    seal_command.callback(new_key=False, rotate=False)  # type: ignore[misc]

    assert ([True], b"hunter2") == (asked, secret_in(yaml.safe_load(printed[0])["sealed"]))


def test_a_new_key_is_one() -> None:
    first, second = (run("--new-key").stdout.strip() for _ in range(2))

    assert first != second
    assert b"hunter2" == secret_in(sealed(b"hunter2", first), first)


@pytest.mark.parametrize(
    ("arguments", "given", "keys", "says"),
    [
        ([], b"", OLD, "there is no secret"),
        ([], b"\n", OLD, "there is no secret"),
        ([], b"x" * 65_537, OLD, "too large; expected at most 65536 bytes"),
        ([], b"hunter2", "", "no key is given"),
        ([], b"hunter2", "hunter3", "key 1 in SEAWALL_SEAL_KEY: it is no key"),
        (["--new-key", "--rotate"], b"", OLD, "exclude each other"),
        (["hunter2"], b"", OLD, "unexpected extra argument"),
        (["--seal-key-file", "/no/such"], b"hunter2", OLD, "cannot be read"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], given: bytes, keys: str, says: str) -> None:
    result = run(*arguments, given=given, keys=keys)

    assert (2, "") == (result.exit_code, result.stdout)
    assert says in result.output
    assert "hunter3" not in result.output


def a_file(old: str, new: str) -> str:
    return f"""\
# {old}
x-hook: &hook {{sealed: {old}}}
secrets: [{{sealed: "{old}"}}, {{ sealed: {new} }}]
test_secrets:
  sealed:
    {old}: for-tests
other: {"A" * 80}
"""


def test_a_file_is_sealed_anew_and_nothing_else_in_it_changes() -> None:
    old, new = sealed(b"hunter2"), sealed(b"hunter3", NEW)
    result = run("--rotate", given=a_file(old, new).encode(), keys=f"{NEW} {OLD}")
    anew = yaml.safe_load(result.stdout)["x-hook"]["sealed"]

    assert (0, b"hunter2") == (result.exit_code, secret_in(anew, NEW))
    assert a_file(anew, new).splitlines()[1:] == result.stdout.splitlines()[1:]
    assert "2 sealed values: 1 anew, 1 as they were\n" == result.stderr


def test_rotating_twice_changes_nothing() -> None:
    once = run("--rotate", given=a_file(sealed(b"a"), sealed(b"b", NEW)).encode(), keys=f"{NEW},{OLD}").stdout

    assert once == run("--rotate", given=once.encode(), keys=f"{NEW},{OLD}").stdout


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{sealed: OLD}", "line 2: the key"),
        ("{sealed: DAMAGED}", "line 2: the sealed value is damaged"),
        ("sealed: >-", "line 2: the sealed value goes over several lines"),
    ],
)
def test_what_cannot_be_sealed_anew_is_told_and_nothing_is_printed(line: str, says: str) -> None:
    damaged = sealed(b"hunter2", NEW)[:-4] + "AAAA"
    text = f"a: 1\n{line.replace('OLD', sealed(b'hunter2')).replace('DAMAGED', damaged)}\n"
    result = run("--rotate", given=text.encode(), keys=NEW)

    assert (1, "") == (result.exit_code, result.stdout)
    assert says in result.stderr


POLICY = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:3000"}}
routes:
  - name: hooks
    match: {path: /hooks}
    policies: {webhook_signature: {scheme: github, secrets: [{sealed: SEALED}]}}
tests:
  - name: a signed one gets in
    steps: [{request: {method: POST, path: /hooks, body: a, sign: hooks}, expect: {status: 200}}]
"""


def command(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=env)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check"],
        ["test"],
        ["effective", "--policies"],
        ["explain", "--path", "/hooks", "--method", "POST", "--sign", "--policies"],
    ],
    ids=lambda arguments: arguments[0],
)
@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_command_opens_it_with_the_key_and_shows_neither(
    tmp_path: Path, arguments: list[str], format_: str
) -> None:
    file, key_file, text = tmp_path / "a.yaml", tmp_path / "keys", sealed(b"hunter2")
    file.write_text(POLICY.replace("SEALED", text))
    key_file.write_text(OLD)
    given = command(*arguments, str(file), "--format", format_, "--seal-key-file", str(key_file))
    variable = command(*arguments, str(file), "--format", format_, **{KEYS: OLD})
    missing = command(*arguments, str(file), "--format", format_)

    assert (0, 0, 1) == (given.exit_code, variable.exit_code, missing.exit_code), given.output
    assert "no key is given that could open this" in missing.output
    everything = given.output + variable.output + missing.output
    assert not any(word in everything for word in ("hunter2", OLD, text))


def test_a_changed_sealed_secret_is_a_changed_secret(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml")]
    for file, secret in zip(files, (b"hunter2", b"hunter2", b"hunter3"), strict=True):
        file.write_text(POLICY.replace("SEALED", sealed(secret)))
    same = command("diff", str(files[0]), str(files[1]), **{KEYS: OLD}).output
    changed = command("diff", str(files[0]), str(files[2]), **{KEYS: OLD}).output

    assert ("nothing is in force differently" in same, "secret changed" in changed) == (True, True)
    assert "hunter" not in changed


def test_tests_can_say_what_stands_for_it(tmp_path: Path) -> None:
    text = sealed(b"hunter2")
    file = tmp_path / "a.yaml"
    file.write_text(POLICY.replace("SEALED", text) + f"test_secrets: {{sealed: {{{text}: for-tests}}}}\n")

    assert (0, 0, 1) == (
        command("test", str(file)).exit_code,
        command("check", "--test-secrets", str(file)).exit_code,
        command("check", str(file)).exit_code,
    )


def test_a_route_that_is_not_enabled_needs_no_key(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        POLICY.partition("tests:")[0]
        .replace("SEALED", sealed(b"a"))
        .replace("name: hooks", "name: hooks\n    enabled: false")
        + "  - {name: b, match: {path: /b}}\n"
    )

    assert 0 == command("check", str(file)).exit_code


def test_who_seals_nothing_does_not_wait_for_cryptography() -> None:
    script = "import sys; import proxy.cli.check, proxy.config.loader; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "False\n" == done.stdout


def test_what_is_printed_is_one_line_that_yaml_reads() -> None:
    assert re.fullmatch(r"\{sealed: [A-Za-z0-9_-]+\}\n", run(given=b"hunter2").stdout)
