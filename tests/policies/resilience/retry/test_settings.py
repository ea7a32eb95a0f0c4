"""What `retry` can be told, and what is refused."""

from __future__ import annotations

import pytest

from proxy.config.units import Duration, StatusSet
from proxy.policies.resilience.retry.settings import (
    OF_ANSWERS,
    BackOffConfig,
    BodyCondition,
    ClassConfig,
    Pattern,
    XPath,
    faults_of,
)


@pytest.mark.parametrize("text", ["//Error/@Number", "/a/*/text()", "//a//b"])
def test_a_path_in_xml(text: str) -> None:
    assert text == XPath.parse(text)


@pytest.mark.parametrize("value", ["Error", "//a[1]", 7, None])
def test_what_is_no_path_in_xml(value: object) -> None:
    with pytest.raises(ValueError, match="expected steps of names"):
        XPath.parse(value)


@pytest.mark.parametrize("value", ["(", "", 7, "\ud800"])
def test_what_is_no_regular_expression(value: object) -> None:
    with pytest.raises(ValueError, match="no regular expression"):
        Pattern.parse(value)


def test_a_regular_expression() -> None:
    assert "a+" == Pattern.parse("a+")


def test_what_an_upstream_can_never_do_is_in_no_class() -> None:
    assert not {501, 505}.intersection(*OF_ANSWERS.values())


@pytest.mark.parametrize(
    ("classes", "where"),
    [
        ({}, ["classes"]),
        ({"timeout": ClassConfig()}, []),
        ({"timeout": ClassConfig(status=StatusSet({503}))}, ["classes.timeout"]),
        ({"server_error": ClassConfig()}, []),
        ({"own": ClassConfig()}, ["classes.own"]),
        ({"own": ClassConfig(status=StatusSet({503}))}, []),
    ],
)
def test_a_class_is_of_something(classes: dict[str, ClassConfig], where: list[str]) -> None:
    assert where == [path for path, _ in faults_of(classes)]


def test_a_body_is_looked_at_in_one_place() -> None:
    assert [""] == [path for path, _ in BodyCondition().check()]
    assert [] == list(BodyCondition(regex=Pattern("a")).check())


def test_the_first_wait_is_not_longer_than_the_longest() -> None:
    assert ["max"] == [path for path, _ in BackOffConfig(base=Duration(2), max=Duration(1)).check()]
