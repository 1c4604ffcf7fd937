"""Which addresses a tenant's own system may have."""

import pytest

from nolapse.domain.endpoints import is_endpoint


@pytest.mark.parametrize(
    "url",
    [
        "https://x.test",
        "https://x.test:8443/a?b=c#d",
        "https://[2001:db8::1]:443/",
        "https://xn--bcher-kva.test/",
    ],
)
def test_one_is(url: str) -> None:
    assert is_endpoint(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "x.test", "http://x.test/", "https://", "https:///x", "https://ada@x.test/", "https://:@x.test/",
        "https://x.test:0/", "https://x.test:abc/", "https://x.test:65536/", "https://[::1]:99999/", "https://[x/",
        "https://xé.test/", "https://x.test/é", "https://x.test/\0", "https://x.test/a b",
    ],
)  # fmt: skip
def test_one_is_not(url: str) -> None:
    assert not is_endpoint(url)


def test_other_schemes_where_they_are_let_in() -> None:
    assert is_endpoint("http://127.0.0.1:8000/", {"https", "http"})
