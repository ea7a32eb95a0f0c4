from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.errors import Rejection
from proxy.router import normalize
from proxy.router.paths import REMEMBERED_LENGTH, fold, never_requested


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("/", "/", id="the root"),
        pytest.param("/a/b-c_d.e~f", "/a/b-c_d.e~f", id="plain characters stay"),
        pytest.param("/a!$&'()*+,=:@", "/a!$&'()*+,=:@", id="so do delimiters"),
        pytest.param("/a;b=c", "/a;b=c", id="and parameters"),
        pytest.param("/a/", "/a/", id="and a slash at the end"),
        pytest.param("/%61dmin", "/admin", id="a letter is decoded"),
        pytest.param("/caf%C3%A9", "/café", id="UTF-8 is decoded"),
        pytest.param("/café", "/café", id="UTF-8 that was not encoded is taken as it is"),
        pytest.param("/a%20b+c", "/a b+c", id="a plus is no space in a path"),
        pytest.param("/50%25off", "/50%off", id="a percent sign that begins no escape stays"),
        pytest.param("/a//b///c", "/a/b/c", id="double slashes are merged"),
        pytest.param("/a//", "/a/", id="also at the end"),
        pytest.param("/a?b=%zz", "/a", id="the query is not looked at"),
        pytest.param("/what%3F%23", "/what?#", id="an encoded delimiter is a letter"),
        pytest.param("/.well-known/x", "/.well-known/x", id="a name may begin with a dot"),
        pytest.param("/.../..a/a..", "/.../..a/a..", id="three dots are a name"),
    ],
)
def test_a_path_is_decoded_once_and_its_slashes_are_merged(raw, expected):
    assert expected == normalize(raw)


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        pytest.param("/a/../admin", "dot segment", id="dot segments"),
        pytest.param("/./admin", "dot segment", id="a single dot"),
        pytest.param("/a/..", "dot segment", id="dots at the end"),
        pytest.param("/admin/%2e%2e/", "dot segment", id="encoded dots"),
        pytest.param("/admin/.%2E/x", "dot segment", id="half-encoded dots"),
        pytest.param("/a/..;/admin", "dot segment", id="dots with parameters, as Tomcat resolves them"),
        pytest.param("/a/.;x=y/admin", "dot segment", id="one dot with parameters"),
        pytest.param("/a/..%3bx/admin", "dot segment", id="dots with encoded parameters"),
        pytest.param("/a/..%3fx", "dot segment", id="dots before an encoded question mark"),
        pytest.param("/a/..%23x", "dot segment", id="dots before an encoded fragment"),
        pytest.param("/a//../b", "dot segment", id="dots behind a double slash"),
        pytest.param("/a%2fb", "encoded slash", id="an encoded slash"),
        pytest.param("/a%2Fb", "encoded slash", id="the same in capitals"),
        pytest.param("/%2e%2e%2fetc", "encoded slash", id="encoded traversal"),
        pytest.param("/a\\b", "backslash", id="a backslash"),
        pytest.param("/a%5c..%5Cb", "backslash", id="an encoded backslash"),
        pytest.param("/\\evil/admin", "backslash", id="a backslash where URL parsers expect a host"),
        pytest.param("/admin%00.png", "control character", id="NUL"),
        pytest.param("/admin%0d%0aX: y", "control character", id="a line break"),
        pytest.param("/admin%7f", "control character", id="DEL"),
        pytest.param("/admin\t", "control character", id="a raw control character"),
        pytest.param("/admin%c2%85", "control character", id="NEL, of C1"),
        pytest.param("/admin%e2%80%a8", "control character", id="the line separator"),
        pytest.param("/%2561dmin", "more than once", id="a letter encoded twice"),
        pytest.param("/%252e%252e/", "more than once", id="dots encoded twice"),
        pytest.param("/%25%32%65", "more than once", id="a dot encoded twice in another way"),
        pytest.param("/a%", "percent sign", id="a percent sign at the end"),
        pytest.param("/a%4", "percent sign", id="one hex digit"),
        pytest.param("/a%zz", "percent sign", id="no hex digits"),
        pytest.param("/%u0061dmin", "percent sign", id="the escapes of IIS"),
        pytest.param("/a%٣٣", "percent sign", id="digits of another script"),
        pytest.param("/%c0%ae%c0%ae/", "not UTF-8", id="overlong dots"),
        pytest.param("/ad%ffmin", "not UTF-8", id="a byte that decoders drop"),
        pytest.param("/%ed%a0%80", "not UTF-8", id="half a surrogate pair"),
        pytest.param("/caf\udce9", "not UTF-8", id="a raw byte of Latin-1"),
        pytest.param("/caf\ud800", "not UTF-8", id="a surrogate that stands for no byte"),
        pytest.param("/admin#x", "fragment", id="a fragment, where nginx ends the path"),
        pytest.param("//x/admin", "two slashes", id="what URL parsers take for a host"),
        pytest.param("*", "begin with a slash", id="an asterisk"),
        pytest.param("", "begin with a slash", id="nothing"),
        pytest.param("?a", "begin with a slash", id="a query alone"),
        pytest.param("http://x/", "begin with a slash", id="a whole URL"),
    ],
)
def test_a_path_that_upstreams_read_differently_is_refused(raw, detail):
    with pytest.raises(Rejection) as refused:
        normalize(raw)

    assert (400, "request.path", True) == (
        refused.value.status,
        refused.value.reason,
        detail in refused.value.detail,
    )


def test_a_path_too_long_to_be_remembered_is_treated_alike():
    path = "/%61" * REMEMBERED_LENGTH

    assert "/a" * REMEMBERED_LENGTH == normalize(path)
    with pytest.raises(Rejection):
        normalize(path + "/..")


pieces = st.sampled_from(
    ["/", "/", ".", "..", "%2e", "%2F", "%25", "%", "2e", "a", "A", ";", "\\", "?", "#", "é"]
)
targets = st.one_of(
    st.lists(pieces, max_size=12).map(lambda found: "/" + "".join(found)),
    st.text(max_size=20).map(lambda text: "/" + text),
    st.text(max_size=20),
    st.binary(max_size=20).map(lambda data: "/" + data.decode("utf-8", "surrogateescape")),
    st.binary(max_size=20).map(lambda data: "/" + quote(data)),
)


def normalized(raw):
    try:
        return normalize(raw)
    except Rejection:
        return None


@given(targets)
@example("/a%3F%23;x/%25/..a")
def test_what_is_normalized_stays_so_however_often_it_is_sent(raw):
    path = normalized(raw)

    if path is not None:
        assert path == normalize(quote(path))


@given(targets)
def test_nothing_is_raised_but_a_refusal_and_nothing_gets_through_that_looks_refused(raw):
    path = normalized(raw)

    if path is not None:
        segments = path.split("/")
        assert path.startswith("/")
        assert "//" not in path
        assert {".", ".."}.isdisjoint(segments)
        assert {".", ".."}.isdisjoint(segment.partition(";")[0] for segment in segments)
        assert not any(char in path for char in "\\\0\r\n\x7f")
        assert not never_requested(path)


@given(targets, st.data())
def test_encoding_more_of_a_path_does_not_change_what_it_matches(raw, data):
    path = normalized(raw)

    if path is not None:
        encoded = "".join(
            "".join(f"%{byte:02x}" for byte in char.encode())
            if char != "/" and data.draw(st.booleans())
            else quote(char)
            for char in path
        )
        assert path == normalize(encoded)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/", "", id="the root"),
        pytest.param("/Admin/Users", "admin/users", id="letter case"),
        pytest.param("/admin/", "admin", id="a slash at the end"),
        pytest.param("/admin;x=y", "admin", id="parameters"),
        pytest.param("/a;x/b;y=1/c", "a/b/c", id="parameters of every segment"),
        pytest.param("/a/;x/b", "a/b", id="a segment of parameters only"),
        pytest.param("/;/admin", "admin", id="the same in front"),
        pytest.param("/admin?x/y", "admin", id="what follows a decoded question mark"),
        pytest.param("/admin#x;y", "admin", id="what follows a decoded hash"),
        pytest.param("/admin/?x", "admin", id="a slash before it"),
    ],
)
def test_a_lenient_upstream_ignores(path, expected):
    assert expected == fold(path)


@given(targets)
def test_reading_leniently_twice_changes_nothing(raw):
    path = normalized(raw)

    if path is not None:
        assert fold(path) == fold("/" + fold(path))


@pytest.mark.parametrize("path", ["a", "/a//b", "/a/../b", "/%61", "/a\\b", "/a\n"])
def test_a_path_that_no_request_has_is_known(path):
    assert never_requested(path)


@pytest.mark.parametrize("path", ["/", "/a/b/", "/50%", "/ü"])
def test_a_path_that_a_request_can_have_is_known(path):
    assert not never_requested(path)
