import pytest
from hypothesis import given
from hypothesis import strategies as st

from nolapse.domain.texts import segments

GSM_7 = st.text(alphabet="aé@Δ€[|\n ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("a" * 159 + "€", 2),
        ("é" * 160, 1),
        ("ç" * 70, 1),
        ("ç" * 71, 2),
        ("ç" * 134, 2),
        ("ç" * 135, 3),
        ("a" * 69 + "—", 1),
        ("a" * 70 + "—", 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
)
def test_segments(text: str, expected: int) -> None:
    assert segments(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # 153 is odd: 76 escaped characters a part, and one place is left over.
        ("€" * 152, 2),
        ("€" * 153, 3),
        # So is 67: 33 pairs a part.
        ("😀" * 66, 2),
        ("😀" * 67, 3),
        ("a" * 152 + "€" + "a" * 151, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
    ],
)
def test_no_pair_is_torn(text: str, expected: int) -> None:
    assert segments(text) == expected


@given(st.text(), st.text())
def test_more_text_never_takes_fewer(text: str, more: str) -> None:
    assert segments(text) <= segments(text + more)


@given(GSM_7)
def test_one_character_outside_the_alphabet_never_makes_it_shorter(text: str) -> None:
    assert segments(text) <= segments(text + "ж")
