"""What may stand in a file of users, and what is said of a line that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.loader import load
from proxy.errors import ConfigError
from proxy.policies import PIPELINE_ORDER
from proxy.policies.identity.basic_auth.htpasswd import Htpasswd

HASH = "$2y$05$ilwzvPwOiGCLdOjrE4gYreRlLz1ev/exAOiydZ/xhkQ5vmArVbCBG"


@pytest.mark.parametrize(
    "text",
    [
        f"ann:{HASH}\nbob:{HASH.replace('$2y', '$2b')}\n",
        f"# users\r\n\r\nann:{HASH}\r\nbob:{HASH}",
        f"ann:{HASH}  \n   \nbob:{HASH}\n\n",
    ],
    ids=["as htpasswd writes it", "as it comes from elsewhere", "spaces"],
)
def test_users(text: str) -> None:
    content, faults = Htpasswd.read(text)

    assert (["ann", "bob"], []) == (list(Htpasswd("/f").holding(content).users), faults)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("ann:$apr1$hunter2$hunter2", "Apache's MD5", id="Apache's MD5"),
        pytest.param("ann:{SHA}hunter2", "SHA-1", id="SHA-1"),
        pytest.param("ann:$1$hunter2$x", "MD5", id="md5crypt"),
        pytest.param("ann:$5$hunter2$x", "SHA-256 crypt", id="sha256crypt"),
        pytest.param("ann:$6$hunter2$x", "SHA-512 crypt", id="sha512crypt"),
        pytest.param("ann:$2a$05$hunter2", "an old variant of bcrypt", id="2a"),
        pytest.param("ann:$y$hunter2", "yescrypt", id="yescrypt"),
        pytest.param("ann:$argon2id$hunter2", "Argon2", id="Argon2"),
        pytest.param("ann:hunter2hunter2", "crypt, or in clear", id="in clear"),
        pytest.param("ann:", "crypt, or in clear", id="nothing"),
        pytest.param(f"ann:{HASH[:-1]}", "bcrypt, but not whole", id="cut off"),
        pytest.param(f"ann:{HASH}x", "bcrypt, but not whole", id="too long"),
        pytest.param(f"ann:{HASH[:28]}e{HASH[29:]}", None, id="another salt"),
        pytest.param(f"ann:{HASH[:28]}f{HASH[29:]}", "bcrypt, but not whole", id="a salt that is none"),
        pytest.param(
            f"ann:{HASH.replace('$05', '$15')}", "of the cost 15; expected one from 4 to 14", id="dear"
        ),
        pytest.param(f"ann:{HASH.replace('$05', '$03')}", "of the cost 3; expected", id="cheap"),
        pytest.param("hunter2", "there is no user", id="no colon"),
        pytest.param(f":{HASH}", "there is no user", id="no user"),
        pytest.param(f"a\x07nn:{HASH}", "there is no user", id="a user that is no text"),
    ],
)
def test_other_lines_are_refused_by_their_name(line: str, said: str | None) -> None:
    _, faults = Htpasswd.read(f"bob:{HASH}\n{line}")

    if said is None:
        assert [] == faults
    else:
        assert [(2, True, False)] == [
            (fault.line, said in fault.message, "hunter2" in fault.message) for fault in faults
        ]


@pytest.mark.parametrize(
    ("text", "line"), [(f"ann:{HASH}\n\nann:{HASH}", 3), ("# nobody\n", 1)], ids=["twice", "nobody"]
)
def test_a_file_nobody_can_have_meant(text: str, line: int) -> None:
    _, faults = Htpasswd.read(text)

    assert [line] == [fault.line for fault in faults]


def test_every_mistake_is_told_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"ann:{HASH}\nbob:hunter2\ncid:{{SHA}}hunter2\n")
    file = tmp_path / "policies.yaml"
    file.write_text(
        """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:3000"}}
routes:
  - {name: all, match: {path: "/**"}, policies: {basic_auth: {htpasswd: users}}}
"""
    )
    with pytest.raises(ConfigError) as refused:
        load(file, PIPELINE_ORDER, env={})

    assert [(str(tmp_path / "users"), 2), (str(tmp_path / "users"), 3)] == [
        (problem.file, problem.line) for problem in refused.value.problems
    ]
    assert "hunter2" not in str(refused.value)
