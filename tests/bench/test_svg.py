"""The chart."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from bench import svg
from bench.figures import Results
from tests.bench.samples import results, runs

NAMESPACE = "{http://www.w3.org/2000/svg}"
MEASURED = {
    "plain": {"json": runs(envoy=[40.0, 40.0], seawall=[20.0, 22.0]), "1m": runs(seawall=[1234.0])},
    "policies": {"json": runs(seawall=[30.0])},
    "routes": {"routes": runs(seawall_10=[40.0])},
}


def draw(found: Results) -> ET.Element:
    return ET.fromstring(svg.chart(found))


def texts(found: Results) -> list[str]:
    return [element.text or "" for element in draw(found).iter(f"{NAMESPACE}text")]


def test_every_panel_names_its_test_and_its_proxies_the_cheapest_first() -> None:
    shown = texts(results(MEASURED))

    start = shown.index("GET of 123 bytes of JSON, 32 connections")
    assert ["seawall", "21.0", "envoy", "40.0", "GET of 1 MiB, 32 connections", "seawall", "1,234"] == shown[
        start + 1 : start + 8
    ]


def test_both_variants_have_a_heading_and_a_variant_that_was_not_measured_has_none() -> None:
    only_plain = results({"plain": MEASURED["plain"]})

    assert {"Plain forwarding", "With policies"} <= set(texts(results(MEASURED)))
    assert "With policies" not in texts(only_plain)


def test_bars_are_as_long_as_their_costs() -> None:
    bars = list(draw(results(MEASURED)).iter(f"{NAMESPACE}rect"))[1:]

    seawall, envoy = (float(bar.attrib["width"]) for bar in bars[:2])
    assert 21 / 40 == round(seawall / envoy, 3)


def test_our_bar_has_a_colour_of_its_own() -> None:
    bars = list(draw(results(MEASURED)).iter(f"{NAMESPACE}rect"))[1:]

    seawall, envoy = (bar.attrib["fill"] for bar in bars[:2])
    assert seawall != envoy


def test_everything_is_inside_the_picture() -> None:
    root = draw(results(MEASURED))

    places = [(int(text.attrib["x"]), int(text.attrib["y"])) for text in root.iter(f"{NAMESPACE}text")]
    assert max(x for x, _ in places) < int(root.attrib["width"])
    assert max(y for _, y in places) < int(root.attrib["height"])


def test_what_xml_gives_a_meaning_is_escaped() -> None:
    found = results(MEASURED)
    odd = Results({"machine": "<Fast & Sons>"}, found.versions, found.skipped, found.samples, None)

    assert "machine: <Fast & Sons>" in texts(odd)
