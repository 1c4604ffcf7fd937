"""Seals: what we sealed opens, and nothing else does."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nolapse.domain.seals import BrokenSeal, KeyRing

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OLD, NEW = "o" * 32, "n" * 32
RING = KeyRing({"2026-11": NEW}, "2026-11")
CLAIMS = {"key": "5f" * 32, "scheduled_at": "2026-10-26T12:00:00+00:00"}


@given(
    st.dictionaries(st.text(), st.text() | st.integers() | st.none()).filter(
        lambda claims: "exp" not in claims
    )
)
def test_what_was_sealed_opens(claims: dict[str, object]) -> None:
    assert RING.open("queue", RING.seal("queue", claims), now=NOW) == claims


@given(st.data())
def test_no_altered_seal_opens(data: st.DataObject) -> None:
    sealed = RING.seal("queue", CLAIMS)
    at = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.characters(max_codepoint=127).filter(lambda character: character != sealed[at]))
    altered = sealed[:at] + other + sealed[at + 1 :]
    try:
        # base64 leaves the last character some bits that say nothing: the claims are the same then.
        assert RING.open("queue", altered, now=NOW) == CLAIMS
        assert at in {len(sealed) - 1, sealed.rindex(".") - 1}
    except BrokenSeal:
        pass


@pytest.mark.parametrize(
    "sealed", ["", ".", "2026-11", "2026-11.", "2026-11..", "2026-11.e30.x", "none.e30.x", "é.e30.é"]
)
def test_what_is_no_seal(sealed: str) -> None:
    with pytest.raises(BrokenSeal, match="not ours"):
        RING.open("queue", sealed, now=NOW)


def test_a_seal_for_another_purpose() -> None:
    with pytest.raises(BrokenSeal, match="a seal for queue is not ours"):
        RING.open("queue", RING.seal("link", CLAIMS), now=NOW)


def test_it_opens_until_it_expires() -> None:
    sealed = RING.seal("link", CLAIMS, expires_at=NOW)
    assert RING.open("link", sealed, now=NOW) == CLAIMS
    with pytest.raises(BrokenSeal) as broken:
        RING.open("link", sealed, now=NOW + timedelta(seconds=1))
    assert broken.value.expired


def test_keys_rotate_without_a_gap() -> None:
    before = KeyRing({"old": OLD}, "old")
    both = KeyRing({"old": OLD, "new": NEW}, "new")
    after = KeyRing({"new": NEW}, "new")
    assert both.open("queue", before.seal("queue", CLAIMS), now=NOW) == CLAIMS
    assert after.open("queue", both.seal("queue", CLAIMS), now=NOW) == CLAIMS
    with pytest.raises(BrokenSeal):
        after.open("queue", before.seal("queue", CLAIMS), now=NOW)


@pytest.mark.parametrize(
    ("keys", "current", "said"),
    [
        ({"a": NEW}, "b", "current is not among the keys"),
        ({"a": "short"}, "a", "fewer than 32 bytes: a"),
        ({"a.b": NEW}, "a.b", "letters, digits and hyphens: a.b"),
    ],
)
def test_a_ring_that_does_not_hold(keys: dict[str, str], current: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        KeyRing(keys, current)


def test_a_ring_does_not_show_its_keys() -> None:
    assert NEW not in repr(RING)
