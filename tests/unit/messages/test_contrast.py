"""Every text of every message stands out from its ground, light and dark: WCAG 2.2, 1.4.3 and 2.5.5."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest

from nolapse.messages.registry import variants
from nolapse.messages.rendering import TEMPLATE_FOLDER
from nolapse.messages.schemas import DoseVariables, ReminderVariables

EVERY_VARIANT = sorted(variants())
WITH_A_PANEL = {
    name for name, schema in variants().items() if issubclass(schema, ReminderVariables | DoseVariables)
}
WITH_A_LICENSE = sorted(name for name, schema in variants().items() if issubclass(schema, ReminderVariables))

BUTTONS = {"Open the portal", "Renewed, in progress or not mine?"}
ENOUGH = 4.5
TARGET_HEIGHT = 44
DARK_BLOCK = re.compile(r"@media \(prefers-color-scheme: dark\) \{((?:[^{}]*\{[^{}]*\})*)[^{}]*\}")
RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
DECLARATION = re.compile(r"(?<![-\w])(color|background-color|background)\s*:\s*(#[0-9a-f]{6})")
VOID = {"meta", "br", "img", "link"}


@dataclass(frozen=True)
class Element:
    tag: str
    classes: frozenset[str]


@dataclass(frozen=True)
class Rule:
    selector: tuple[str, ...]
    """Simple selectors from the outermost in: `.class` or `tag`."""
    colors: dict[str, str]

    @property
    def specificity(self) -> tuple[int, int]:
        classes = sum(part.startswith(".") for part in self.selector)
        return classes, len(self.selector) - classes

    def matches(self, path: list[Element]) -> bool:
        *ancestors, last = self.selector
        if not _is(path[-1], last):
            return False
        rest = iter(path[:-1])
        return all(any(_is(element, part) for element in rest) for part in ancestors)


def _is(element: Element, simple: str) -> bool:
    return simple[1:] in element.classes if simple.startswith(".") else simple == element.tag


def colors_in(css: str) -> dict[str, str]:
    """`color` and `background`, the two that decide legibility."""
    return {("color" if name == "color" else "background"): value for name, value in DECLARATION.findall(css)}


def dark_rules(html: str) -> list[Rule]:
    rules = [
        Rule(tuple(selector.split()), colors_in(body))
        for block in DARK_BLOCK.findall(html)
        for selectors, body in RULE.findall(block)
        for selector in selectors.split(",")
        if colors_in(body)
    ]
    return sorted(rules, key=lambda rule: rule.specificity)


class Painter(HTMLParser):
    """(text, color, background) of every text shown; the rules are `!important`: they beat inline styles."""

    def __init__(self, html: str, rules: list[Rule]) -> None:
        super().__init__()
        self.rules = rules
        self.path: list[Element] = []
        self.paints: list[dict[str, str]] = [{"color": "#000000", "background": "#ffffff"}]
        self.texts: list[tuple[str, str, str]] = []
        self.feed(re.sub(r"<!--.*?-->|\{%.*?%\}", "", html, flags=re.DOTALL))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            return
        values = dict(attrs)
        style = values.get("style") or ""
        self.path.append(Element(tag, frozenset((values.get("class") or "").split())))
        paint = self.paints[-1] | colors_in(style)
        for rule in self.rules:
            if rule.matches(self.path):
                paint |= rule.colors
        if "display:none" in style or tag == "head":
            paint = {**paint, "hidden": "yes"}
        self.paints.append(paint)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.path.pop().tag == tag
            self.paints.pop()

    def handle_data(self, data: str) -> None:
        paint = self.paints[-1]
        if data.strip() and "hidden" not in paint and self.path:
            self.texts.append((data.strip(), paint["color"], paint["background"]))


def luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dim, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dim + 0.05)


def compiled(template: str) -> str:
    return (TEMPLATE_FOLDER / f"{template}.html").read_text(encoding="utf-8")


def test_the_ratio_of_black_on_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("template", EVERY_VARIANT)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_stands_out(template: str, dark: bool) -> None:
    html = compiled(template)
    texts = Painter(html, dark_rules(html) if dark else []).texts
    assert len(texts) >= 6
    faint = [(text, ink, paper) for text, ink, paper in texts if contrast(ink, paper) < ENOUGH]
    assert faint == []
    # The dark rules reach every text: none is left on a light ground, for a client to invert.
    assert all((luminance(paper) < 0.05) == dark for text, _, paper in texts if text not in BUTTONS)


@pytest.mark.parametrize("url", ["portal_url", "acknowledge_url"])
@pytest.mark.parametrize("template", WITH_A_LICENSE)
def test_the_button_is_large_enough_to_touch(template: str, url: str) -> None:
    style = re.search(rf'<a href="\{{\{{ {url} \}}\}}"[^>]*style="([^"]*)"', compiled(template))
    assert style
    values = dict(part.split(":", 1) for part in style[1].split(";") if part)
    line = int(values["font-size"].removesuffix("px")) * int(values["line-height"].removesuffix("%")) / 100
    assert line + 2 * int(values["padding"].split()[0].removesuffix("px")) >= TARGET_HEIGHT


@pytest.mark.parametrize("template", EVERY_VARIANT)
def test_a_screen_reader_finds_language_title_and_heading(template: str) -> None:
    html = compiled(template)
    assert html.startswith('<!doctype html><html lang="en"')
    assert re.search(r"<title>[^<]+</title>", html)
    assert html.count("<h1") == 1
    tables = re.findall(r"<table[^>]*>", re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL))
    assert [table for table in tables if 'role="presentation"' not in table] == [
        table for table in tables if "table-layout:auto" in table
    ]
    assert html.count('<th scope="row"') == (template in WITH_A_PANEL)
