"""MJML sources to the checked-in HTML: `python -m local.compile_messages`. The compiler never ships."""

import re

from mjml import mjml2html

from nolapse.messages.registry import variants
from nolapse.messages.rendering import TEMPLATE_FOLDER

INCLUDE = re.compile(r'<mj-include path="([^"]+)" />')


def compile_message(template: str) -> str:
    # MRML leaves what it includes without its column's row and its body's width, so includes are put in here.
    source = INCLUDE.sub(lambda include: _source(include[1]), _source(f"{template}.mjml"))
    html: str = mjml2html(source)
    return html + "\n"


def _source(name: str) -> str:
    return (TEMPLATE_FOLDER / name).read_text(encoding="utf-8")


def main() -> None:
    for template in variants():
        (TEMPLATE_FOLDER / f"{template}.html").write_text(compile_message(template), encoding="utf-8")


if __name__ == "__main__":
    main()
