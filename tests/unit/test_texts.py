import pytest
from hypothesis import given
from hypothesis import strategies as st

from nolapse.domain.texts import LONGEST, flaw, segments, shortened, tidy
from nolapse.domain.us_states import STATES, state_code

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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A1", "A1"),
        ("  A\u00a0\n 1\t", "A 1"),
        ("M-1\u00adX", "M-1X"),
        ("\ufeffMia\u200b One\u202e", "Mia One"),
        ("R\0N\x7f", "R N"),
        ("\u200b \u200d", ""),
        ("Zoë 登録", "Zoë 登録"),
    ],
)
def test_tidy(text: str, expected: str) -> None:
    assert tidy(text) == expected


@given(st.text())
def test_what_was_tidied_stays_so_and_has_no_flaw_but_letters_that_are_none(text: str) -> None:
    tidied = tidy(text)
    assert tidy(tidied) == tidied
    assert flaw(tidied) in {None, "has a character that can't be printed: leave it out"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x" * LONGEST, None),
        ("x" * (LONGEST + 1), "is longer than 200 characters: shorten it"),
        ("a\u200bb", "has a character that can't be printed: leave it out"),
        (" a", "begins or ends with a blank: leave it out"),
    ],
)
def test_flaw(text: str, problem: str | None) -> None:
    assert flaw(text) == problem


@given(st.text(min_size=LONGEST - 5, alphabet="ab"), st.text(min_size=LONGEST - 5, alphabet="ab"))
def test_what_is_shortened_fits_and_is_told_apart(one: str, other: str) -> None:
    assert len(shortened(one)) <= LONGEST
    assert (shortened(one) == shortened(other)) == (one == other)


@given(st.text() | st.sampled_from([name.lower() for state in STATES for name in (state.code, state.name)]))
def test_the_code_of_a_state_s_code_is_that_code(text: str) -> None:
    assert state_code(state_code(text)) == state_code(text) == state_code(text.upper())
