"""Fast lookups return what the plain definitions say, for any JSON and any id."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scanner.model.checks import check_value, known_by, value_check
from scanner.model.exposure import Exposure, Grant, Lock, Reach, grant
from scanner.model.ids import OF_SUBSCRIPTION, is_below, is_subscription, list_of, root_of, segments, type_of
from scanner.model.json_paths import MISSING, get_path, is_absent, is_one, member, value_at
from scanner.model.kept import KeptObject, cut, partial_value, tree_of
from scanner.model.message import Message
from scanner.model.resource import Bundle, Gap, Resource
from scanner.model.resource_type import ResourceType
from scanner.model.unread import Unread, malformed

ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Agency/things/one"
KEYS = st.sampled_from(["a", "A", "b", "B", "c", "ab", "aB"])
SCALARS = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "on", "On", "true", "True", "0", "1"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
PATHS = st.lists(KEYS, min_size=1, max_size=4).map(".".join)


def plain_member(body: Any, name: str) -> Any:
    """The first key that is equal, else the last one that is equal without case."""
    if not isinstance(body, dict):
        return MISSING
    if dict.__contains__(body, name):
        return dict.__getitem__(body, name)
    matches = [each for each in dict.keys(body) if each.lower() == name.lower()]
    if matches:
        return dict.__getitem__(body, matches[-1])
    if isinstance(body, KeptObject):
        body.check(name)
    return MISSING


def plain_path(body: Any, path: str) -> Any:
    for step in path.split("."):
        body = plain_member(body, step)
        if body is MISSING:
            return MISSING
    return body


def plain_value(body: Any, path: str) -> Any:
    result = plain_path(body, path)
    if result is MISSING:
        for step in path.split("."):
            if not (isinstance(body, dict) or is_absent(body)):
                raise malformed(path)
            body = plain_member(body, step)
    return result


def told(function: Any, *given: Any) -> Any:
    """What a function returns, or why it is unread."""
    try:
        return function(*given)
    except Unread as missing:
        return f"unread: {missing}"


@given(VALUES | st.just(MISSING), PATHS, st.booleans())
def test_a_path_leads_where_its_steps_lead(body: Any, path: str, is_cut: bool) -> None:
    if is_cut and isinstance(body, dict):
        tree = tree_of(("a.b", "ab.*"))
        body = partial_value(cut(body, tree), tree)
    for fast, plain in ((member, plain_member), (get_path, plain_path), (value_at, plain_value)):
        seen, wanted = told(fast, body, path), told(plain, body, path)
        assert repr(seen) == repr(wanted), fast


@given(st.lists(SCALARS.filter(lambda each: each is not None), max_size=3).map(tuple), VALUES | st.just(MISSING))
def test_known_values_are_known_in_one_look(known: tuple[Any, ...], value: Any) -> None:
    assert known_by(known)(value) == is_one(value, known)


CHECK = value_check("a.b", good=("on", True), bad=("off", False, 1), absent="on")
FOLDED = value_check("a.b", good=("on",), bad=("off", False), unclear=Message("it is {value}"))
RECORDS = [
    Resource({"id": ID}),
    Resource({"id": ID, "properties": {}}),
    Resource({"id": ID, "properties": {}}, by="graph"),
]


@given(SCALARS | VALUES | st.just(MISSING) | st.integers(0, 1 << 70) | st.text(max_size=70), st.sampled_from(RECORDS))
def test_a_verdict_that_is_kept_is_that_of_the_value(value: Any, record: Resource) -> None:
    body = record.body if value is MISSING else {**record.body, "a": {"b": value}}
    resource = Resource(body, by=record.by)
    for check, known in (
        (CHECK, {"good": ("on", True), "bad": ("off", False, 1), "absent": "on"}),
        (FOLDED, {"good": ("on",), "bad": ("off", False), "unclear": "it is {value}"}),
    ):
        assert repr(check(resource)) == repr(check_value(resource, "a.b", **known))


WORDS = """subscriptions s resourceGroups RESOURCEGROUPS g providers Providers Microsoft.Web sites slots one config
locks Microsoft.Authorization Microsoft.Network networkSecurityPerimeters profiles Microsoft.Compute locations usages
Straße İ"""
SEGMENTS = st.sampled_from([*WORDS.split(), ""])
IDS = st.lists(SEGMENTS, max_size=12).map(lambda pieces: "/" + "/".join(pieces)) | st.builds(
    lambda group, rest, end: f"/subscriptions/s/resourceGroups/{group}/providers/Microsoft.Web/{rest}{end}",
    SEGMENTS,
    st.lists(SEGMENTS, max_size=6).map("/".join),
    st.sampled_from(["", "?api-version=1#a/b", "/"]),
)


def plain_type(id: str) -> str:
    pieces = [each for each in id.split("/") if each]
    for position in range(len(pieces) - 1, -1, -1):
        if pieces[position].lower() == "providers":
            rest = pieces[position + 1 :]
            return "/".join([*rest[:1], *rest[1::2]]) if len(rest) > 1 else ""
    return ""


@given(IDS)
def test_an_id_has_the_parts_of_its_segments(id: str) -> None:
    type = plain_type(id)
    assert type_of(id) == type
    listed = "/" + "/".join(segments(id)[:-1])
    if type.lower() in OF_SUBSCRIPTION and is_subscription(root_of(id)):
        listed = f"{root_of(id)}/providers/{type.lower()}"
    assert list_of(id) == listed
    assert Resource({"id": id}).key == "/" + "/".join(segments(id))


@given(IDS, st.lists(SEGMENTS, max_size=4).map("/".join), st.booleans())
def test_what_is_below_a_bundle_belongs_to_it(id: str, rest: str, is_loud: bool) -> None:
    root = root_of(id)
    url = f"{root}/{rest}" if rest else root
    url = url.upper() if is_loud else url
    if root and is_below(url, root):
        assert root_of(url) == root


@pytest.mark.parametrize("name", ["a?api-version=1#b", "a#b", "?", "a?b=1"])
def test_a_question_mark_is_part_of_a_name(name: str) -> None:
    """A finding about a read below such a resource had the path of the read in place of the resource."""
    account = f"/subscriptions/s/resourcegroups/g/providers/microsoft.storage/storageaccounts/{name}"
    assert root_of(f"{account}/queueServices/default/queues") == account
    assert type_of(account) == "microsoft.storage/storageaccounts"
    assert Resource({"id": account}).key == account


def test_most_lines_below_a_bundle_need_no_second_look() -> None:
    root = "/subscriptions/s/resourcegroups/g/providers/microsoft.storage/storageaccounts/one"
    assert is_below(f"{root}/blobServices/default", root)
    assert is_below(root.upper(), root)
    assert not is_below(f"{root}2", root)
    assert not is_below(f"{root}/providers/Microsoft.Insights/diagnosticSettings", root)


@given(st.sampled_from(list(Reach)), st.text(max_size=3))
def test_a_copy_has_the_other_fields_of_the_value(level: Reach, text: str) -> None:
    lock = grant(level)
    assert lock.widest is not None  # computed once, and not copied
    wide = Lock((Grant(Reach.internet),))
    assert replace(lock, grants=wide.grants).widest == wide.widest
    assert replace(lock.grants[0], description=text) == msgspec.structs.replace(lock.grants[0], description=text)
    exposure = Exposure("data", "data", lock, lock)
    assert replace(exposure, address=text) == msgspec.structs.replace(exposure, address=text)


def test_a_copy_is_checked_like_a_new_value() -> None:
    exposure = Exposure("data", "data", grant(Reach.none), grant(Reach.none))
    with pytest.raises(TypeError):
        replace(exposure, severity_steps_down=1)
    with pytest.raises(TypeError):
        replace(exposure, colour="red")
    with pytest.raises(TypeError):
        replace(exposure.reach.grants[0], colour="red")


def test_what_a_bundle_remembers_is_forgotten_where_more_may_be_read() -> None:
    asked: list[str] = []
    kind = ResourceType("Microsoft.Agency/things", api="1")

    def when(parent: Resource) -> bool:
        asked.append(parent.id)
        return True

    child = kind.child("parts", when=when)
    top = Resource({"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Agency/things/one"})
    assert [child.needed(top), child.needed(top), len(asked)] == [True, True, 2]
    top.bundle.memo = {}
    assert [child.needed(top), child.needed(top), len(asked)] == [True, True, 3]


def test_a_bundle_finds_its_top_in_any_case() -> None:
    id = "/subscriptions/S/resourceGroups/g/providers/Microsoft.Agency/things/One"
    bundle = Bundle(id, gaps={"x": Gap("x", 403, "Forbidden")})
    top = Resource({"id": id.upper()}, bundle=bundle)
    bundle.add(top)
    assert bundle.top is top


def test_grants_are_equal_where_all_of_their_fields_are() -> None:
    one = grant(Reach.internet).grants[0]
    assert (replace(one), hash(replace(one))) == (one, hash(one))
    assert [name for name in Grant.__struct_fields__ if replace(one, **{name: ("another",)}) == one] == []
