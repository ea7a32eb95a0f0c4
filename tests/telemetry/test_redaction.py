from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Exchange, Identity, Request
from proxy.telemetry.redaction import Redaction, masked_path, masked_query, masked_text

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"


@pytest.mark.parametrize(
    "name",
    [
        "token", "access_token", "id-token", "accessToken", "csrftoken", "secret", "client_secret",
        "password", "passwd", "passphrase", "pwd", "credential", "X-Amz-Credential", "signature",
        "X-Amz-Signature", "sig", "session", "sessionid", "PHPSESSION", "sid", "jwt", "bearer", "hmac",
        "key", "api_key", "apikey", "apiKey", "auth", "oauth_verifier", "Authorization", "code", "pin",
        "otp", "pass", "user[token]", "access%5Ftoken", "%74oken", "to%6ben",
    ],
)  # fmt: skip
def test_the_value_of_a_secret_name_is_masked(name: str) -> None:
    assert f"a=1&{name}=***&b=2" == masked_query(f"a=1&{name}=hunter2&b=2")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("", id="nothing"),
        pytest.param("page=2&size=30", id="plain names"),
        pytest.param("author=ann&authors=bob", id="an author is no authority"),
        pytest.param("country_codes=de&keyword=x&shipping=1&side=left", id="words that only begin alike"),
        pytest.param("q=the+secret+garden", id="a secret word in a value"),
        pytest.param("q=100%25&r=%C3%A9;s=1", id="escapes, as they came"),
        pytest.param("flag&=x&a=b=c&&", id="odd pairs"),
        pytest.param("q=eyJ", id="what only begins like a JWT"),
    ],
)
def test_everything_else_stays_byte_for_byte(query: str) -> None:
    assert query == masked_query(query)


@pytest.mark.parametrize(
    ("query", "masked"),
    [
        pytest.param("token=a=b&x=1", "token=***&x=1", id="a value with an equals sign"),
        pytest.param("x=1;token=abc;y=2", "x=1;token=***;y=2", id="semicolons between pairs"),
        pytest.param("token=a&token=b", "token=***&token=***", id="twice"),
        pytest.param("token=", "token=***", id="an empty one"),
        pytest.param(f"next={JWT}", "next=***", id="a JWT under a harmless name"),
        pytest.param(f"next=%2F&x=pre{JWT}", "next=%2F&x=***", id="a JWT inside a value"),
        pytest.param(f"x={JWT.replace('.', '%2E')}", "x=***", id="a JWT with encoded dots"),
        pytest.param("t%256Fken=a&x=1", "t%256Fken=***&x=1", id="a name that is encoded twice"),
        pytest.param("next=/cb?token=abc", "next=***", id="a query within a value"),
        pytest.param("next=%2Fcb%3Fa%3D1%26api_key%3Dabc&x=1", "next=***&x=1", id="the same, encoded"),
        pytest.param("next=%252Fcb%253Ftoken%253Dabc", "next=***", id="the same, encoded twice"),
        pytest.param("db=https://ann:hunter2@db/x", "db=***", id="a password in a url"),
    ],
)
def test_all_of_a_secret_goes(query: str, masked: str) -> None:
    assert masked == masked_query(query)


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        pytest.param(f"/reset/{JWT}/now", "/reset/***/now", id="a JWT"),
        pytest.param(f"/reset/{JWT.replace('.', '%2e')}", "/reset/***", id="a JWT with encoded dots"),
        pytest.param("/a;jsessionid=abc;v=1/b", "/a;jsessionid=***;v=1/b", id="a parameter of a segment"),
        pytest.param("/a;jsession%69d=abc/b", "/a;jsession%69d=***/b", id="its name encoded"),
        pytest.param("/a/token=abc/b", "/a/token=***/b", id="an assignment"),
        pytest.param("/a%3Ftoken%3Dabc", "/***", id="an encoded query"),
        pytest.param("/a%253Ftoken%253Dabc", "/***", id="one that is encoded twice"),
        pytest.param("/a/b%20c;v=1/q=1/author=x", "/a/b%20c;v=1/q=1/author=x", id="nothing of the kind"),
        pytest.param("/tokens/7", "/tokens/7", id="a word"),
    ],
)
def test_what_looks_secret_in_a_path_is_masked(path: str, masked: str) -> None:
    assert masked == masked_path(path)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000 + ";=",
        "%3d" + "a" * 300_000,
        "eyJ" * 100_000,
        "=" * 300_000,
        "a=" * 150_000,
        "." * 300_000,
    ],
    ids=["a name without a value", "a value", "what begins like many JWTs", "nothing", "names", "dots"],
)
def test_no_path_or_query_costs_more_than_its_length(text: str) -> None:
    """Gone through again for each of its letters, one of these would take minutes."""
    start = time.process_time()
    masked_path(f"/{text}")
    masked_query(f"%20{text}")
    masked_text(text[:50_000])

    assert time.process_time() - start < 5.0


@given(st.text("/;=%a5token", max_size=30))
def test_a_path_keeps_its_segments(path: str) -> None:
    assert path.count("/") == masked_path(path).count("/")


@given(
    before=st.text("ab=&;%2 +.é\udcff", max_size=20),
    secret=st.text("XYZ=%.é\udcff", min_size=1),
    after=st.text("ab=&", max_size=9),
)
def test_no_part_of_a_secret_shows_whatever_stands_around_it(before: str, secret: str, after: str) -> None:
    masked = masked_query(f"{before}&password={secret}&{after}")

    assert f"{before}&password=***&{after}" == masked


def asked() -> Exchange:
    request = Request(
        "GET", "/t/acme/7?q=visible&user=joe%20d&token=x", "/t/acme/7", "q=visible&user=joe%20d&token=x"
    )
    request.headers.add("X-Tenant", "acme-tenant")
    exchange = Exchange(request, client_ip="192.0.2.7")
    exchange.params = {"tenant": "acme", "id": "7"}
    exchange.identity = Identity("joe", "basic_auth")
    return exchange


def test_parameters_that_are_named_are_masked_beside_those_that_look_secret() -> None:
    query = Redaction(["query:user"]).query(asked().request.query)

    assert "q=visible&user=***&token=***" == query


def test_segments_of_the_path_are_masked() -> None:
    assert "/t/***/7" == Redaction(["path.tenant"]).path("/t/acme/7", "/t/{tenant}/{id}")
    assert "/t/acme/7" == Redaction(["query:tenant"]).path("/t/acme/7", "/t/{tenant}/{id}")


@pytest.mark.parametrize("path", ["/t//acme/7", "/t/acme//7/", "/t/acme/7"])
def test_slashes_that_a_route_merges_move_nothing(path: str) -> None:
    assert path.replace("acme", "***") == Redaction(["path.tenant"]).path(path, "/t/{tenant}/{id}")


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        pytest.param("/t/acme/7", "/t/***/7", id="another method"),
        pytest.param("/T/acme/7", "/T/***/7", id="other letters"),
        pytest.param("/%74/acme/7", "/%74/***/7", id="encoded"),
        pytest.param("/files/acme/a/b", "/files/***/a/b", id="whatever follows"),
        pytest.param("/t/acme", "/t/***", id="less than a route wants"),
        pytest.param("/t/acme/../7", "/t/***/../7", id="a path that is refused"),
        pytest.param("/u/acme/7", "/u/acme/7", id="something else"),
        pytest.param("/", "/", id="nothing"),
    ],
)
def test_what_no_route_takes_is_masked_as_the_routes_that_it_looks_like(path: str, masked: str) -> None:
    templates = ["/t/{tenant}/{id}", "/files/{tenant}/**", "/x/{id}"]

    assert masked == Redaction(["path.tenant"], templates).path(path, "")


def test_the_network_of_an_address_is_masked_with_it() -> None:
    told = Redaction(["client.ip"]).told({"key": "client.net 2001:db8::/64, route.name a"}, asked())

    assert {"key": "client.net ***, route.name a"} == told


def test_a_parameter_that_is_named_is_masked_however_its_name_is_written() -> None:
    assert "us%2565r=***&USER=***" == Redaction(["query:user"]).query("us%2565r=joe&USER=joe")


def test_the_client_and_the_caller_are_masked() -> None:
    hidden, shown = Redaction(["client.ip", "auth.id"]), Redaction([])

    assert ("***", "***") == (hidden.client_ip(asked()), hidden.identity(asked()))
    assert ("192.0.2.7", "joe") == (shown.client_ip(asked()), shown.identity(asked()))
    assert "" == hidden.identity(Exchange(Request("GET", "/", "/"), client_ip=""))


def test_what_a_decision_quotes_is_masked() -> None:
    verdict = {
        "cause": "acme-tenant is none of ours",
        "facts": {"key": "client.ip 192.0.2.7", "by": "joe d", "n": 7, "path": "acme"},
        "retry_after": None,
    }
    hidden = Redaction(["header:x-tenant", "client.ip", "query:user", "path.tenant", "auth.id"])

    assert {
        "cause": "*** is none of ours",
        "facts": {"key": "client.ip ***", "by": "***", "n": 7, "path": "***"},
        "retry_after": None,
    } == hidden.told(verdict, asked())


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=hunter2 user=ann", "password=*** user=ann"),
        ('{"api_key": "abc", "id": 7}', '{"api_key": "***", "id": 7}'),
        ("'SECRET_KEY' => 'abc'", "'SECRET_KEY' => '***'"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("at postgres://ann:hunter2@db/app", "at postgres://***@db/app"),
        ("token eyJhbGciOi.eyJzdWIiOi.c2ln here", "token ***.c2ln here"),
        ("KeyError: 'name'", "KeyError: 'name'"),
        ("nothing to see", "nothing to see"),
    ],
)
def test_what_is_assigned_in_a_text_goes_by_its_name(text: str, masked: str) -> None:
    assert masked == masked_text(text)
