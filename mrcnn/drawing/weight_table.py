"""Tables of a model's weights, as HTML in a notebook and as text elsewhere."""

import html
import re
from collections.abc import Iterable, Sequence

import numpy as np

_ALARM = 1000


def display_table(table: Iterable[Sequence]) -> None:
    """Show rows of cells: as an HTML table in a notebook, else as aligned text.

    Cells are shown as they are; in a notebook, HTML tags in them take effect.
    """
    if not _in_notebook():
        print(table_text(table))
        return
    import IPython.display

    rows = [[str(cell) for cell in row] for row in table]
    cells = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    IPython.display.display(IPython.display.HTML(f"<table>{cells}</table>"))


def display_weight_stats(model) -> None:
    """Show name, shape, minimum, maximum and standard deviation of each weight of a model.

    model: a `MaskRCNN`. Weights whose values are all equal are marked as possibly dead (except
    biases of convolutions, which start as zeros), those beyond 1000 as possibly overflowing.
    """
    table = [["WEIGHT NAME", "SHAPE", "MIN", "MAX", "STD"]]
    for layer in model.get_trainable_layers():
        values, variables = layer.get_weights(), layer.weights
        for index, (value, variable) in enumerate(zip(values, variables, strict=True)):
            bias = type(layer).__name__ == "Conv2D" and index == 1
            table.append(_weight_row(_name(layer, variable), np.asarray(value), bias))
    display_table(table)


def _weight_row(name, value, may_be_constant):
    if not value.size:
        return [html.escape(name), str(value.shape), "", "", ""]
    low, high = float(value.min()), float(value.max())
    alarms = ""
    if low == high and not may_be_constant:
        alarms += "<span style='color:red'>*** dead?</span>"
    if max(abs(low), abs(high)) > _ALARM or not np.isfinite([low, high]).all():
        alarms += "<span style='color:red'>*** Overflow?</span>"
    return [
        html.escape(name) + alarms,
        str(value.shape),
        f"{low:+9.4f}",
        f"{high:+9.4f}",
        f"{float(value.std()):+9.4f}",
    ]


def _name(layer, variable):
    # Keras 3 names a variable `kernel`, without its layer.
    name = variable.name
    return name if "/" in name else f"{layer.name}/{name}"


def _in_notebook():
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return type(get_ipython()).__name__ == "ZMQInteractiveShell"


def table_text(table: Iterable[Sequence]) -> str:
    """Rows of cells as aligned text; HTML tags are dropped."""
    rows = [
        [html.unescape(re.sub(r"<[^>]*>", " ", str(cell))).rstrip() for cell in row]
        for row in table
    ]
    columns = max((len(row) for row in rows), default=0)
    rows = [row + [""] * (columns - len(row)) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(columns)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
