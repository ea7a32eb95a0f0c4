"""What stands at a path in XML, and what is not read."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.algorithms.xml_path import DEEPEST, NotXml, XmlPath

NAMECHEAP = b"""<?xml version="1.0" encoding="utf-8"?>
<ApiResponse Status="ERROR" xmlns="http://api.namecheap.com/xml.response">
  <Errors>
  <Error Number="2030280">TLD is not supported</Error><Error Number="1"> a <b>c</b> d </Error></Errors>
  <Execution><Error>0.5</Error></Execution>
</ApiResponse>"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("//Error/@Number", ["2030280", "1"]),
        ("/ApiResponse/Errors/Error/@Number", ["2030280", "1"]),
        ("/ApiResponse/@Status", ["ERROR"]),
        ("//@Number", None),
        ("/ApiResponse//@Number", ["2030280", "1"]),
        ("//Errors//Error", ["TLD is not supported", "a  d"]),
        ("//Error/text()", ["TLD is not supported", "a  d", "0.5"]),
        ("/*/*/Error", ["TLD is not supported", "a  d", "0.5"]),
        ("//Execution/Error", ["0.5"]),
        ("//b", ["c"]),
        ("//Error//b", ["c"]),
        ("/Error", []),
        ("//error", []),
        ("//Error/@number", []),
    ],
)
def test_a_path_leads_there(path: str, found: list[str] | None) -> None:
    if found is None:
        with pytest.raises(ValueError, match="no path here"):
            XmlPath(path)
    else:
        assert found == XmlPath(path).values(NAMECHEAP)


@pytest.mark.parametrize(
    "path",
    ["", "Error", "//", "//Error[1]", "//a:b", "//Error/@a/@b", "/a/text()/b", "count(//a)", "//a ", ".."],
)
def test_what_else_xpath_has_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="expected steps of names"):
        XmlPath(path)


BOMB = b"""<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>"""
OUTSIDE = b"""<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>"""
REMOTE = b"""<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>"""


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (BOMB, "DTD"),
        (OUTSIDE, "DTD"),
        (REMOTE, "DTD"),
        (b"<a>&x;</a>", "undefined entity"),
        (b"<a>" * (DEEPEST + 1), "deep"),
        (b"<a><b></a>", "mismatched"),
        (b"<a/><a/>", "junk"),
        (b"", "no element"),
        (b"not xml", "syntax|well-formed"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "encoding"),
    ],
)
def test_what_is_not_read(document: bytes, why: str) -> None:
    with pytest.raises(NotXml, match=why):
        XmlPath("//a").values(document)


@given(st.binary() | st.text(alphabet="<>/a=\"' &;![]").map(str.encode))
def test_nothing_else_breaks_it(document: bytes) -> None:
    with suppress(NotXml):
        assert isinstance(XmlPath("//a/@a").values(document), list)


def test_the_most_expensive_document_of_64_kib_takes_no_time() -> None:
    level = b"<a>" * (DEEPEST - 1) + b"</a>" * (DEEPEST - 1)
    document = b"<a>" + level * (65_000 // len(level)) + b"</a>"
    started = time.process_time()
    XmlPath("//a//a//a//a//a//a//a//a//b").values(document)

    assert time.process_time() - started < 2
