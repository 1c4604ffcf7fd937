"""The hot statements: named, commented .sql files, read once."""

import re
from functools import cache
from importlib import resources

from sqlalchemy import TextClause, text

COMMENT = re.compile(r"--.*$", re.MULTILINE)


@cache
def statement(name: str) -> TextClause:
    """The statement in sql/`name`.sql with its :named parameters; comments, which may name them, are cut."""
    source = (resources.files("nolapse.storage") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    return text(COMMENT.sub("", source).strip())
