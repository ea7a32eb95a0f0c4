"""Who is admitted by address."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.config.units import Network
from proxy.policies.admission.ip_list import FilesConfig, IpList, IpListConfig, NetworksFile
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import FakeUpstream, exchange, fake_services, route
from tests.policies.reading import problems, refusal

ADMITTED = (200, None)
DENIED = (403, "ip_list.denied")


def a_config(allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> IpListConfig:
    return IpListConfig(allow=tuple(map(Network.parse, allow)), deny=tuple(map(Network.parse, deny)))


def a_policy(allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> IpList:
    return IpList(a_config(allow, deny), fake_services())


async def verdict(policy: IpList, client_ip: str) -> tuple[int, str | None]:
    return refusal(await route(policy).respond(exchange(client_ip=client_ip)))


INSIDE = ("10.0.0.0/8", "2001:db8::/32", "192.0.2.7")


@pytest.mark.parametrize(
    ("client_ip", "expected"),
    [
        pytest.param("10.1.2.3", ADMITTED, id="in an IPv4 network"),
        pytest.param("11.0.0.0", DENIED, id="just outside of it"),
        pytest.param("192.0.2.7", ADMITTED, id="a single address"),
        pytest.param("192.0.2.8", DENIED, id="its neighbour"),
        pytest.param("2001:db8:1::1", ADMITTED, id="in an IPv6 network"),
        pytest.param("2001:DB8:0001::0:1", ADMITTED, id="in it, spelled otherwise"),
        pytest.param("2001:db9::1", DENIED, id="just outside of that"),
        pytest.param("::ffff:10.1.2.3", ADMITTED, id="IPv4 written as IPv6"),
        pytest.param("::ffff:a01:203", ADMITTED, id="IPv4 written as IPv6, in hexadecimal"),
        pytest.param("::10.1.2.3", DENIED, id="IPv6 that only looks like IPv4"),
        pytest.param("", DENIED, id="no address, as on a unix socket"),
        pytest.param("localhost", DENIED, id="a name"),
    ],
)
async def test_with_a_list_of_the_allowed_all_others_are_refused(
    client_ip: str, expected: tuple[int, str | None]
) -> None:
    assert expected == await verdict(a_policy(allow=INSIDE), client_ip)


@pytest.mark.parametrize(
    ("client_ip", "expected"),
    [
        pytest.param("10.6.6.9", DENIED, id="in a denied network"),
        pytest.param("::ffff:10.6.6.9", DENIED, id="in it, written as IPv6"),
        pytest.param("10.6.7.1", ADMITTED, id="outside of it"),
        pytest.param("198.51.100.4", DENIED, id="in a network that was written as IPv6"),
        pytest.param("2001:db8::1", ADMITTED, id="the other family"),
        pytest.param("", ADMITTED, id="no address is on no list"),
    ],
)
async def test_with_a_list_of_the_denied_all_others_are_admitted(
    client_ip: str, expected: tuple[int, str | None]
) -> None:
    assert expected == await verdict(a_policy(deny=("10.6.6.0/24", "::ffff:198.51.100.0/120")), client_ip)


@pytest.mark.parametrize(
    ("client_ip", "expected"),
    [
        pytest.param("10.6.6.9", DENIED, id="on both lists"),
        pytest.param("10.1.1.1", ADMITTED, id="on the list of the allowed"),
        pytest.param("192.0.2.1", DENIED, id="on neither"),
    ],
)
async def test_deny_wins_over_allow(client_ip: str, expected: tuple[int, str | None]) -> None:
    assert expected == await verdict(a_policy(allow=("10.0.0.0/8",), deny=("10.6.6.0/24",)), client_ip)


async def test_the_same_address_gets_the_same_answer_again() -> None:
    pipeline = route(a_policy(deny=("192.0.2.0/24",)))

    answers = [(await pipeline.respond(exchange(client_ip="192.0.2.1"))).status for _ in range(3)]

    assert [403, 403, 403] == answers


async def test_more_clients_than_are_remembered_get_right_answers() -> None:
    pipeline = route(a_policy(allow=("10.0.0.0/20",)))
    clients = [str(ip_address("10.0.0.0") + 7 * number) for number in range(1500)]

    answers = [
        (await pipeline.respond(exchange(client_ip=client))).status for client in clients + clients[:10]
    ]

    expected = [200 if ip_address(client) in ip_network("10.0.0.0/20") else 403 for client in clients]
    assert expected + expected[:10] == answers


@pytest.mark.parametrize(
    ("client_ip", "refused_by"),
    [
        pytest.param("10.6.6.9", "deny: 10.6.6.0/24", id="the narrowest network that denies it"),
        pytest.param("192.0.2.1", "not in allow", id="nobody allowed it"),
    ],
)
async def test_a_decision_names_the_entry_that_made_it(client_ip: str, refused_by: str) -> None:
    asked = exchange(client_ip=client_ip)

    await route(a_policy(allow=("10.0.0.0/8",), deny=("10.6.0.0/16", "10.6.6.0/24"))).respond(asked)

    assert asked.refusal is not None
    assert {"client_ip": client_ip, "refused_by": refused_by} == asked.refusal.facts


async def test_the_client_is_not_told_what_is_on_the_lists() -> None:
    response = await route(a_policy(deny=("192.0.2.0/24",))).respond(exchange(client_ip="192.0.2.1"))

    assert isinstance(response.content, bytes)
    assert b"192.0.2" not in response.content


async def test_in_shadow_a_denied_client_passes_and_is_reported() -> None:
    asked = exchange(client_ip="192.0.2.1")
    upstream = FakeUpstream(200)

    await route(in_shadow("ip_list", Hooks.of(a_policy(deny=("192.0.2.0/24",)))), upstream=upstream).respond(
        asked
    )

    assert (1, ["ip_list.denied"]) == (len(upstream.seen), [r.reason for r in asked.shadowed or []])


def networks() -> st.SearchStrategy[str]:
    return st.tuples(st.ip_addresses(), st.integers(0, 128)).map(
        lambda drawn: str(ip_network((drawn[0], min(drawn[1], drawn[0].max_prefixlen)), strict=False))
    )


@given(listed=st.lists(networks(), min_size=1, max_size=20), client=st.ip_addresses())
async def test_the_verdict_is_that_of_looking_at_each_network_in_turn(
    listed: list[str], client: object
) -> None:
    networks = [ip_network(network) for network in listed]
    # IPv4 in IPv6's clothes has cases of its own above.
    addresses = (client, *(network.network_address for network in networks))
    assume(all(getattr(address, "ipv4_mapped", None) is None for address in addresses))
    # `in` is false across families.
    expected = any(client in network for network in networks)

    answer = await verdict(a_policy(deny=tuple(listed)), str(client))

    assert (DENIED if expected else ADMITTED) == answer


@pytest.mark.parametrize(
    ("policies", "wrong"),
    [
        pytest.param("ip_list: {allow: [10.0.0.0/8]}", [], id="allow"),
        pytest.param('ip_list: {deny: ["2001:db8::/32", 192.0.2.1]}', [], id="deny"),
        pytest.param("ip_list: {}", ["ip_list"], id="no list at all"),
        pytest.param(
            "ip_list: {allow: [], deny: [192.0.2.1]}",
            ["ip_list.allow"],
            id="an empty list, which could mean nobody or everybody",
        ),
        pytest.param("ip_list: {allow: [10.0.0.1/8]}", ["ip_list.allow[0]"], id="a network with host bits"),
    ],
)
def test_what_a_policy_file_may_say(policies: str, wrong: list[str], tmp_path: Path) -> None:
    assert wrong == problems(policies, tmp_path)


@pytest.mark.parametrize(
    ("allow", "deny", "client_ip", "change"),
    [
        pytest.param(INSIDE, (), "192.0.2.8", "192.0.2.8 in allow", id="who is not listed could be"),
        pytest.param((), INSIDE, "10.1.2.3", "None", id="who is denied was put there"),
        pytest.param(INSIDE, (), "", "None", id="no address can be listed"),
        pytest.param(INSIDE, (), "fe80::1%eth0", "None", id="nor one with a zone"),
    ],
)
async def test_a_refusal_names_the_edit_that_admits_and_whose_it_is(
    allow: tuple[str, ...], deny: tuple[str, ...], client_ip: str, change: str
) -> None:
    asked = exchange(client_ip=client_ip)

    await route(a_policy(allow, deny)).respond(asked)

    assert asked.refusal is not None
    assert (change, "test") == (str(asked.refusal.change), asked.refusal.policy)


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        ({"allow": ["10.0.0.0/8"]}, ("10.0.0.0/8 may come in", "nobody else")),
        ({"deny": ["10.6.6.0/24"]}, ("everybody may come in but 10.6.6.0/24",)),
        (
            {"allow": ["10.0.0.0/8", "192.0.2.1"], "deny": ["10.6.6.0/24"]},
            ("10.0.0.0/8 and 192.0.2.1 may come in but 10.6.6.0/24", "nobody else"),
        ),
    ],
)
def test_it_says_in_words_who_may_come_in(lists: dict[str, list[str]], words: tuple[str, ...]) -> None:
    config = IpListConfig(**{name: tuple(map(Network.parse, networks)) for name, networks in lists.items()})

    assert words == config.in_words()


# ---- lists in files


def in_a_file(folder: Path, text: str, name: str = "deny", beside: str = "") -> list[str]:
    (folder / "drop.txt").write_text(text, encoding="utf-8")
    return problems(f"ip_list: {{files: {{{name}: [drop.txt]}}{beside}}}", folder)


LIST = """\
# what is dropped
192.0.2.0/24   # a network

2001:db8::/32
198.51.100.7
"""


def from_files(**lists: str) -> IpList:
    files = {name: (NetworksFile("x").holding(NetworksFile.read(text)[0]),) for name, text in lists.items()}
    return IpList(IpListConfig(files=FilesConfig(**files)), fake_services())


@pytest.mark.parametrize(
    ("client_ip", "listed"),
    [
        pytest.param("192.0.2.9", True, id="in a network"),
        pytest.param("2001:db8:1::1", True, id="in an IPv6 network"),
        pytest.param("198.51.100.7", True, id="an address"),
        pytest.param("198.51.100.8", False, id="beside it"),
    ],
)
async def test_lists_in_files_count_as_if_they_stood_there(client_ip: str, listed: bool) -> None:
    denying, admitting = from_files(deny=LIST), from_files(allow=LIST)

    assert (DENIED if listed else ADMITTED) == await verdict(denying, client_ip)
    assert (ADMITTED if listed else DENIED) == await verdict(admitting, client_ip)


def test_a_file_of_networks_loads(tmp_path: Path) -> None:
    assert [] == in_a_file(tmp_path, LIST)


def test_a_line_that_is_no_network_is_told_of_by_its_number() -> None:
    networks, faults = NetworksFile.read("10.0.0.0/8\nten.example\n10.0.0.1/8\n")

    assert (("10.0.0.0/8",), [2, 3]) == (networks, [fault.line for fault in faults])


@pytest.mark.parametrize("text", ["10.0.0.0/8\nten.example\n", "10.0.0.1/8", ""])
def test_a_file_with_a_mistake_is_refused(text: str, tmp_path: Path) -> None:
    assert in_a_file(tmp_path, text)


def test_an_empty_list_of_those_who_are_admitted_is_refused(tmp_path: Path) -> None:
    refused = in_a_file(tmp_path, "# nobody yet", "allow"), in_a_file(tmp_path, "# nobody yet")

    assert (["ip_list.files.allow[0]"], []) == refused


def test_check_says_how_many_are_in_a_file() -> None:
    file = NetworksFile("drop.txt").holding(NetworksFile.read(LIST)[0])

    config = IpListConfig(files=FilesConfig(deny=(file,)))

    assert ("everybody may come in but 3 in drop.txt",) == config.in_words()
