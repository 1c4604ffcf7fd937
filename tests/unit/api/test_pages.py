"""Pages stand on their own: one style allowed by its hash, nothing loaded, every text legible, light and dark."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from http import HTTPStatus

import pytest

from nolapse.api.pages import FOLDER, page
from tests.unit.messages.test_contrast import contrast

STYLE = (FOLDER / "page.css").read_text(encoding="utf-8")
DARK = re.compile(r"@media \(prefers-color-scheme: dark\) \{(.*)\}", re.DOTALL)
ENOUGH = 4.5
# Ink on paper, as the pages nest them.
ON = {
    "body": "body",
    "a": ".card",
    ".said": ".said",
    ".muted": ".card",
    "th": "table",
    "button": "button",
}


def colors(css: str) -> dict[tuple[str, str], str]:
    """(selector, property) -> color, of each rule alone."""
    return {
        (selector.strip(), name): value
        for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", css)
        for selector in selectors.split(",")
        for name, value in re.findall(r"(?<![-\w])(color|background-color)\s*:\s*(#[0-9a-f]{6})", body)
    }


def light() -> dict[tuple[str, str], str]:
    return colors(DARK.sub("", STYLE))


def dark() -> dict[tuple[str, str], str]:
    found = DARK.search(STYLE)
    assert found
    return light() | colors(found[1])


@pytest.mark.parametrize("painted", [light(), dark()], ids=["light", "dark"])
@pytest.mark.parametrize("ink", ON)
def test_every_text_stands_out(painted: dict[tuple[str, str], str], ink: str) -> None:
    assert contrast(painted[ink, "color"], painted[ON[ink], "background-color"]) >= ENOUGH


@pytest.mark.parametrize("painted", [light(), dark()], ids=["light", "dark"])
def test_what_has_no_color_of_its_own_stands_out_on_every_ground(painted: dict[tuple[str, str], str]) -> None:
    for ground in (".card", "table"):
        assert contrast(painted["body", "color"], painted[ground, "background-color"]) >= ENOUGH


def test_the_dark_rules_reach_every_ground() -> None:
    changed = {key for key, value in dark().items() if light()[key] != value}
    assert changed == light().keys()


class Loaded(HTMLParser):
    """Whatever a page would load or run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        runs = [name for name, _ in attrs if name in {"src", "srcset", "style"} or name.startswith("on")]
        self.found += [f"{tag}[{name}]" for name in runs]
        if tag in {"script", "link", "img", "iframe", "object"}:
            self.found.append(tag)


@pytest.mark.parametrize("name", ["link_over.html", "link_unknown.html", "no_answer.html"])
def test_a_page_loads_nothing_and_says_what_to_do(name: str) -> None:
    made = page(name, HTTPStatus.GONE, back="./x")

    assert made.status_code == HTTPStatus.GONE
    assert Loaded(str(made.body)).found == []
    assert re.search(
        r'<html lang="en">.*<title>[^<]+</title>.*<h1>[^<]+</h1>\n<p>', str(made.body), re.DOTALL
    )
    assert 'name="viewport" content="width=device-width' in str(made.body)


def test_the_policy_allows_the_page_s_own_style_and_no_other() -> None:
    made = page("link_over.html")
    (style,) = re.findall(r"<style>(.*?)</style>", str(made.body), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert made.headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    )


def test_no_touch_target_is_small() -> None:
    heights = [int(height) for height in re.findall(r"min-height: (\d+)px", STYLE)]
    assert len(heights) == 2
    assert min(heights) >= 44
