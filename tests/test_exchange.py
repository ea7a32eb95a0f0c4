import pytest

from proxy.errors import Rejection
from proxy.exchange import DEFAULT_LIMITS, NO_ROUTE, Exchange, ExchangeKey, Request, Response
from proxy.testing import Chunks
from proxy.testing import exchange as an_exchange


class FakeStream:
    """A body that has not been read; tells how often it was."""

    def __init__(self, body):
        self.body = body
        self.limits = []

    async def collect(self, limit):
        self.limits.append(limit)
        return self.body if len(self.body) <= limit else None


def exchange(content=b"", content_length=None, **facts):
    request = Request("POST", "/a?b", "/a", "b", content=content, content_length=content_length)
    return Exchange(request, client_ip="192.0.2.7", **facts)


async def test_a_body_is_read_once_and_kept_for_everybody_after():
    stream = FakeStream(b"hello")
    asked = exchange(stream)

    first, second = await asked.body(), await asked.body()

    assert (b"hello", b"hello", b"hello", 1) == (first, second, asked.request.content, len(stream.limits))


async def test_a_body_that_is_there_is_not_read():
    assert b"hello" == await exchange(b"hello").body()


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        pytest.param([], 100, id="by --max-body where no policy says anything"),
        pytest.param([7], 7, id="by the policy's limit"),
        pytest.param([7, 5, 9], 5, id="by the least of several"),
        pytest.param([1000], 1000, id="by the policy's limit also where it is larger"),
    ],
)
async def test_what_is_read_of_a_body_is_bounded(bounds, expected):
    stream = FakeStream(b"hello")
    asked = exchange(stream, max_body=100)
    for limit in bounds:
        asked.bound_body(limit, Rejection(413, "size_limit.body"))

    await asked.body()

    assert [expected] == stream.limits


async def test_a_body_over_the_limit_of_a_policy_is_refused_in_the_policys_words():
    first, second = Rejection(413, "one.body"), Rejection(413, "two.body")
    asked = exchange(FakeStream(b"hello"))
    asked.bound_body(4, first)
    asked.bound_body(4, second)

    with pytest.raises(Rejection) as refused:
        await asked.body()

    assert refused.value is first


async def test_a_body_over_max_body_is_refused_and_can_still_be_passed_on():
    stream = FakeStream(b"hello")
    asked = exchange(stream, max_body=4)

    with pytest.raises(Rejection) as refused:
        await asked.body()

    assert (413, "request.body_too_large", {"limit": 4}, stream) == (
        refused.value.status,
        refused.value.reason,
        refused.value.facts,
        asked.request.content,
    )


@pytest.mark.parametrize(("declared", "refused"), [(4, False), (5, False), (6, True)])
def test_a_declared_length_over_the_limit_is_refused_before_a_byte_is_read(declared, refused):
    rejection = Rejection(413, "size_limit.body")
    asked = exchange(FakeStream(b""), content_length=declared)

    try:
        asked.bound_body(5, rejection)
    except Rejection as raised:
        assert refused
        assert raised is rejection  # noqa: PT017
    else:
        assert not refused


def test_the_earliest_deadline_counts_whoever_sets_it_last():
    early, late = Rejection(504, "early.exceeded"), Rejection(504, "late.exceeded")
    one, other = exchange(), exchange()

    one.bound_time(10.0, late)
    one.bound_time(5.0, early)
    other.bound_time(5.0, early)
    other.bound_time(10.0, late)

    assert [(5.0, early)] * 2 == [(each.deadline, each.deadline_refusal) for each in (one, other)]


def test_what_policies_in_shadow_would_refuse_is_told_in_order():
    first, second = Rejection(429, "a.b"), Rejection(401, "c.d")
    asked = exchange()

    before = asked.shadowed
    asked.shadow(first)
    asked.shadow(second)

    assert (None, [first, second]) == (before, asked.shadowed)


def test_a_policy_finds_what_it_noted_and_nobody_elses():
    mine, other = ExchangeKey[int]("note"), ExchangeKey[int]("note")
    asked = exchange()

    before = asked.recall(mine)
    asked.remember(mine, 1)
    asked.remember(mine, 2)

    assert (None, 2, None) == (before, asked.recall(mine), asked.recall(other))


def test_notes_of_one_exchange_are_not_those_of_another():
    key = ExchangeKey[int]("note")
    one, other = exchange(), exchange()
    one.remember(key, 1)
    other.remember(key, 2)

    assert (1, 2) == (one.recall(key), other.recall(key))


def test_an_exchange_starts_without_a_route_an_identity_or_a_decision():
    fresh = exchange(request_id="r", decision_id="d", started=1.5, peer_ip="10.0.0.1", peer_trusted=True)

    assert ("192.0.2.7", "r", "d", 1.5, "10.0.0.1", True) == (
        fresh.client_ip,
        fresh.request_id,
        fresh.decision_id,
        fresh.started,
        fresh.peer_ip,
        fresh.peer_trusted,
    )
    assert (NO_ROUTE, {}, None, DEFAULT_LIMITS, None, None, 0, None) == (
        fresh.route,
        fresh.params,
        fresh.identity,
        fresh.limits,
        fresh.deadline,
        fresh.refusal,
        fresh.attempts,
        fresh.upstream_status,
    )


def test_requests_and_responses_do_not_share_their_headers():
    one, other = Response(200), Response(200)
    one.headers.set("X-A", "1")

    assert ("1", None) == (one.headers.get("X-A"), other.headers.get("X-A"))


async def test_a_response_is_buffered_once_and_can_still_be_passed_on():
    stream = FakeStream(b"hello")
    response = Response(200, content=stream)

    first, second = await response.body(5), await response.body(5)

    assert (b"hello", b"hello", b"hello", [5]) == (first, second, response.content, stream.limits)


async def test_a_response_larger_than_asked_for_streams_on():
    stream = FakeStream(b"hello")
    response = Response(200, content=stream)

    assert (None, stream) == (await response.body(4), response.content)


@pytest.mark.parametrize(("limit", "expected"), [(5, b"hello"), (4, None)])
async def test_a_response_that_is_there_is_told_up_to_the_limit_and_stays(limit, expected):
    response = Response(200, content=b"hello")

    assert (expected, b"hello") == (await response.body(limit), response.content)


def test_the_wire_is_told_of_a_new_deadline_and_of_none_that_comes_later():
    class Carrier:
        told = 0

        def bounded(self):
            self.told += 1

    asked = exchange()
    asked.carrier = Carrier()

    asked.bound_time(5.0, Rejection(504, "a.exceeded"))
    asked.bound_time(10.0, Rejection(504, "b.exceeded"))

    assert 1 == asked.carrier.told


@pytest.mark.parametrize(
    ("header", "deadline", "now", "told"),
    [
        ("X-Left", 10.0, 7.5004, ["2499"]),
        ("X-Left", 10.0, 11.0, ["1"]),
        (None, 10.0, 1.0, []),
        ("X-Left", None, 1.0, []),
    ],
)
def test_the_upstream_is_told_what_is_left_where_it_is_to_know(
    header: str | None, deadline: float | None, now: float, told: list[str]
) -> None:
    asked = an_exchange()
    asked.deadline_header, asked.deadline = header, deadline

    asked.tell_time_left(now)

    assert told == asked.request.headers.get_all("X-Left")


class Wire:
    """Its side of an exchange."""

    has_all_of_body = True
    kept = 0

    def keep_body(self, limit: int) -> None:
        self.kept = limit


@pytest.mark.parametrize(
    ("body", "wire", "kept", "repeatable"),
    [
        (b"all of it", None, 0, True),
        (b"all of it", Wire(), 0, True),
        (Chunks(b"streams"), None, 0, False),
        (Chunks(b"streams"), Wire(), 7, True),
    ],
)
def test_a_request_can_be_repeated_while_all_of_it_is_here(
    body: bytes | Chunks, wire: Wire | None, kept: int, repeatable: bool
) -> None:
    asked = an_exchange(body=body)
    asked.carrier = wire

    asked.keep_body(7)

    assert (kept, repeatable) == (0 if wire is None else wire.kept, asked.repeatable)


def test_what_was_remembered_can_be_forgotten() -> None:
    asked, key = an_exchange(), ExchangeKey[int]("a")
    asked.forget(key)
    asked.remember(key, 7)
    asked.forget(key)

    assert None is asked.recall(key)
