"""The WSGI application: routes, errors, and the headers of every answer."""

from __future__ import annotations

import logging
import re
import time

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from clearvision.apps.web.api import api_of
from clearvision.apps.web.intake import MAX_PARTS, MAX_TEXT, UploadRequest
from clearvision.apps.web.problems import BY_STATUS, MEDIA_TYPE, Problem, problem_of
from clearvision.apps.web.service import Service
from clearvision.apps.web.site import problem_page, site_of

logger = logging.getLogger("clearvision.serve")

STATIC_SECONDS = 3600
_PORT = re.compile(r":\d*$")
# Nothing from elsewhere, no inline scripts or styles, no frames, forms to this site alone.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_CORS = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Expose-Headers": (
        "Location, Retry-After, Content-Disposition, ClearVision-Model, ClearVision-Choice, ClearVision-Seconds"
    ),
    "Access-Control-Max-Age": "600",
}


def create_app(service: Service) -> Flask:
    """Return the application that answers for a service."""
    settings = service.settings
    app = Flask("clearvision.apps.web", static_folder=None if settings.api_only else "static")
    app.request_class = UploadRequest
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_bytes,
        MAX_FORM_PARTS=MAX_PARTS,
        MAX_FORM_MEMORY_SIZE=MAX_TEXT,
        SEND_FILE_MAX_AGE_DEFAULT=STATIC_SECONDS,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_options = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    app.register_blueprint(api_of(service))
    if not settings.api_only:
        app.register_blueprint(site_of(service))

    @app.before_request
    def begin() -> None:
        g.begun = time.monotonic()
        if settings.hosts and _PORT.sub("", request.host) not in settings.hosts:
            raise Problem("bad-request", "this server is not called by the name in the Host header")

    @app.errorhandler(Exception)
    def tell(error: Exception) -> BaseResponse:
        problem = _as_problem(error)
        if problem.slug == "internal":
            logger.error("a request failed", exc_info=error)
        if settings.api_only or request.path.startswith("/api/") or not _prefers_page():
            response: BaseResponse = jsonify(problem.document)
            response.content_type = MEDIA_TYPE
        else:
            response = problem_page(service, problem)
        response.status_code = problem.status
        response.headers.update(problem.headers)
        if isinstance(error, HTTPException):
            response.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
        return response

    @app.after_request
    def finish(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        if request.is_secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if settings.origins and request.path.startswith("/api/"):
            response.vary.add("Origin")
            if request.headers.get("Origin") in settings.origins:
                response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
                response.headers.update(_CORS)
        route = request.url_rule.rule if request.url_rule is not None else "none"
        service.metrics.count_request(route, _known(request.method), response.status_code)
        # neither addresses, names nor ids: they are people's, and an id opens a picture
        seconds = time.monotonic() - g.get("begun", time.monotonic())
        logger.info("%s %s %d %.3f s", _known(request.method), route, response.status_code, seconds)
        return response

    return app


def _as_problem(error: Exception) -> Problem:
    if isinstance(error, HTTPException):
        slug = BY_STATUS.get(error.code or 500, "bad-request" if (error.code or 500) < 500 else "internal")
        return Problem(slug, _DETAILS.get(slug, "the request cannot be understood"))
    return problem_of(error)


_DETAILS = {
    "not-found": "there is nothing at this address",
    "method-not-allowed": "this address takes other methods; see Allow",
    "body-too-large": "the request is larger than this server takes, or its form has too many parts",
    "internal": "the server failed; its log has more",
}


def _prefers_page() -> bool:
    best = request.accept_mimetypes.best_match(["application/json", MEDIA_TYPE, "text/html"], default="application/json")
    return best == "text/html"


def _known(method: str) -> str:
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"
