"""What stands out in an evaluation, as sentences."""

from fashion.evaluation.numbers import EvaluationNumbers
from mrcnn.errors import counted

SHOWN = 3
WEAK_AP50 = 0.5
# With fewer instances than this, one more picture can change a figure completely.
FEW_INSTANCES = 10
NOTABLE_BIAS = 0.05


def findings(numbers: EvaluationNumbers) -> list[str]:
    """Sentences, the most useful first; none if there is nothing to measure by."""
    found = (
        _best_score(numbers),
        _weak(numbers),
        _confused(numbers),
        _season_pairs(numbers),
        _bias(numbers),
        _few(numbers),
        _without_truth(numbers),
    )
    return [sentence for sentence in found if sentence]


def _best_score(numbers: EvaluationNumbers) -> str:
    curve = numbers.pooled[0.5]
    if not curve.instances:
        return ""
    if not curve.detections:
        return "Nothing was found."
    best, now = curve.best, curve.at_score
    if best is None or now is None:
        return f"Not one of {counted(curve.detections, 'detection')} is right."
    return (
        f"One confidence for all classes: {best.score:.2f} is best, with a precision of "
        f"{best.precision:.2f} and a recall of {best.recall:.2f} (F1 {best.f1:.2f}); "
        f"{now.score:g} gives {now.precision:.2f} and {now.recall:.2f} (F1 {now.f1:.2f})."
    )


def _weak(numbers: EvaluationNumbers) -> str:
    measured = [
        (curve.ap, name)
        for name, curve in zip(numbers.names, numbers.curves[0.5], strict=True)
        if curve.ap is not None
    ]
    weak = [f"{name} ({ap:.2f})" for ap, name in sorted(measured) if ap < WEAK_AP50]
    if not weak:
        return ""
    more = f" and {len(weak) - SHOWN} more" if len(weak) > SHOWN else ""
    return f"Hardly learnt, by the masks' AP50: {', '.join(weak[:SHOWN])}{more}."


def _confused(numbers: EvaluationNumbers) -> str:
    matrix = numbers.matches.confusion[1:, 1:]
    pairs = [
        (int(matrix[row, column]), numbers.names[row], numbers.names[column])
        for row in range(len(matrix))
        for column in range(len(matrix))
        if row != column and matrix[row, column]
    ]
    pairs = sorted(pairs, key=lambda pair: -pair[0])[:SHOWN]
    if not pairs:
        return ""
    shown = ", ".join(
        f"{true} for {found} ({'once' if count == 1 else f'{count} times'})"
        for count, true, found in pairs
    )
    return f"Most often mistaken: {shown}."


def _season_pairs(numbers: EvaluationNumbers) -> str:
    if numbers.seasons is None:
        return ""
    counts = numbers.seasons["counts"]
    garments = counts["both_right"] + counts["garment_right_season_wrong"]
    if not garments:
        return ""
    return (
        f"Right garment, wrong season: {counts['garment_right_season_wrong']} of "
        f"{counted(garments, 'instance')}."
    )


def _bias(numbers: EvaluationNumbers) -> str:
    bias = numbers.calibration.bias
    if bias is None or abs(bias) < NOTABLE_BIAS:
        return ""
    kind, more = ("overconfident", "above") if bias > 0 else ("underconfident", "below")
    return (
        f"The model is {kind}: its scores are on average {abs(bias):.2f} {more} the share of "
        f"detections that are right."
    )


def _few(numbers: EvaluationNumbers) -> str:
    counts = numbers.matches.instances[1:]
    few = [
        f"{name} ({count})"
        for name, count in zip(numbers.names, counts, strict=True)
        if 0 < count < FEW_INSTANCES
    ]
    return f"Too few instances for reliable figures: {', '.join(few)}." if few else ""


def _without_truth(numbers: EvaluationNumbers) -> str:
    counts = numbers.matches.instances[1:]
    none = [name for name, count in zip(numbers.names, counts, strict=True) if not count]
    if not none or len(none) == len(counts):
        return ""
    return f"Not in these pictures, so not measured: {', '.join(none)}."
