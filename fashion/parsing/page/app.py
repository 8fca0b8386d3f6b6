"""The addresses of the parsing page, as a Flask application."""

import json

import cv2
from flask import Flask, Response, abort, request

from fashion.html.page import escaped, fill, page_file
from fashion.html.server import guard
from fashion.parsing.page.workshop import (
    LARGEST_SETTINGS,
    LARGEST_UPLOAD,
    LIMITS,
    ParsedPhotograph,
    Photograph,
    Workshop,
    read_values,
    result_json,
    result_zip,
)


def make_app(workshop: Workshop, port: int) -> Flask:
    """The application; port: where it will listen; requests must name it.

    GET / with /parsing.css and /parsing.js: the page. POST /photographs, the bytes of a picture as
    the body: detect, and answer with a token. POST /photographs/TOKEN, JSON settings: parse. GET
    /photographs/TOKEN/PANEL.png and /photographs/TOKEN/clothing.zip: the results. Errors are JSON
    with one sentence, `error`.
    """
    app = Flask(__name__, static_folder=None, template_folder=None)
    guard(app, port, largest=LARGEST_UPLOAD)
    _add_page(app, workshop)
    _add_photographs(app, workshop)
    return app


def _add_page(app: Flask, workshop: Workshop) -> None:
    @app.get("/")
    def page():
        about = {
            "limits": {name: limit._asdict() for name, limit in LIMITS.items()},
            "start": {
                "segments": workshop.settings.segments,
                "compactness": workshop.settings.compactness,
                "confidence": workshop.settings.minimum_confidence,
            },
            "body": workshop.body is not None,
            "largest": LARGEST_UPLOAD,
        }
        return fill(page_file("parsing.html"), {"ABOUT": escaped(json.dumps(about))})

    @app.get("/parsing.css")
    def style():
        return _text("parsing.css", "text/css")

    @app.get("/parsing.js")
    def script():
        return _text("parsing.js", "text/javascript")


def _text(name: str, kind: str) -> Response:
    return Response(page_file(name), mimetype=kind)


def _add_photographs(app: Flask, workshop: Workshop) -> None:
    def photograph(token: str) -> Photograph:
        try:
            return workshop.find(token)
        except KeyError:
            abort(404, "This photograph is no longer kept: choose it again.")

    def finished(token: str) -> ParsedPhotograph:
        result = photograph(token).result
        if result is None:
            abort(404, "This photograph is not parsed yet.")
        return result

    def settings():
        # A body of unknown length counts as too long.
        if not 0 <= (request.content_length or LARGEST_UPLOAD) <= LARGEST_SETTINGS:
            abort(400, f"Settings are up to {LARGEST_SETTINGS:,} bytes.")
        try:
            return request.get_json()
        except RecursionError:
            abort(400, "The settings are nested too deeply.")

    @app.post("/photographs")
    def take_in():
        if request.content_length is None:  # then the limit would cut it off silently
            abort(411, "The upload must say its length.")
        token, taken = workshop.take_in(request.get_data(cache=False))
        height, width = taken.image.shape[:2]
        return {
            "token": token,
            "width": width,
            "height": height,
            "shrunk_from": taken.shrunk_from,
        }, 201

    @app.post("/photographs/<token>")
    def parse_again(token: str):
        found, values = photograph(token), read_values(settings())
        return result_json(workshop.parse(found, values), workshop.table)

    @app.get("/photographs/<token>/<panel>.png")
    def picture(token: str, panel: str):
        pixels = finished(token).panels.get(panel)
        if pixels is None:
            abort(404, "There is no such panel.")
        _, data = cv2.imencode(".png", pixels[..., ::-1])
        return Response(data.tobytes(), mimetype="image/png")

    @app.get("/photographs/<token>/clothing.zip")
    def archive(token: str):
        response = Response(result_zip(finished(token), workshop.table), mimetype="application/zip")
        response.headers["Content-Disposition"] = 'attachment; filename="clothing.zip"'
        return response
