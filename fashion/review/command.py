"""Look through labels in a browser, accept and reject them, and clean the annotations by that.

    %(prog)s ANN.json IMAGES --output=review.html
    %(prog)s ANN.json --apply=decisions.json --output=cleaned.json
    %(prog)s ANN.json IMAGES --project=via_project.json

The first command writes one page with thumbnails and outlines: open it, filter by label and score,
decide, and export the decision list. It needs neither server nor network. The second writes the
annotations without what was rejected. The third writes a VIA project, in which outlines and labels
can be corrected; it can be given together with the others. A thousand images take ten seconds and
make a page of 25 MB; --max-score=0.95 takes in only images with a label scored lower.
"""

import argparse
import sys
from pathlib import Path

from fashion.stages.stage import fraction, whole
from fashion.terminal import command_parser


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    add = parser.add_argument
    add("annotations", type=Path, metavar="ANN.json", help="a VIA file")
    add("images", type=Path, nargs="?", metavar="IMAGES", help="their folder (default: ANN's)")
    add("--output", type=Path, metavar="FILE", help="page, or with --apply the cleaned annotations")
    add("--apply", type=Path, metavar="FILE", help="a decision list of the page")
    add("--only-accepted", action="store_true", help="with --apply: remove the undecided too")
    add("--any-version", action="store_true", help="apply decisions made on another state of ANN")
    add("--project", type=Path, metavar="FILE", help="write a VIA project too")
    add("--max-score", type=fraction, metavar="0..1", help="only images with a label scored lower")
    add("--limit", type=whole(1), metavar="N", help="only the first N images")
    add("--thumbnail", type=whole(16), default=360, metavar="PIXELS", help="longer side (360)")
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
    folder = options.images or options.annotations.absolute().parent
    if options.apply:
        _apply(options, annotations)
    elif options.output or not options.project:
        _write_page(options, annotations, folder)
    if options.project:
        from fashion.labels import SEASON_TABLE

        via.use_files(annotations, folder)
        known = all(SEASON_TABLE.find(label) for label in _labels(annotations))
        via.write_project(
            options.project,
            annotations,
            table=SEASON_TABLE if known else None,
            image_folder=folder,
        )
        print(f"VIA project: {options.project.absolute()} (open it in VIA 2 with Project, Load)")
    return 0


def _labels(annotations) -> set[str]:
    from fashion.annotations.instances import region_label

    return {region_label(region) for image in annotations for region in image.regions}


def _write_page(options: argparse.Namespace, annotations, folder: Path) -> None:
    from tqdm import tqdm

    from fashion.json_files import file_digest
    from fashion.labels import SEASON_TABLE
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
            table=SEASON_TABLE,
            progress=bar.update,
        )
    print(f"{count} images. Open in a browser: {page}")


def _is_wanted(image, max_score: float | None) -> bool:
    from fashion.annotations.instances import region_score

    if max_score is None:
        return True
    scores = (region_score(region.attributes) for region in image.regions)
    return any(score is not None and score < max_score for score in scores)


def _apply(options: argparse.Namespace, annotations) -> None:
    from fashion.annotations import via
    from fashion.json_files import file_digest
    from fashion.review.decisions import apply_decisions, read_decisions
    from mrcnn.errors import DatasetError

    decisions = read_decisions(options.apply)
    if decisions.sha256 != file_digest(options.annotations) and not options.any_version:
        raise DatasetError(
            f"was made for another state of {options.annotations} (or for another file, "
            f"{decisions.annotations})",
            path=options.apply,
            advice="apply it to that, or give --any-version if the instances are the same",
        )
    counts = apply_decisions(annotations, decisions, only_accepted=options.only_accepted)
    output = options.output or options.annotations.with_suffix(".reviewed.json")
    via.write(output, annotations)
    print(
        f"{counts['kept']} instances kept, {counts['removed']} removed, and with them "
        f"{counts['images']} images: {output.absolute()}"
    )
    if counts["unknown"]:
        print(f"{counts['unknown']} decisions are about instances that are not in the file")
