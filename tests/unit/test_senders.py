"""In whose name, in turn; and what a tenant's senders and limits carry."""

from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nolapse.domain.senders import Capacity, Sending, in_turn

KEYS = [sha256(str(number).encode()).digest() for number in range(3_000)]
STACK = Capacity(
    {"EMAIL": 600, "SMS": 60, "WEBHOOK": 60},
    {"EMAIL": ["graph", "sendgrid"], "SMS": ["twilio-sms"]},
    per_tenant=100,
)


@pytest.mark.parametrize("senders", [1, 2, 3, 7])
def test_each_sender_has_its_turn(senders: int) -> None:
    names = [f"reminders-{number}@clinic.test" for number in range(senders)]
    turns = Counter(in_turn(names, key) for key in KEYS)
    assert turns.keys() == set(names)
    assert max(turns.values()) - min(turns.values()) < len(KEYS) / senders / 3


@given(
    names=st.lists(st.emails(), min_size=2, max_size=9, unique=True),
    key=st.binary(min_size=32, max_size=32),
    gone=st.integers(0, 8),
)
def test_who_retires_moves_their_own_and_nobody_else_s(names: list[str], key: bytes, gone: int) -> None:
    before = in_turn(names, key)
    retired = names[gone % len(names)]
    left = [name for name in names if name != retired]

    assert in_turn(names[::-1], key) == before
    if before != retired:
        assert in_turn(left, key) == before


@pytest.mark.parametrize(
    ("own", "mail", "texts"),
    [
        (Sending(), 100, 100),
        (Sending(20), 20, 20),
        (Sending(500), 500, 500),
        # A mailbox carries 30, whoever lets it carry more.
        (Sending(500, {"graph": {"a@c.test": None, "b@c.test": None}}), 60, 500),
        (Sending(500, {"graph": {"a@c.test": 10, "b@c.test": None}}), 40, 500),
        (Sending(None, {"graph": {"a@c.test": 10}, "twilio-sms": {"+12125550100": 5}}), 10, 5),
        # Mail goes by Graph first: who has no mailbox of its own there shares the stack's.
        (Sending(None, {"sendgrid": {"a@c.test": 10}}), 100, 100),
        (Sending(None, {"twilio-sms": {"+12125550100": None}}), 100, 60),
    ],
)
def test_one_tenant_s_capacity(own: Sending, mail: int, texts: int) -> None:
    capacity = STACK.of(own)
    assert (capacity["EMAIL"], capacity["SMS"]) == (mail, texts)
