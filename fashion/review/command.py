"""Review labels in a browser, accept or reject them, and clean the annotations accordingly.

    %(prog)s ANN.json IMAGES --serve
    %(prog)s ANN.json --apply=ANN.decisions.jsonl --output=cleaned.json
    %(prog)s ANN.json IMAGES --output=review.html
    %(prog)s ANN.json --apply=decisions.json --output=cleaned.json
    %(prog)s ANN.json IMAGES --project=via_project.json

The first command serves a page on this machine, which saves every decision at once; --part=1/2 and
--part=2/2 are for two reviewers, and --apply takes both their files. The third writes one page with
thumbnails and outlines: open it, filter by label and score, decide, and export the decision list.
It needs neither server nor network. --apply writes the annotations without what was rejected or has
a wrong outline. The last writes a VIA project for correcting outlines and labels, with --apply only
of the pictures marked for that; it can be given together with the others. A thousand images take
ten seconds and make a page of 25 MB; --max-score=0.95 includes only images with a label scored
lower.
"""

import argparse
import sys
from pathlib import Path

from fashion.stages.stage import fraction, part, whole
from fashion.terminal import command_parser
from mrcnn.errors import counted


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    add = parser.add_argument
    add("annotations", type=Path, metavar="ANN.json", help="a VIA file")
    add("images", type=Path, nargs="?", metavar="IMAGES", help="their folder (default: ANN's)")
    add("--output", type=Path, metavar="FILE", help="page, or with --apply the cleaned annotations")
    add("--apply", type=Path, nargs="+", metavar="FILE", help="decisions of the page")
    add("--serve", action="store_true", help="serve the page on this machine")
    add("--port", type=whole(0), default=8766, metavar="N", help="of --serve; 0 takes any")
    add("--decisions", type=Path, metavar="FILE", help="of --serve (default: ANN.decisions.jsonl)")
    add("--part", type=part, metavar="I/N", help="only every N-th image, from the I-th on")
    add("--only-accepted", action="store_true", help="with --apply: remove the undecided too")
    add("--any-version", action="store_true", help="apply decisions made on another version of ANN")
    add("--overwrite", action="store_true", help="with --apply, --project: replace existing files")
    add("--project", type=Path, metavar="FILE", help="write a VIA project too")
    add("--max-score", type=fraction, metavar="0..1", help="only images with a label scored lower")
    add("--limit", type=whole(1), metavar="N", help="only the first N images")
    add("--thumbnail", type=whole(16), default=360, metavar="PIXELS", help="longer side")
    options = parser.parse_args(arguments)
    if options.only_accepted and not options.apply:
        parser.error("--only-accepted needs --apply")
    return options


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Write the page, or apply decisions."""
    options = parse_arguments(arguments, prog)
    from fashion.annotations import via
    from fashion.annotations.problems import problem_text

    annotations = via.read(options.annotations)
    if annotations.problems:
        print(f"{options.annotations}{problem_text(annotations.problems)}", file=sys.stderr)
    if options.part:
        number, count = options.part
        annotations.images = annotations.images[number - 1 :: count]
    folder = options.images or options.annotations.absolute().parent
    if options.serve:
        return _serve(options, annotations, folder)
    if options.apply:
        annotations = _apply(options, annotations)
    elif options.output or not options.project:
        _write_page(options, annotations, folder)
    if options.project:
        from fashion.labels import known_table

        via.use_files(annotations, folder)
        _require_new(options.project, options.overwrite)
        via.write_project(
            options.project,
            annotations,
            table=known_table(_labels(annotations)),
            image_folder=folder,
        )
        print(f"VIA project: {options.project.absolute()} (open it in VIA 2 with Project, Load)")
        if unusable := sum(len(image.unusable) for image in annotations):
            print(f"in it, to correct: {counted(unusable, 'region')} that cannot be used")
    return 0


def _labels(annotations) -> set[str]:
    from fashion.annotations.instances import region_label

    return {region_label(region) for image in annotations for region in image.regions}


def _serve(options: argparse.Namespace, annotations, folder: Path) -> int:
    from fashion.html.server import require_flask

    require_flask()
    from fashion.review.serving import ReviewSettings, serve_review

    images = [image for image in annotations if _is_wanted(image, options.max_score)]
    mark = "" if not options.part else ".part{}of{}".format(*options.part)
    log = options.decisions or options.annotations.with_suffix(f"{mark}.decisions.jsonl")
    settings = ReviewSettings(options.annotations, folder, log, thumbnail=options.thumbnail)
    return serve_review(images[: options.limit], settings, options.port)


def _write_page(options: argparse.Namespace, annotations, folder: Path) -> None:
    from tqdm import tqdm

    from fashion.json_files import file_digest
    from fashion.review.page import page_images, write_page

    images = [image for image in annotations if _is_wanted(image, options.max_score)]
    images = images[: options.limit]
    page = (options.output or options.annotations.with_suffix(".review.html")).absolute()
    with tqdm(total=len(images), unit="image", desc="thumbnails", disable=None) as bar:
        count = write_page(
            page,
            page_images(images, folder.absolute(), page, size=options.thumbnail),
            annotations=options.annotations.name,
            digest=file_digest(options.annotations),
            labels=sorted(_labels(annotations)),
            progress=bar.update,
        )
    print(f"{counted(count, 'image')}. Open in a browser: {page}")


def _is_wanted(image, max_score: float | None) -> bool:
    from fashion.annotations.instances import region_score

    if max_score is None:
        return True
    scores = (region_score(region.attributes) for region in image.regions)
    return any(score is not None and score < max_score for score in scores)


def _apply(options: argparse.Namespace, annotations):
    """Write the cleaned annotations; return those that a VIA project is made of."""
    from fashion.annotations import via
    from fashion.review.applying import apply_log, read_logs, to_correct
    from fashion.review.decision_log import is_log
    from fashion.review.decisions import apply_decisions, read_decisions
    from mrcnn.errors import UserError

    rest = annotations
    if all(map(is_log, options.apply)):
        decisions = read_logs(options.apply, _digest(options))
        rest = to_correct(annotations, decisions)
        counts = apply_log(annotations, decisions, only_accepted=options.only_accepted)
    elif len(options.apply) == 1:
        listed = read_decisions(options.apply[0])
        _check_state(options, listed.annotations, listed.sha256)
        counts = apply_decisions(annotations, listed, only_accepted=options.only_accepted)
    else:
        raise UserError("several files for --apply are those of --serve", advice="give one")
    output = options.output or options.annotations.with_suffix(".reviewed.json")
    _require_new(output, options.overwrite)
    via.write(output, annotations)
    print(
        f"{counted(counts['kept'], 'instance')} kept, {counts['removed']} removed, along with "
        f"{counted(counts['images'], 'image')}: {output.absolute()}"
    )
    if counts["unusable"]:
        count = counted(counts["unusable"], "region")
        print(f"still in it, to correct: {count} that cannot be used")
    if counts["unknown"]:
        print(f"{counted(counts['unknown'], 'decision')} on instances that are not in the file")
    return rest


def _digest(options: argparse.Namespace) -> str | None:
    from fashion.json_files import file_digest

    return None if options.any_version else file_digest(options.annotations)


def _check_state(options: argparse.Namespace, annotations: str, sha256: str) -> None:
    from mrcnn.errors import DatasetError

    if _digest(options) not in (None, sha256):
        raise DatasetError(
            f"was made for another version of {options.annotations} (or for another file, "
            f"{annotations})",
            path=options.apply[0],
            advice="apply it to that one, or give --any-version if the instances are the same",
        )


def _require_new(path: Path, overwrite: bool) -> None:
    """Raise `DatasetError` if somebody's corrections might be overwritten."""
    from mrcnn.errors import DatasetError

    if path.exists() and not overwrite:
        raise DatasetError(
            "it exists, and may have been corrected by hand",
            path=path,
            advice="name another file, or give --overwrite",
        )
