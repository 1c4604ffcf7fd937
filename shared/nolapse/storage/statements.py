"""The hot statements: named, commented .sql files, read once."""

import re
from functools import cache
from importlib import resources

from sqlalchemy import TextClause, text

INCLUDE = re.compile(r"^-- include (\w+)$", re.MULTILINE)
# The execution option that carries a statement's name to who measures it.
NAME = "statement_name"
COMMENT = re.compile(r"--.*$", re.MULTILINE)


@cache
def statement(name: str) -> TextClause:
    """The statement in sql/`name`.sql with its :named parameters.

    A line `-- include NAME` stands for another file; comments, which may name parameters, are cut.
    """
    return text(COMMENT.sub("", _source(name)).strip()).execution_options(**{NAME: name})


def _source(name: str) -> str:
    written = (resources.files("nolapse.storage") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    return INCLUDE.sub(lambda line: _source(line[1]), written)
