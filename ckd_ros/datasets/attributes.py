"""What makes each sequence of a data set hard, as its `attributes.csv` says: `SEQUENCE,NAME,NAME,...` lines."""

from __future__ import annotations

import csv
from pathlib import Path

from ckd_ros.files import text_of

ATTRIBUTES = "attributes.csv"


def read_attributes(path: Path, known: set[str] | None = None) -> tuple[dict[str, frozenset[str]], dict[str, str]]:
    """Sequence -> its attributes, and `FILE, line N` -> what is wrong with that line, which is left out.

    Blank lines, lines that begin with `#` and a first line `sequence,...` say nothing. `known` are the sequences that
    there can be; None: any.
    """
    found: dict[str, frozenset[str]] = {}
    faults: dict[str, str] = {}
    rows = csv.reader(text_of(path).splitlines())
    for row in rows:
        fields = [field.strip() for field in row]
        if not any(fields) or fields[0].startswith("#") or (rows.line_num == 1 and fields[0].lower() == "sequence"):
            continue
        name, *attributes = fields
        line = f"{path.name}, line {rows.line_num}"
        if not name or not all(attributes) or not attributes:
            faults[line] = f"expected SEQUENCE,NAME,NAME,..., found '{','.join(row)[:60]}'"
        elif known is not None and name not in known:
            faults[line] = f"'{name[:60]}' is not a sequence of this data set"
        else:
            found[name] = found.get(name, frozenset()) | frozenset(attributes)
    return found, faults
