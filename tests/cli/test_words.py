"""What limits come to, said once for all routes that have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from proxy.cli.words import not_enforced, sentences
from proxy.config.configuration import Configuration
from proxy.config.loader import load
from proxy.config.schema import PolicyConfig
from tests.config.kinds import START, AKind


class LimitConfig(PolicyConfig, frozen=True, kw_only=True):
    limit: int = 0

    def in_words(self) -> Sequence[str]:
        return (f"at most {self.limit}", "then none") if self.limit else ()


TEXT = f"""{START}policies:
  limit: {{common: {{limit: 5}}, idle: {{limit: 1}}}}
defaults: {{limit: {{limit: 9}}}}
routes:
  - {{name: a, match: {{path: /a}}}}
  - {{name: b, match: {{path: /b}}}}
  - {{name: c, match: {{path: /c}}, policies: {{limit: common}}}}
  - {{name: d, match: {{path: /d}}, policies: {{limit: [common, {{name: own, limit: 2, mode: shadow}}]}}}}
  - {{name: e, match: {{path: /e}}, policies: {{limit: {{limit: 3, mode: "10%"}}}}}}
  - {{name: f, match: {{path: /f}}, policies: {{limit: {{limit: 0}}}}}}
  - {{name: g, match: {{path: /g}}, policies: {{limit: {{mode: disabled}}}}}}
no_route: {{limit: {{limit: 7}}}}
"""


def configuration(folder: Path) -> Configuration:
    file = folder / "a.yaml"
    file.write_text(TEXT, encoding="utf-8")
    return load(file, (AKind("limit", LimitConfig),), env={})


def test_what_is_alike_is_said_once_and_what_is_shared_is_said_to_be(tmp_path: Path) -> None:
    assert [
        "limit: at most 9, then none; on each of 2 routes",
        "limit common: at most 5, then none; shared by 2 routes",
        "limit: at most 2, then none, in shadow; on route d",
        "limit: at most 3, then none, enforced for 10% of the callers; on route e",
        "limit: at most 7, then none; without a route",
    ] == [str(sentence) for sentence in sentences(configuration(tmp_path))]


def test_programs_get_the_parts(tmp_path: Path) -> None:
    _, shared, *_ = sentences(configuration(tmp_path))

    assert {
        "kind": "limit",
        "name": "common",
        "mode": "enforce",
        "words": ("at most 5", "then none"),
        "routes": ("c", "d"),
    } == shared.as_data()


def test_what_is_not_enforced_is_said_with_its_routes(tmp_path: Path) -> None:
    assert {"limit": ["shadow on route d", "10% on route e", "disabled on route g"]} == not_enforced(
        configuration(tmp_path)
    )
