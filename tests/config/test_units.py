import re
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.units import (
    Duration,
    FilePath,
    HeaderName,
    HeaderValue,
    Mode,
    Network,
    Rate,
    Share,
    Size,
    StatusSet,
    Unit,
)

UNITS = [Duration, FilePath, HeaderName, HeaderValue, Mode, Network, Rate, Share, Size, StatusSet]
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.__name__)


@each_unit
def test_every_unit_is_what_the_loader_expects_of_one(unit):
    assert isinstance(unit, Unit)


@each_unit
def test_the_example_of_every_unit_is_one(unit):
    assert isinstance(unit.parse(unit.example), unit)
    assert re.fullmatch(unit.pattern, unit.example)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("250ms", 0.25, id="milliseconds"),
        pytest.param("30s", 30, id="seconds"),
        pytest.param("1.5s", 1.5, id="a fraction"),
        pytest.param("5m", 300, id="minutes"),
        pytest.param("2h", 7200, id="hours"),
        pytest.param("7d", 604800, id="days"),
        pytest.param("1h30m", 5400, id="two units"),
        pytest.param("1d2h3m4s5ms", 93784.005, id="all units"),
        pytest.param("0s", 0, id="nothing"),
        pytest.param("366d", 31622400, id="a leap year"),
    ],
)
def test_a_duration_is_seconds(text, seconds):
    assert seconds == pytest.approx(Duration.parse(text))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "30",
        30,
        1.5,
        True,
        None,
        "s",
        "30 s",
        "-1s",
        "1.s",
        "1.0005s",
        "30sec",
        "1h30",
        "30S",
        "3０s",
        "30s\n",
    ],
    ids=repr,
)
def test_what_has_no_unit_or_no_number_is_no_duration(value):
    with pytest.raises(
        ValueError, match=r"is no duration; expected one with its unit, such as 250ms, 30s, 1h30m, 7d"
    ):
        Duration.parse(value)


@pytest.mark.parametrize("text", ["367d", "999999999d", "366d1ms"])
def test_a_duration_over_a_year_is_a_mistake(text):
    with pytest.raises(ValueError, match=f"'{text}' is longer than a year"):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["1000000000s", "1h1000000000ms"])
def test_a_duration_with_too_many_digits_is_told_so(text):
    with pytest.raises(ValueError, match=f"'{text}' has too large a number in it; expected nine digits"):
        Duration.parse(text)


@given(st.integers(0, 366 * 86400 * 1000))
def test_a_duration_in_parts_is_as_long_as_in_one(milliseconds):
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)

    in_parts = Duration.parse(f"{minutes}m{seconds}s{rest}ms")

    assert milliseconds / 1000 == pytest.approx(in_parts)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param("512B", 512, id="bytes"),
        pytest.param("8kB", 8000, id="kB"),
        pytest.param("8KB", 8000, id="KB is the same"),
        pytest.param("8KiB", 8192, id="KiB"),
        pytest.param("10MB", 10**7, id="MB"),
        pytest.param("10MiB", 10 * 2**20, id="MiB"),
        pytest.param("1GB", 10**9, id="GB"),
        pytest.param("1GiB", 2**30, id="GiB"),
        pytest.param("1.5MiB", 3 * 2**19, id="a fraction"),
        pytest.param("1.001KB", 1001, id="a fraction that floats would round down"),
        pytest.param("0B", 0, id="nothing"),
    ],
)
def test_a_size_is_bytes(text, size):
    assert size == Size.parse(text)


@pytest.mark.parametrize(
    "value",
    ["", "10", 10, 1.5, True, None, "MB", "10 MB", "-1B", "1.MB", "10mb", "10M", "10Mib", "１２B", "1B\n"],
    ids=repr,
)
def test_what_has_no_unit_or_no_number_is_no_size(value):
    with pytest.raises(ValueError, match=r"is no size; expected one with its unit, such as 512B, 10MB"):
        Size.parse(value)


@given(st.integers(0, 10**12 - 1), st.integers(0, 999))
def test_a_size_loses_no_byte(thousands, rest):
    assert thousands * 1000 + rest == Size.parse(f"{thousands}.{rest:03}kB")


@pytest.mark.parametrize(
    ("text", "share"), [("0%", 0), ("20%", 0.2), ("0.5%", 0.005), ("100%", 1), ("99.9999%", 0.999999)]
)
def test_a_share_is_a_part_of_one(text, share):
    assert share == pytest.approx(Share.parse(text))


@pytest.mark.parametrize(
    "value",
    ["", "20", 20, 0.2, True, None, "%", "-1%", "101%", "100.0001%", "1.23456%", "٣%", "20 %", "20%\n"],
    ids=repr,
)
def test_what_is_over_a_hundred_or_has_no_sign_is_no_share(value):
    with pytest.raises(ValueError, match=r"is no share; expected 0% to 100%, such as 20%"):
        Share.parse(value)


@pytest.mark.parametrize(
    ("text", "share"), [("enforce", 1), ("shadow", 0), ("disabled", 0), ("10%", 0.1), ("0%", 0), ("100%", 1)]
)
def test_a_mode_says_for_which_share_of_callers_it_is_enforced(text, share):
    mode = Mode.parse(text)

    assert (text, pytest.approx(share)) == (mode, mode.share)


@pytest.mark.parametrize("value", ["", "on", "off", "Shadow", True, 10, None, "10", "enforce\n"], ids=repr)
def test_other_words_are_no_mode(value):
    with pytest.raises(
        ValueError, match="is no mode; expected enforce, shadow, disabled, or a share such as 10%"
    ):
        Mode.parse(value)


def test_a_mode_is_no_share_over_a_hundred():
    with pytest.raises(ValueError, match="'110%' is no share"):
        Mode.parse("110%")


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        pytest.param(429, {429}, id="a number"),
        pytest.param("429", {429}, id="a number in quotes"),
        pytest.param("5xx", set(range(500, 600)), id="a class"),
        pytest.param("502-504", {502, 503, 504}, id="a range"),
        pytest.param("502-502", {502}, id="a range of one"),
        pytest.param([429, "502-503"], {429, 502, 503}, id="a list"),
        pytest.param([500, "5xx"], set(range(500, 600)), id="a list that overlaps"),
        pytest.param([], set(), id="an empty list"),
    ],
)
def test_status_codes_are_told_one_by_one_by_class_or_by_range(value, codes):
    assert codes == StatusSet.parse(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "99",
        "600",
        600,
        "099",
        "0xx",
        "6xx",
        "5XX",
        "5x",
        "500-",
        "500-600",
        None,
        True,
        429.0,
        [[429]],
        "4２9",
    ],
    ids=repr,
)
def test_what_no_response_could_have_is_no_status(value):
    with pytest.raises(ValueError, match="is no status; expected one such as 429, 5xx, 502-504"):
        StatusSet.parse(value)


def test_a_range_of_status_codes_runs_upwards():
    with pytest.raises(ValueError, match="'504-502' runs backwards"):
        StatusSet.parse("504-502")


@given(st.integers(100, 599), st.integers(100, 599))
def test_a_range_has_its_ends_and_all_between(one, other):
    first, last = sorted((one, other))

    assert set(range(first, last + 1)) == StatusSet.parse(f"{first}-{last}")


@pytest.mark.parametrize(
    "text", ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1", "0.0.0.0/0", "::/0", "::ffff:192.0.2.7"]
)
def test_a_network_is_an_address_or_a_prefix(text):
    assert (text, ip_network(text)) == (Network.parse(text), Network.parse(text).network)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param("10.0.0.1/8", "10.0.0.1/8 has host bits set; expected an address", id="host bits"),
        pytest.param("10.0.0.0/33", "does not appear to be an IPv4 or IPv6 network", id="too long a prefix"),
        pytest.param("10.0.0", "does not appear to be", id="part of an address"),
        pytest.param("010.0.0.1", "does not appear to be", id="octal digits, read differently elsewhere"),
        pytest.param("", "'' is no address", id="empty"),
        pytest.param("localhost", "'localhost' is no address", id="a name"),
        pytest.param("fe80::1%eth0", "is no address", id="a zone"),
        pytest.param("10.0.0.0/255.0.0.0", "is no address", id="a mask"),
        pytest.param(10, "10 is no address", id="a number"),
        pytest.param(None, "None is no address", id="nothing"),
    ],
)
def test_what_is_no_address_is_told_apart_from_what_has_bits_too_many(value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Network.parse(value)


@pytest.mark.parametrize("text", ["X-Request-ID", "ETag", "a", "!#$%&'*+-.^_`|~0"])
def test_a_header_name_is_a_token(text):
    assert text == HeaderName.parse(text)


@pytest.mark.parametrize("value", ["", "X A", "X:", "X\r\n", "Ünïcode", "(x)", 1, None], ids=repr)
def test_what_would_end_a_name_is_no_header_name(value):
    with pytest.raises(ValueError, match="is no header name; expected one such as X-Request-ID"):
        HeaderName.parse(value)


@pytest.mark.parametrize("text", ["", "no-referrer", "a b\tc", "max-age=1; x", "ünïcode 🙂"])
def test_a_header_value_is_a_line_of_text(text):
    assert text == HeaderValue.parse(text)


@pytest.mark.parametrize(
    "value", [" a", "a ", "a\t", "a\nb", "a\rb", "a\0b", "\x7f", "\ud800", 1, None, ["a"]], ids=repr
)
def test_what_would_end_the_line_or_can_not_be_sent_is_no_header_value(value):
    with pytest.raises(
        ValueError, match="is no header value; expected text without line breaks or spaces around it"
    ):
        HeaderValue.parse(value)


@given(st.text(st.characters(exclude_categories=[])))
def test_every_header_value_that_is_taken_can_be_sent_in_one_line(text):
    try:
        value = HeaderValue.parse(text)
    except ValueError:
        return
    assert {b"\r", b"\n", b"\0"}.isdisjoint(bytes([byte]) for byte in value.encode())


@pytest.mark.parametrize("text", ["ca.crt", "/run/tls/ca.crt", "mit Leerzeichen/ü"])
def test_a_file_path_is_text(text):
    assert text == FilePath.parse(text)


@pytest.mark.parametrize("value", ["", "a\0b", "\ud800", 1, None], ids=repr)
def test_what_no_file_could_be_called_is_no_path(value):
    with pytest.raises(ValueError, match=r"is no path; expected one such as /run/tls/ca.crt"):
        FilePath.parse(value)


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text(max_size=3), max_size=2)
)


@each_unit
@given(value=scalars)
def test_whatever_yaml_has_is_taken_or_refused_in_words(unit, value):
    try:
        parsed = unit.parse(value)
    except ValueError as error:
        assert str(error)  # noqa: PT017
    else:
        assert isinstance(parsed, unit)


@pytest.mark.parametrize(
    "unit", [each for each in UNITS if each is not StatusSet], ids=lambda unit: unit.__name__
)
@given(data=st.data())
def test_whatever_is_taken_also_passes_the_editors_schema(unit, data):
    value = data.draw(st.one_of(st.text(), st.from_regex(unit.pattern)))
    try:
        unit.parse(value)
    except ValueError:
        return
    assert re.search(unit.pattern, value)


@pytest.mark.parametrize(
    ("text", "limit", "period"),
    [
        ("2/s", 2, 1.0),
        ("100/min", 100, 60.0),
        ("100/m", 100, 60.0),
        ("30/1m", 30, 60.0),
        ("5/250ms", 5, 0.25),
        ("3/1.5s", 3, 1.5),
        ("60/h", 60, 3600.0),
        ("60/2hour", 60, 7200.0),
        ("10000/day", 10000, 86400.0),
        ("7/7d", 7, 604800.0),
        ("1000000/s", 1_000_000, 1.0),
    ],
)
def test_a_rate_is_so_many_in_a_period(text, limit, period):
    rate = Rate.parse(text)

    assert (text, limit, period) == (rate, rate.limit, rate.period)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("2.0/s", "2/s"),
        ("0.5/s", "1/2s"),
        ("2.5/s", "5/2s"),
        ("0.125/250ms", "1/2000ms"),
        ("1.5/1.5s", "3/3s"),
        ("0.1/month", "1/10month"),
        ("0.001/s", "1/1000s"),
    ],
)
def test_a_rate_with_a_part_of_one_is_counted_in_a_period_in_which_it_is_whole(text, whole):
    rate = Rate.parse(text)

    assert (whole, Rate.parse(whole)) == (rate, rate)
    assert float(text.partition("/")[0]) / Rate.parse(f"1/{text.partition('/')[2]}").period == pytest.approx(
        rate.limit / rate.period
    )


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param(100, "is no rate", id="a bare number"),
        pytest.param("100", "is no rate", id="without a period"),
        pytest.param("100/60", "is no rate", id="a period without a unit"),
        pytest.param(".5/s", "is no rate", id="no number before the point"),
        pytest.param("1.0005/s", "is no rate", id="more than thousandths"),
        pytest.param("0.0/s", "lets nothing pass", id="none, with a point"),
        pytest.param("1.5/0s", "lets nothing pass", id="a part in no time"),
        pytest.param("0.001/day", "more than a year", id="over a year, written as a part"),
        pytest.param("-1/s", "is no rate", id="less than none"),
        pytest.param("100 / min", "is no rate", id="spaces"),
        pytest.param("1000000000/min", "nine digits at most", id="more than nine digits"),
        pytest.param("0.0000000001/s", "is no rate", id="digits behind the point are not many"),
        pytest.param("0/min", "lets nothing pass", id="none"),
        pytest.param("5/0s", "lets nothing pass", id="in no time"),
        pytest.param("5/367d", "more than a year", id="over a year"),
        pytest.param("1000001/s", "limits nothing", id="too fast to count"),
        pytest.param("1001/1ms", "limits nothing", id="too fast to count in a shorter period"),
    ],
)
def test_what_is_no_rate_is_refused_with_the_reason(value, why):
    with pytest.raises(ValueError, match=why):
        Rate.parse(value)
