"""RETENTION_DAYS: every table once, with days that leave planning what it asks."""

import pytest

from nolapse.domain.retention import TABLES, Retention

WHOLE = ",".join(f"{table}=100" for table in TABLES)


def test_every_table_has_its_days() -> None:
    assert Retention.read(WHOLE).days == dict.fromkeys(TABLES, 100)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "set .'acknowledgements', 'api_pace'"),
        (WHOLE.replace("imports=100", "imports=soon"), "mend .'imports'"),
        (WHOLE.replace("imports=100", "imports=0"), "mend .'imports .at least 1."),
        (WHOLE.replace("outbox=100", "outbox=92"), "at least 93"),
        (f"{WHOLE},licenses=10", "drop .'licenses'"),
        (f"{WHOLE},imports=10", "each once"),
    ],
)
def test_a_mistake_says_what_to_mend(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Retention.read(text)
