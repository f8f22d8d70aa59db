"""The web site: a form, a page for each job, and the two pictures side by side. Works without JavaScript."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from clearvision.apps.web import access
from clearvision.apps.web.api import MEDIA_TYPES, find, job_document, recalled, send_result, sent_file
from clearvision.apps.web.intake import Received, receive
from clearvision.apps.web.openapi import openapi
from clearvision.apps.web.problems import KNOWN, TYPE, Problem
from clearvision.apps.web.schemas import SIZES, Options
from clearvision.apps.web.service import Service
from clearvision.apps.web.store import Job
from clearvision.apps.web.workshop import SHOWN
from clearvision.imaging.formats import FORMATS, WRITABLE_FORMATS, resolve_format

SHOWN_BY_BROWSERS = ("jpeg", "png", "webp", "gif", "avif")
NO_SIZE = "own"
VIEWS = {"before": "source", "after": "target"}


def site_of(service: Service) -> Blueprint:
    """Return the routes of the site."""
    site = Blueprint("site", __name__)

    @site.get("/")
    def index() -> BaseResponse:
        if access.guest(service.gate) is None:
            return _sign_in(service)
        return _form(service, {}, None)

    @site.post("/")
    def send() -> BaseResponse:
        whose = _signed_in(service)
        received: Received | None = None
        try:
            service.check_room(whose)
            with service.store.scratch_folder() as folder:
                received = receive(folder)
                fields = dict(received.fields)
                access.check_form(service.gate, fields.pop(access.TOKEN, None))
                job = service.accept(whose, Received(received.path, received.name, _as_options(fields)))
        except Problem as problem:
            if _wants_document():
                raise
            return _form(service, {} if received is None else received.fields, problem)
        return redirect(url_for("site.job", job_id=job.id), 303)

    @site.get("/jobs/<job_id>")
    def job(job_id: str) -> BaseResponse:
        whose = access.guest(service.gate)
        if whose is None:
            return _sign_in(service)
        return _job(service, find(service, job_id, whose))

    @site.get("/jobs/<job_id>/state")
    def state(job_id: str) -> Response:
        return jsonify(job_document(service, find(service, job_id, _signed_in(service))))

    @site.get("/jobs/<job_id>/result")
    def result(job_id: str) -> Response:
        return send_result(service, find(service, job_id, _signed_in(service)))

    @site.get("/jobs/<job_id>/<any(before, after):which>")
    def view(job_id: str, which: str) -> Response:
        return _view(service, find(service, job_id, _signed_in(service)), which)

    @site.post("/jobs/<job_id>/delete")
    def delete(job_id: str) -> BaseResponse:
        whose = _signed_in(service)
        access.check_form(service.gate, request.form.get(access.TOKEN))
        before = service.runner.cancel(find(service, job_id, whose).id)
        waiting = before in ("queued", "running")
        return redirect(url_for("site.job", job_id=job_id) if waiting else url_for("site.index"), 303)

    @site.post("/sign-in")
    def sign_in() -> BaseResponse:
        access.check_form(service.gate, request.form.get(access.TOKEN))
        holder = service.gate.holder(request.form.get("key", "").strip())
        if holder is None:
            return _sign_in(service, Problem("key-needed", "this is no key of this server"))
        response = redirect(url_for("site.index"), 303)
        access.remember(response, service.gate, holder)
        return response

    @site.post("/sign-out")
    def sign_out() -> BaseResponse:
        access.check_form(service.gate, request.form.get(access.TOKEN))
        response = redirect(url_for("site.index"), 303)
        access.forget(response)
        return response

    @site.get("/signed-in")
    def signed_in() -> Response:
        _signed_in(service)  # a proxy asks, before it lets somebody at what knows no keys
        return Response(status=204)

    @site.get("/docs")
    def docs() -> BaseResponse:
        problems = [(TYPE + slug, status, title) for slug, (status, title) in KNOWN.items()]
        return _page(service, "docs.html", 200, document=openapi(service.settings), problems=problems)

    return site


def problem_page(service: Service, problem: Problem) -> BaseResponse:
    """Return a page that tells a problem."""
    return _page(service, "problem.html", problem.status, problem=problem)


def _signed_in(service: Service) -> str:
    whose = access.guest(service.gate)
    if whose is None:
        raise Problem("key-needed", "sign in with a key of this server first")
    return whose


def _wants_document() -> bool:
    return "application/problem+json" in request.headers.get("Accept", "")


def _sign_in(service: Service, problem: Problem | None = None) -> BaseResponse:
    # a link on another site leads here without the strict cookie; asking again from here sends it
    again = problem is None and request.headers.get("Sec-Fetch-Site") == "cross-site"
    return _page(service, "sign_in.html", 401, problem=problem, again=again)


def _form(service: Service, fields: dict[str, str], problem: Problem | None) -> BaseResponse:
    cards = service.workshop.cards()
    return _page(
        service,
        "form.html",
        200 if problem is None else problem.status,
        problem=problem,
        fields=fields,
        enlarging=[card for card in cards if card.scale > 1],
        restoring=[card for card in cards if card.scale == 1],
        formats=WRITABLE_FORMATS,
        suffixes=sorted({suffix for form in FORMATS.values() for suffix in form.suffixes}),
        vividness=service.workshop.has_twins,
        limits=service.settings,
    )


def _as_options(fields: dict[str, str]) -> dict[str, str]:
    """Return the options that the form's fields stand for: it asks for a size as a kind and a number."""
    options = dict(fields)
    kind, number = options.pop("size", NO_SIZE), options.pop("number", "").strip()
    if kind in SIZES:
        if not number:
            raise Problem("invalid-options", f"{kind}: give a number")
        options[kind] = number
    elif kind != NO_SIZE:
        raise Problem("invalid-options", f"size: is none of {', '.join((NO_SIZE, *SIZES))}")
    return options


def _job(service: Service, job: Job) -> BaseResponse:
    document = job_document(service, job)
    target = service.store.folder(job.id) / job.target
    return _page(
        service,
        "job.html",
        200,
        job=document,
        name=job.name,
        download=service.download_name(job.name, Options.model_validate_json(job.options), target),
        problem=recalled(job) if job.state == "failed" else None,
        reduced=job.result_width * job.result_height > SHOWN,
    )


def _view(service: Service, job: Job, which: str) -> Response:
    """Return a job's picture, or what it became, in a form that browsers show."""
    folder = service.store.folder(job.id)
    path: Path = folder / getattr(job, VIEWS[which])
    if job.state == "cancelled" or (which == "after" and job.state != "done"):
        raise Problem("not-found", "there is no such picture")
    if which == "before":
        form, pixels = job.format, job.width * job.height
    else:
        form, pixels = resolve_format(path, None).name, job.result_width * job.result_height
    if form in SHOWN_BY_BROWSERS and pixels <= SHOWN:
        return sent_file(path, MEDIA_TYPES[form])
    preview = folder / f"{which}.jpg"
    if not preview.exists():
        service.workshop.show(path, preview, service.check_open)
    return sent_file(preview, MEDIA_TYPES["jpeg"])


def _page(service: Service, template: str, status: int, **facts: Any) -> BaseResponse:  # noqa: ANN401
    cookie = access.form_cookie()
    text = render_template(
        template,
        token=service.gate.form_token(cookie),
        token_name=access.TOKEN,
        signed_in=not service.gate.open and access.guest(service.gate) is not None,
        **facts,
    )
    response = make_response(text, status)
    access.give_form_cookie(response, cookie)
    return response
