"""Named SQL: ``queries.sql`` files hold the statements, code calls them by name."""

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (?P<name>[a-z_][a-z0-9_]*)\s*$", re.MULTILINE)


class Queries:
    """The statements of one ``queries.sql``, as attributes: ``QUERIES.insert_rows`` is the SQL under ``-- name: insert_rows``."""

    def __init__(self, package: str, file: str = "queries.sql") -> None:
        text = files(package).joinpath(file).read_text("utf-8")
        marks = list(_NAME.finditer(text))
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        self._statements = {
            mark["name"]: text[mark.end() : end].strip().rstrip(";") for mark, end in zip(marks, ends, strict=True)
        }
        if len(self._statements) != len(marks):
            raise ValueError(f"{package}/{file} names a statement twice")

    def __getattr__(self, name: str) -> str:
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(f"no statement is named {name}") from None
