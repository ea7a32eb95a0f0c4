import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import header_lines
from proxy.header_lines import HOLE, Varied, without
from proxy.headers import HeaderBlock, Headers, Known, OfField, arrived


def received(*fields):
    return [(name.encode(), value.encode()) for name, value in fields]


def lines(*fields):
    return b"\r\n" + b"".join(b"%b: %b\r\n" % field for field in fields)


def off_the_wire(fields, dropped=frozenset(), known=None):
    """As the wire makes them."""
    whole = lines(*fields)
    return arrived(whole, without(whole, whole.lower(), dropped) if dropped else whole, b"", known)


def made(fields, dropped=frozenset()):
    """As a policy makes them."""
    headers = Headers(fields)
    headers.drop(dropped)
    return headers


def test_what_arrived_goes_on_as_it_came():
    headers = Headers(received(("Host", "a"), ("x-ODD", "1"), ("X-Odd", "2")))

    assert b"\r\nHost: a\r\nx-ODD: 1\r\nX-Odd: 2\r\n" == headers.serialize()


def test_no_fields_are_no_bytes():
    assert b"\r\n" == Headers().serialize()


def test_a_block_that_only_removes_leaves_no_trace():
    headers = Headers()

    headers.stamp(HeaderBlock({}, ["Server"]))

    assert b"\r\n" == headers.serialize()


@pytest.mark.parametrize("make", [made, off_the_wire])
@pytest.mark.parametrize(
    ("name", "one", "every"),
    [
        pytest.param("accept", "a, b", ["a", "b"], id="a name that comes twice"),
        pytest.param("HOST", "h", ["h"], id="a name in another case"),
        pytest.param("X-None", None, [], id="a name that is not there"),
        pytest.param("Cookie", None, [], id="a name that was dropped on arrival"),
    ],
)
def test_values_are_found_by_name(make, name, one, every):
    fields = [("Accept", "a"), ("Host", "h"), ("ACCEPT", "b"), ("Cookie", "c")]

    headers = make(received(*fields), frozenset([b"cookie"]))

    assert (one, every, one is not None) == (headers.get(name), headers.get_all(name), name in headers)


@pytest.mark.parametrize("make", [made, off_the_wire])
def test_a_change_is_seen(make):
    headers = make(received(("A", "1"), ("B", "1"), ("C", "1")))

    headers.set("a", "2")
    headers.add("B", "2")
    headers.remove("C")
    headers.stamp(HeaderBlock({"D": "2"}))

    assert [["2"], ["1", "2"], [], ["2"]] == [headers.get_all(name) for name in ("A", "B", "C", "D")]


def test_undecodable_bytes_survive_being_read_and_written_again():
    headers = Headers([(b"X-Raw", b"caf\xe9")])

    headers.set("X-Copy", headers.get("X-Raw") or "")

    assert [(b"X-Raw", b"caf\xe9"), (b"X-Copy", b"caf\xe9")] == list(headers)


@pytest.mark.parametrize("value", ["a\r\nX-Forged: 1", "a\nb", "a\rb", "a\0b"])
@pytest.mark.parametrize("change", ["add", "set"])
def test_a_value_that_would_forge_a_field_is_refused(change, value):
    headers = Headers()

    with pytest.raises(ValueError, match="the value of X-Name has a line break or a NUL in it"):
        getattr(headers, change)("X-Name", value)

    assert b"\r\n" == headers.serialize()


@pytest.mark.parametrize(
    "name", ["", "X\r\nX-Forged", "X: 1\r\nY", "X ", "X:", "X\0", "\xe9", "\u010d", "\U0001f600"]
)
@pytest.mark.parametrize("change", ["add", "set", "block"])
def test_a_name_that_would_forge_a_field_is_refused(change, name):
    headers = Headers()

    with pytest.raises(ValueError):
        HeaderBlock({name: "1"}) if change == "block" else getattr(headers, change)(name, "1")

    assert b"\r\n" == headers.serialize()


@pytest.mark.parametrize("value", ["a\r\nX-Forged: 1", "a\nb", "a\rb", "a\0b"])
def test_a_value_that_would_forge_a_field_is_refused_in_a_block(value):
    with pytest.raises(ValueError, match="the value of X-Name has a line break or a NUL in it"):
        HeaderBlock({"X-Name": value})


def test_what_arrived_can_be_told_after_every_change():
    fields = received(("A", "1"), ("B", "23"))
    for headers in (made(fields, frozenset([b"b"])), off_the_wire(fields, frozenset([b"b"]))):
        headers.remove("A")

        assert (2, 5) == (headers.received_count, headers.received_size)
        assert (fields, []) == (list(headers.received), list(headers))


def test_a_block_replaces_what_it_sets_and_removes_what_it_names():
    headers = Headers(received(("server", "old"), ("X-Frame-Options", "ALLOW"), ("X", "1")))

    headers.stamp(HeaderBlock({"X-Frame-Options": "DENY"}, ["Server"]))

    assert b"\r\nX: 1\r\nX-Frame-Options: DENY\r\n" == headers.serialize()


def test_a_block_tells_its_fields_and_every_name_it_touches():
    block = HeaderBlock({"X-A": "ü"}, ["Server"])

    assert (((b"X-A", "ü".encode()),), frozenset([b"x-a", b"server"])) == (block.fields, block.names)


def test_a_later_change_takes_single_fields_out_of_a_block():
    headers = Headers()
    headers.stamp(HeaderBlock({"A": "1", "B": "1"}))
    headers.stamp(HeaderBlock({"C": "1"}))

    headers.set("B", "2")

    assert ([(b"A", b"1")], [(b"B", b"2")], [(b"C", b"1")]) == tuple(
        [field for field in headers if field[0] == name] for name in (b"A", b"B", b"C")
    )


def test_a_block_is_shared_and_never_changes():
    block = HeaderBlock({"A": "1", "B": "1"})
    changed, untouched = Headers(), Headers()
    changed.stamp(block)
    untouched.stamp(block)

    changed.remove("A")

    assert (b"\r\nB: 1\r\n", b"\r\nA: 1\r\nB: 1\r\n") == (changed.serialize(), untouched.serialize())


def test_changes_to_one_message_do_not_show_in_another_with_the_same_fields():
    fields = received(("A", "1"))
    changed, untouched = Headers(fields), Headers(fields)

    changed.remove("A")

    assert ([], fields) == (list(changed), list(untouched))


def test_a_copy_has_the_same_fields_and_is_changed_apart():
    first = off_the_wire(received(("A", "1"), ("B", "1")), frozenset([b"b"]))
    first.stamp(HeaderBlock({"C": "1"}))
    first.add("D", "1")

    copy = first.copy()
    before = list(copy)
    copy.remove("A")
    copy.set("C", "2")
    copy.add("D", "2")

    assert (before, [(b"A", b"1"), (b"C", b"1"), (b"D", b"1")]) == (list(first), before)
    assert {b"c": [b"2"], b"d": [b"1", b"2"]} == by_name(copy)


# ---- what is remembered of fields that come again


def test_what_is_read_once_is_kept_with_the_fields_and_not_with_their_names():
    reads = []

    def read(headers):
        reads.append(headers.get("A"))
        return headers.get("A")

    one, other = {}, {}
    told = [
        off_the_wire(received(("A", value)), known=known).once(read)
        for value, known in (
            ("1", one),
            ("1", one),
            ("2", other),
            ("2", other),
            ("1", one),
            ("3", None),
            ("3", None),
        )
    ]

    assert ["1", "1", "2", "2", "1", "3", "3"] == told
    assert ["1", "2", "3", "3"] == reads


@pytest.mark.parametrize("known", [{}, None], ids=["remembered", "not remembered"])
def test_what_is_read_once_is_what_arrived_whatever_was_changed_since(known):
    headers = off_the_wire(received(("A", "1"), ("B", "1")), frozenset([b"b"]), known)
    headers.set("A", "2")
    headers.add("B", "2")

    read = headers.once(lambda fields: (fields.get("A"), fields.get("B"), fields.received_count))

    assert (("1", None, 2), "2", "2") == (read, headers.get("A"), headers.get("B"))


def test_a_reading_that_fails_is_not_remembered():
    known: Known = {}

    def refuse(headers):
        raise ValueError(headers.get("A"))

    for _ in range(2):
        with pytest.raises(ValueError, match="1"):
            off_the_wire(received(("A", "1")), known=known).once(refuse)

    assert refuse not in known


def test_that_a_reading_gives_nothing_is_remembered_too():
    reads = []
    known: Known = {}

    for _ in range(2):
        assert off_the_wire(received(), known=known).once(reads.append) is None

    assert 1 == len(reads)


def test_of_the_same_fields_only_so_much_is_remembered():
    known: Known = {}

    for number in range(100):
        headers = off_the_wire(received(("A", "1")), known=known)
        headers.once(lambda _, number=number: number)
        headers.drop(frozenset([b"x-%d" % number]))
        assert (None, "1") == (headers.get(f"None-{number}"), headers.get("A"))
        headers.serialize()

    assert 8 == len(known)


class NaiveHeaders:
    """What Headers must behave like: a list that every change goes through."""

    def __init__(self, fields):
        self.fields = list(fields)

    def drop(self, names):
        self.fields = [field for field in self.fields if field[0].lower() not in names]

    def remove(self, name):
        self.drop({name.lower().encode()})

    def add(self, name, value):
        self.fields.append((name.encode(), value.encode()))

    def set(self, name, value):
        self.remove(name)
        self.add(name, value)

    def stamp(self, block):
        self.drop(block.names)
        self.fields.extend(block.fields)

    def by_name(self):
        return by_name(self.fields)


def by_name(fields):
    """The order of fields means something only among those of one name (RFC 9110, section 5.3)."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        found.setdefault(name.lower(), []).append(value)
    return found


names = st.sampled_from(["A", "a", "B", "b", "C", "D"])
values = st.sampled_from(["1", "2", "ü", ""])
blocks = st.builds(HeaderBlock, st.dictionaries(names, values, max_size=3), st.lists(names, max_size=2))
changes = st.one_of(
    st.tuples(st.just("add"), names, values),
    st.tuples(st.just("set"), names, values),
    st.tuples(st.just("remove"), names),
    st.tuples(st.just("drop"), st.frozensets(names.map(lambda name: name.lower().encode()))),
    st.tuples(st.just("stamp"), blocks),
)


@given(
    st.lists(st.tuples(names, values), max_size=5),
    st.frozensets(st.sampled_from([b"a", b"b"])),
    st.sampled_from([made, off_the_wire]),
    st.lists(changes, max_size=8),
)
def test_any_series_of_changes_leaves_what_it_would_leave_of_a_plain_list(fields, dropped, make, series):
    check_series(make(received(*fields), dropped), received(*fields), dropped, series)


@given(
    st.lists(st.tuples(names, values), max_size=5),
    st.frozensets(st.sampled_from([b"a", b"b"])),
    st.lists(st.lists(changes, max_size=5), min_size=2, max_size=4),
)
def test_what_was_made_of_other_messages_with_the_same_fields_makes_no_difference(fields, dropped, several):
    known: Known = {}

    for series in several:
        headers = off_the_wire(received(*fields), dropped, known)
        assert len(several) >= headers.once(len_of)  # so that there is more to be mistaken for
        check_series(headers, received(*fields), dropped, series)

    assert len(known) <= 8


def len_of(headers):
    return len(headers.get_all("none"))


def check_series(headers, fields, dropped, series):
    naive = NaiveHeaders(fields)
    naive.drop(dropped)

    for change, *arguments in series:
        getattr(headers, change)(*arguments)
        getattr(naive, change)(*arguments)

        assert naive.by_name() == by_name(headers)
        assert {name: headers.get_all(name) for name in "ABCD"} == {
            name: [value.decode() for value in naive.by_name().get(name.lower().encode(), [])]
            for name in "ABCD"
        }
        assert [", ".join(headers.get_all(name)) if name in headers else None for name in "ABCD"] == [
            headers.get(name) for name in "ABCD"
        ]
    assert lines(*headers) == headers.serialize()


@given(st.lists(st.frozensets(st.sampled_from([b"a", b"b", b"c", b"d-e"])), max_size=30))
def test_dropping_many_sets_of_names_drops_each_of_them(sets):
    headers = Headers([(name, b"") for names in sets for name in names] + [(b"kept", b"")])

    for dropped in sets:
        headers.drop(dropped)

    assert [(b"kept", b"")] == list(headers)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(lambda n: [b"x-%d" % n], id="another set each time"),
        pytest.param(lambda n: [b"%d-%d" % (n, i) for i in range(2000)], id="enormous sets"),
    ],
)
def test_however_many_sets_are_dropped_they_fill_no_memory(names):
    for number in range(600):
        chosen = names(number)
        headers = Headers([(b"A", b""), *((name, b"") for name in chosen)])
        headers.drop(frozenset(chosen))

        assert lines((b"A", b"")) == headers.serialize()
    assert len(header_lines._finders) <= 512
    assert max(map(len, header_lines._finders)) <= 256


@pytest.mark.parametrize("named", ["Accept", "Trace"])
def test_where_one_field_is_new_each_time_only_what_is_of_others_is_kept(named):
    reads = []
    of_field = OfField(named, lambda values: reads.append(values) or values)
    known: Known = {}

    for value in ("1", "2", "1"):
        headers = varied(value, known)
        headers.remove("Cookie")
        asked = headers.once(of_field), headers.get(named), headers.copy().serialize()
        whole = headers.once(lambda fields: fields.get("Trace"))

        expected = value if named == "Trace" else "a"
        assert ([expected], expected, lines(*received(("Trace", value), ("Accept", "a")))) == asked
        assert value == whole

    assert (3 if named == "Trace" else 1) == len(reads)


def varied(value, known):
    """Of messages that differ in the value of Trace."""
    whole = lines(*received(("Trace", value), ("Accept", "a"), ("Cookie", "c")))
    around = lines((b"Trace", HOLE), *received(("Accept", "a"), ("Cookie", "c")))
    return arrived(whole, whole, b"", known, (), Varied(b"trace", value.encode(), around, around.lower()))
