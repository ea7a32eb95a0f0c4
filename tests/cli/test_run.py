"""`seawall run`: what is said on the command line is what is served with."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.app.settings import Settings
from proxy.cli import main
from proxy.cli.run import run
from proxy.stores.opening import StoreUrl


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of each start; nothing is served, and the exit code is 7."""
    started: list[Settings] = []

    def serve(settings: Settings) -> int:
        started.append(settings)
        return 7

    monkeypatch.setattr("proxy.app.process.run", serve)
    return started


def invoke(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(run, list(arguments), env=env)


def settings(started: list[Settings], *arguments: str, **env: str) -> Settings:
    """What `run` serves with."""
    result = invoke("--policies", "p", *arguments, **env)
    assert 7 == result.exit_code, result.output
    return started[-1]


def test_what_is_not_said_is_as_the_settings_have_it(started: list[Settings]) -> None:
    assert Settings(Path("p")) == settings(started)


EVERYTHING = {
    "--policies": ("policies", "/etc/p", Path("/etc/p")),
    "--upstream": ("upstream", "http://127.0.0.1:3000", "http://127.0.0.1:3000"),
    "--listen": ("listen", "0.0.0.0:80", "0.0.0.0:80"),
    "--status": ("status", "[::]:9902", "[::]:9902"),
    "--admin": ("admin", "localhost:0", "localhost:0"),
    "--admin-token-file": ("admin_token_file", "/run/token", Path("/run/token")),
    "--admin-origin": ("admin_origin", "HTTPS://ops.example:443", ("https://ops.example",)),
    "--tls-cert-dir": ("tls_cert_dir", "/run/tls", Path("/run/tls")),
    "--store": ("store", "sqlite:///data/s.db", StoreUrl("sqlite", path=Path("/data/s.db"))),
    "--store-timeout": ("store_timeout", "20ms", 0.02),
    "--store-failures": ("store_failures", "3", 3),
    "--store-open-for": ("store_open_for", "1m", 60.0),
    "--drain": ("drain", "1m30s", 90.0),
    "--max-body": ("max_body", "1MiB", 2**20),
    "--max-buffered": ("max_buffered", "1GiB", 2**30),
    "--access-log": ("access_log", "off", False),
    "--audit-log": ("audit_log", "/var/log/audit", "/var/log/audit"),
    "--audit-max-size": ("audit_max_size", "1GiB", 2**30),
    "--audit-keep": ("audit_keep", "3", 3),
    "--audit-on-failure": ("audit_on_failure", "drop", "drop"),
    "--watch": ("watch", "poll", "poll"),
    "--env": ("env", "dev", "dev"),
}
each_option = pytest.mark.parametrize(
    ("option", "field", "text", "value"),
    [pytest.param(option, *expected, id=option) for option, expected in EVERYTHING.items()],
)


@each_option
def test_an_option_is_taken(
    started: list[Settings], option: str, field: str, text: str, value: object
) -> None:
    assert value == getattr(settings(started, option, text), field)


@each_option
def test_its_variable_is_the_same_word(
    started: list[Settings], option: str, field: str, text: str, value: object
) -> None:
    variable = f"SEAWALL_{option.removeprefix('--').replace('-', '_').upper()}"
    result = CliRunner().invoke(run, [], env={"SEAWALL_POLICIES": "p", variable: text})

    assert (7, value) == (result.exit_code, getattr(started[-1], field))


def test_an_option_is_stronger_than_its_variable(started: list[Settings]) -> None:
    assert 5.0 == settings(started, "--drain", "5s", SEAWALL_DRAIN="9s").drain


def test_every_setting_has_an_option() -> None:
    flags = {"allow_literal_secrets"}

    assert set(Settings.__slots__) == {field for field, _, _ in EVERYTHING.values()} | flags


def test_literal_secrets_are_accepted_only_where_that_is_said(started: list[Settings]) -> None:
    assert [False, True, True] == [
        settings(started).allow_literal_secrets,
        settings(started, "--allow-literal-secrets").allow_literal_secrets,
        settings(started, SEAWALL_ALLOW_LITERAL_SECRETS="1").allow_literal_secrets,
    ]


def test_several_origins_may_call_the_admin_port(started: list[Settings]) -> None:
    said = settings(started, SEAWALL_ADMIN_ORIGIN="https://ops.example http://localhost:3000")

    assert ("https://ops.example", "http://localhost:3000") == said.admin_origin


def test_the_data_port_may_be_a_socket(started: list[Settings]) -> None:
    assert "unix:/run/seawall.sock" == settings(started, "--listen", "unix:/run/seawall.sock").listen


@pytest.mark.parametrize("address", ["127.0.0.1:0", ":80", "[::1]:65535", "a.test:1", "localhost:00080"])
def test_an_address_is_a_host_and_a_port(started: list[Settings], address: str) -> None:
    assert address == settings(started, "--listen", address).listen


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            "80",
            "a.test",
            "a.test:",
            "a.test:http",
            "a.test:-1",
            "a.test:65536",
            "a.test:²",
            "a.test:8 0",
        ),
        *("::1:80", "unix:relative"),
        pytest.param("a.test:" + "9" * 5000, id="a port of 5000 digits"),
    ],
)
def test_anything_else_is_no_address(started: list[Settings], address: str) -> None:
    result = invoke("--policies", "p", "--listen", address)

    assert (2, []) == (result.exit_code, started)
    assert "is no address; expected host:port, such as 127.0.0.1:8080" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(
            ["--status", "unix:/run/s"], "only --listen takes a socket's path", id="a socket for status"
        ),
        pytest.param(
            ["--admin", "unix:/run/s"], "only --listen takes a socket's path", id="a socket for admin"
        ),
        pytest.param(["--admin-origin", "ops.example"], "is no origin", id="an origin without its scheme"),
        pytest.param(["--drain", "20"], "is no duration", id="a duration without its unit"),
        pytest.param(["--max-body", "10"], "is no size", id="a size without its unit"),
        pytest.param(["--max-buffered", "lots"], "is no size", id="a size that is none"),
        pytest.param(["--upstream", "nowhere"], "is no url", id="an upstream that is no url"),
        pytest.param(["--tls-cert-dir", ""], "the path is empty", id="a folder that a variable left empty"),
        pytest.param(["--access-log", "file"], "stdout", id="an access log somewhere else"),
        pytest.param(["--log-level", "loud"], "debug", id="a level that is none"),
        pytest.param(["--polices", "p"], "No such option", id="an option that is none"),
        pytest.param(["and", "more"], "unexpected extra argument", id="more words"),
    ],
)
def test_wrong_usage_is_told(started: list[Settings], arguments: list[str], says: str) -> None:
    result = invoke("--policies", "p", *arguments)

    assert (2, []) == (result.exit_code, started)
    assert says in result.output


def test_policies_must_be_named(started: list[Settings]) -> None:
    result = invoke(SEAWALL_POLICIES="")

    assert (2, [], True) == (result.exit_code, started, "--policies" in result.output)


def test_wrong_usage_is_one_line() -> None:
    result = CliRunner().invoke(main, ["run", "--policies", "p", "--drain", "20"])

    assert (2, 1) == (result.exit_code, len(result.output.splitlines()))


LOGGING = """
import logging
import proxy.app.process
from proxy.cli.run import run

def serve(_):
    logging.getLogger("seawall").info("too quiet")
    logging.getLogger("seawall").warning("loud enough")

proxy.app.process.run = serve
run(["--policies", "p", "--log-level", "warning"])
"""


def python(script: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, since the log and what is imported are the process's."""
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)


def test_the_log_is_on_standard_error_in_utc() -> None:
    said = python(LOGGING)

    assert "" == said.stdout
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ WARNING loud enough\n", said.stderr)


STALLED = """
import logging, os
import proxy.app.process
from proxy.cli.run import run

def serve(_):
    for _ in range(200):
        logging.getLogger("seawall").warning("x" * 1000)
    print("held up by nobody", flush=True)
    os._exit(0)

proxy.app.process.run = serve
run(["--policies", "p"])
"""


def test_a_log_that_nobody_reads_holds_nobody_up() -> None:
    ours, theirs = os.pipe()
    try:
        script = [sys.executable, "-c", STALLED]
        said = subprocess.run(script, stdout=subprocess.PIPE, stderr=theirs, timeout=60, check=True)
    finally:
        os.close(ours)
        os.close(theirs)

    assert b"held up by nobody\n" == said.stdout


def test_every_option_is_explained() -> None:
    text = " ".join(invoke("--help").output.split())

    assert all(option in text for option in EVERYTHING)
    assert "[env var: SEAWALL_MAX_BODY; default: 10MiB]" in text


def test_help_does_not_wait_for_what_only_serving_needs() -> None:
    assert "False\n" == python("import sys; import proxy.cli.run; print('aiohttp' in sys.modules)").stdout


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("postgres://x", "this is no store; expected memory://", id="no such store"),
        pytest.param("sqlite://data.db", "expected sqlite:// and a path from the root", id="no path"),
        pytest.param("redis://:hunter2@:1", "no host is named", id="no host"),
        pytest.param("redis://:hunter2@a/x", "the path is no database", id="no database"),
        pytest.param("redis://:hunter2@a?x=hunter2", "'x' is no option", id="no option"),
        pytest.param("redis://:hunter2@a:99999", "the port is none", id="no port"),
        pytest.param("redis://:hunter2@[a", "this is no URL", id="no URL"),
    ],
)
def test_a_store_that_is_none_is_told_of_without_its_password(url: str, message: str) -> None:
    result = invoke("--policies", "p", "--store", url)

    assert (2, True, False) == (result.exit_code, message in result.output, "hunter2" in result.output)
