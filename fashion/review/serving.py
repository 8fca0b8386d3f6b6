"""The review page with a server on this machine: every decision is on the disk at once.

The page is that of `fashion.review.page`; pictures come by addresses, and decisions go to a
`DecisionLog`. Several tabs may be open: each asks for what the others decided.
"""

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from flask import Flask, Response, abort, request, send_file

from fashion.annotations.annotated import AnnotatedImage
from fashion.annotations.instances import group_regions
from fashion.html.page import fill, script_json
from fashion.html.server import guard, listen, serve_page
from fashion.labels import MODANET, coded_garment
from fashion.pictures.listing import image_size
from fashion.review.decision_log import WHOLE, DecisionLog, decision_of
from fashion.review.page import THUMBNAIL, page_colours, page_instance, page_parts
from fashion.stages.training_labels import ALL_LABELS
from mrcnn.errors import DatasetError, counted
from mrcnn.images.reading import read_image

LARGEST = 1 << 20  # bytes of a request: some 10,000 decisions


@dataclass(frozen=True)
class ReviewSettings:
    """The settings of a review.

    Attributes:
        annotations: the annotation file.
        images: the folder of its images.
        log: the file for the decisions.
        choices: further classes that a label can be given, unless the labels are the user's own
            classes, none of them among these. Where no choice has a season, the picture can be
            given one.
        thumbnail: pixels of the longer side.
    """

    annotations: Path
    images: Path
    log: Path
    choices: Sequence[str] = (*MODANET, *ALL_LABELS)
    thumbnail: int = THUMBNAIL


def serve_review(images: Sequence[AnnotatedImage], settings: ReviewSettings, port: int) -> int:
    """Serve the page of these images until Ctrl-C; return 0, the exit code.

    Raises `UserError` if the port is taken, or the decisions are of another state of the
    annotations, cannot be written, or are open in another process.
    """
    path = settings.annotations
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with DecisionLog(settings.log, path.name, digest) as log, listen(port) as listener:
        app = make_review_app(images, settings, log, listener.getsockname()[1])
        if log.decisions:
            print(f"{settings.log} holds {counted(len(log.decisions), 'decision')} already.")
        print(f"Decisions: {settings.log.absolute()}")
        return serve_page(app, listener)


def make_review_app(
    images: Sequence[AnnotatedImage],
    settings: ReviewSettings,
    log: DecisionLog,
    port: int,
    now: Callable[[], float] = time.time,
) -> Flask:
    """The application.

    GET /: the page. GET /thumbnails/N.jpg and /pictures/N: those of the N-th image, from 0. GET
    /decisions?since=N: all decisions from the N-th of the log on, and their number. POST
    /decisions, JSON {"decisions": [{"image", "key", "verdict", "label"}, ..], "since": N}: record
    them, and the same answer. Errors are JSON with one sentence, `error`; 507 says that the disk is
    full, and none of the decisions is recorded.

    Args:
        images: in the order that the page starts with.
        settings: see `ReviewSettings`.
        log: where decisions go.
        port: where it will listen.
        now: the clock, in seconds since 1970.
    """
    app = Flask(__name__, static_folder=None, template_folder=None)
    labels = sorted(_labels(images))
    own_classes = bool(labels) and set(labels).isdisjoint(settings.choices)
    choices = list(dict.fromkeys([*labels, *(() if own_classes else settings.choices)]))
    about = {
        "annotations": settings.annotations.name,
        "sha256": "",
        "colours": page_colours(choices) | page_colours(labels),
        "choices": choices,
        "coded": {name: coded_garment(name) for name in MODANET},
        "pictureSeasons": set(settings.choices).isdisjoint(ALL_LABELS),
        "served": True,
    }
    head, tail, parts = page_parts(about, "")
    sources = {name: f"'sha256-{_digest(parts[name])}'" for name in ("SCRIPT", "STYLE")}
    guard(app, port, largest=LARGEST, script=sources["SCRIPT"], style=sources["STYLE"])
    folder = settings.images
    _add_pictures(app, [folder / image.filename for image in images], settings.thumbnail)
    _add_decisions(app, {image.filename for image in images}, log, now)

    @app.get("/")
    def page():
        entries = (_entry(number, image, folder) for number, image in enumerate(images))
        return Response(
            fill(head, parts) + ",\n".join(map(script_json, entries)) + fill(tail, parts),
            mimetype="text/html",
        )

    return app


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _labels(images: Sequence[AnnotatedImage]) -> set[str]:
    groups = (group_regions(image.regions) for image in images)
    return {page_instance(regions)["label"] for found in groups for regions in found}


def _entry(number: int, image: AnnotatedImage, folder: Path) -> dict[str, Any]:
    """What the page shows about an image; one without a label has a row for the whole picture."""
    instances = [page_instance(regions) for regions in group_regions(image.regions)]
    if not instances:
        instances = [{"key": WHOLE, "label": "nothing found", "score": None, "outline": ""}]
    width, height, problem = image.width, image.height, ""
    if width is None or height is None:
        try:
            width, height = image_size(folder / image.filename)
        except DatasetError as error:
            width, height = 1, 1
            problem = error.replace(path=image.filename).sentence()
    return {
        "name": image.filename,
        "link": f"pictures/{number}",
        "thumbnail": "" if problem else f"thumbnails/{number}.jpg",
        "problem": problem,
        "width": width,
        "height": height,
        "instances": instances,
    }


def _add_pictures(app: Flask, paths: Sequence[Path], size: int) -> None:
    def path_of(number: int) -> Path:
        if number >= len(paths) or not paths[number].is_file():
            abort(404, "There is no such picture.")
        return paths[number]

    @app.get("/thumbnails/<int:number>.jpg")
    def thumbnail(number: int):
        pixels = read_image(path_of(number))
        height, width = pixels.shape[:2]
        factor = min(1.0, size / max(height, width))
        if factor < 1:
            wanted = max(1, round(width * factor)), max(1, round(height * factor))
            pixels = cv2.resize(pixels, wanted, interpolation=cv2.INTER_AREA)
        _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
        return Response(data.tobytes(), mimetype="image/jpeg")

    @app.get("/pictures/<int:number>")
    def picture(number: int):
        return send_file(path_of(number).absolute())


def _add_decisions(app: Flask, names: set[str], log: DecisionLog, now: Callable[[], float]) -> None:
    writing = threading.Lock()

    def since(value: Any) -> dict[str, Any]:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            abort(400, "since is a whole number from 0 on.")
        decisions = log.decisions[value:]
        return {
            "decisions": [decision.to_json() for decision in decisions],
            "count": value + len(decisions),
        }

    @app.get("/decisions")
    def decided():
        text = request.args.get("since", "0")
        return since(int(text) if text.isdecimal() and len(text) < 10 else None)

    @app.post("/decisions")
    def decide():
        if request.content_length is None:
            abort(411, "The request must say its length.")
        try:
            data = request.get_json()
            given = data["decisions"]
            with writing:
                # One clock for all tabs; it never runs backwards, or an older decision would win.
                moment = max(now(), *(d.time for d in log.decisions[-1:]), 0.0)
                taken = [decision_of({**value, "time": moment}) for value in given]
                if unknown := {decision.image for decision in taken} - names:
                    abort(400, f"There is no picture {min(unknown)!r} on this page.")
                log.append(taken)
        except OSError as error:
            return {"error": f"not recorded ({error.strerror or error})."}, 507
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            abort(400, f"These are not decisions ({error}).")
        return since(data.get("since", 0))
