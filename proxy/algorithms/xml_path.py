"""What stands at a path in an XML document: a small part of XPath, without anything that expands.

A path has steps of element names, or `*` for any, from the root (`/`) or at any depth (`//`);
the last may be an attribute (`@Number`) or `text()`, which an element as the last step means too.
Names are compared without their namespace prefixes. There are no predicates, axes or functions.

Documents with a DTD are refused, since it can declare entities that grow a thousandfold, and so
are those that are deeper than `DEEPEST`. Nothing outside of the document is ever read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.parsers import expat

DEEPEST = 100
"""Levels of elements inside each other."""

_NAME = r"[A-Za-z_][\w.-]*"
_PATH = re.compile(rf"(?:/{{1,2}}(?:{_NAME}|\*))+(?:/{{1,2}}(?:@{_NAME}|text\(\)))?", re.ASCII)
_STEP = re.compile(r"(/{1,2})([^/]+)")
_EXPECTED = "expected steps of names such as //Error/@Number or /Response/Errors/Error, and nothing else"


class NotXml(ValueError):
    """It can't be read, or must not be."""


class XmlPath:
    """A compiled path. Raises ValueError, in words for an operator."""

    def __init__(self, path: str) -> None:
        if not _PATH.fullmatch(path):
            raise ValueError(f"{path!r} is no path here; {_EXPECTED}")
        steps = [(slashes == "//", name) for slashes, name in _STEP.findall(path)]
        anywhere, last = steps[-1]
        self.attribute = last[1:] if last.startswith("@") else None
        """Which one of the element; None for its text."""
        of_an_element = self.attribute is not None or last == "text()"
        self._steps = steps[:-1] if of_an_element else steps
        self._below = of_an_element and anywhere

    def values(self, document: bytes) -> list[str]:
        """All that stands there, in order, without white space around it. Raises NotXml."""
        reader = _Reader(self)
        try:
            reader.parser().Parse(document, True)
        except expat.ExpatError as error:
            raise NotXml(f"it is no XML: {expat.ErrorString(error.code)}") from None
        except (ValueError, LookupError) as error:  # an encoding that is none
            raise NotXml(str(error)) from None
        return [text.strip() for text in reader.found]

    def entered(self, above: frozenset[int], name: str) -> frozenset[int]:
        """How many steps may be done inside an element, by how many may be outside of it."""
        return frozenset(self._after(above, name))

    def _after(self, above: frozenset[int], name: str) -> Iterator[int]:
        for done in above:
            if done == len(self._steps):
                if self._below:
                    yield done  # what is sought may stand deeper still
                continue
            anywhere, wanted = self._steps[done]
            if anywhere:
                yield done
            if wanted in ("*", name):
                yield done + 1

    def is_there(self, done: frozenset[int]) -> bool:
        """The element in which so many steps may be done is where the path leads."""
        return len(self._steps) in done


class _Reader:
    """Called by the parser as it goes through a document."""

    def __init__(self, path: XmlPath) -> None:
        self._path = path
        self._done = [frozenset((0,))]
        self._texts: list[list[str] | None] = []
        self.found: list[str] = []

    def parser(self) -> expat.XMLParserType:
        """One that calls this; not kept here, since it leads back."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        return parser

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._done) > DEEPEST:
            raise NotXml(f"its elements are more than {DEEPEST} deep")
        done = self._path.entered(self._done[-1], _local(name))
        self._done.append(done)
        there = self._path.is_there(done)
        wanted = self._path.attribute
        self._texts.append([] if there and wanted is None else None)
        if there and wanted is not None:
            self.found += [value for key, value in attributes.items() if _local(key) == wanted]

    def _end(self, _: str) -> None:
        self._done.pop()
        texts = self._texts.pop()
        if texts is not None:
            self.found.append("".join(texts))

    def _text(self, text: str) -> None:
        if self._texts and self._texts[-1] is not None:
            self._texts[-1].append(text)

    def _refuse(self, *_: object) -> None:
        raise NotXml("it has a DTD, which is not read")


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
