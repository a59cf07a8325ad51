"""Puts the tables of the last measurements into docs/benchmarks.md.

    python benchmarks/make_tables.py

Each stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``, where NAME.json is the result.
"""

import json
import re
from pathlib import Path
from typing import Any

from reporting import RESULTS, Table

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> None:
    """Writes the page again."""
    page = PAGE.read_text(encoding="utf-8")
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        marks = f"<!-- {path.stem} -->\n", f"<!-- /{path.stem} -->"
        if marks[0] not in page:
            print(f"{PAGE.name} has no place for {path.name}")
            continue
        before, _, rest = page.partition(marks[0])
        after = rest.partition(marks[1])[2]
        page = f"{before}{marks[0]}\n{_section(path.stem, result)}\n\n{marks[1]}{after}"
    PAGE.write_text(page, encoding="utf-8")


def _section(name: str, result: dict[str, Any]) -> str:
    machine = result["machine"]
    tables = [_table(table).markdown() for table in result["tables"]]
    how = (
        f"`{result['command']}` on {machine['processor']} ({machine['instructions']}), torch "
        f"{machine['torch']}:"
    )
    plot = f"![{name}](../benchmarks/results/{name}.png)"
    return "\n\n".join([how, *tables, plot])


def _table(fields: dict[str, Any]) -> Table:
    rows = tuple(tuple(_escaped(cell) for cell in row) for row in fields["rows"])
    return Table(fields["title"], tuple(fields["columns"]), rows)


def _escaped(cell: str) -> str:
    return re.sub(r"\|", r"\\|", cell)


if __name__ == "__main__":
    main()
