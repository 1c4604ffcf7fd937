"""HTML pages of the local stack: templates that escape, and complain of what they are not given."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent
MAILBOX = HERE / "mailbox_templates"


def templates(*folders: Path) -> Environment:
    """The templates of `folders`, the first preferred."""
    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_page(page: Path, html: str) -> Path:
    """One file that needs no other; what was there is replaced."""
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(html, encoding="utf-8")
    return page
