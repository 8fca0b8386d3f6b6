"""Tables for a terminal."""

from collections.abc import Sequence


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]], gap: str = "  ") -> str:
    """A table in plain text: the first column aligned left, the others right.

    Every row has as many cells as `head`. There is a line of dashes below the head, and one above a
    last row that is called "total" or "all".
    """
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    rule = gap.join("-" * width for width in widths)
    lines = [_line(head, widths, gap), rule]
    for index, row in enumerate(rows):
        if index and index == len(rows) - 1 and row[0] in ("total", "all"):
            lines.append(rule)
        lines.append(_line(row, widths, gap))
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int], gap: str) -> str:
    first = cells[0].ljust(widths[0])
    rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return gap.join([first, *rest]).rstrip()
