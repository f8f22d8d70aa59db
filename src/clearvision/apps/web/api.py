"""The HTTP API, version 1, and what machines ask of a server: health and metrics."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, request, send_file, url_for

from clearvision.apps.web import metrics
from clearvision.apps.web.access import owner
from clearvision.apps.web.intake import receive
from clearvision.apps.web.openapi import openapi
from clearvision.apps.web.problems import Problem
from clearvision.apps.web.runner import work_of
from clearvision.apps.web.schemas import JobDocument, ModelsDocument, Options, PictureFacts, ProblemDocument
from clearvision.apps.web.service import Service
from clearvision.apps.web.store import FINISHED, ID, Job
from clearvision.imaging.formats import resolve_format

MEDIA_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "tiff": "image/tiff",
    "avif": "image/avif",
    "gif": "image/gif",
    "jp2": "image/jp2",
    "bmp": "image/bmp",
    "tga": "image/x-tga",
    "ppm": "image/x-portable-anymap",
    "ico": "image/vnd.microsoft.icon",
    "heic": "image/heic",
    "jxl": "image/jxl",
}


def api_of(service: Service) -> Blueprint:
    """Return the routes of the API."""
    api = Blueprint("api", __name__)

    @api.post("/api/v1/upscale")
    def upscale() -> Response:
        with service.visit(owner(service.gate)), service.store.scratch_folder() as folder:
            done = service.enlarge_now(receive(folder), request.environ.get("waitress.client_disconnected", bool))
            body = done.work.target.read_bytes()
        response = sent_file(BytesIO(body), MEDIA_TYPES[resolve_format(done.work.target, None).name], done.name)
        response.headers["ClearVision-Model"] = done.made.info.name
        response.headers["ClearVision-Seconds"] = f"{done.made.report.seconds:.3f}"
        if done.made.choice is not None:
            response.headers["ClearVision-Choice"] = done.made.choice.encode("ascii", "replace").decode()
        return response

    @api.post("/api/v1/jobs")
    def create() -> tuple[Response, int]:
        whose = owner(service.gate)
        service.check_room(whose)
        with service.store.scratch_folder() as folder:
            job = service.accept(whose, receive(folder))
        response = jsonify(job_document(service, job))
        response.headers["Location"] = url_for("api.job", job_id=job.id)
        return response, 202

    @api.get("/api/v1/jobs/<job_id>")
    def job(job_id: str) -> Response:
        return jsonify(job_document(service, find(service, job_id, owner(service.gate))))

    @api.delete("/api/v1/jobs/<job_id>")
    def delete(job_id: str) -> Response:
        service.runner.cancel(find(service, job_id, owner(service.gate)).id)
        return Response(status=204)

    @api.get("/api/v1/jobs/<job_id>/result")
    def result(job_id: str) -> Response:
        return send_result(service, find(service, job_id, owner(service.gate)))

    @api.get("/api/v1/models")
    def models() -> Response:
        owner(service.gate)
        return jsonify(ModelsDocument(models=service.workshop.cards()).model_dump())

    @api.get("/openapi.json")
    def document() -> Response:
        return jsonify(openapi(service.settings))

    @api.get("/healthz")
    def health() -> Response:
        return jsonify(status="ok")

    @api.get("/readyz")
    def readiness() -> Response:
        service.check_open()
        if not service.ready:
            raise Problem("draining", "the models are not open yet", retry_after=2)
        return jsonify(status="ready")

    @api.get("/metrics")
    def numbers() -> Response:
        owner(service.gate)
        return Response(service.metrics.text(gauges(service)), content_type=metrics.MEDIA_TYPE)

    return api


def find(service: Service, job_id: str, whose: str) -> Job:
    """Return a job that is somebody's own.

    Raises:
        Problem: if there is none of that id, or it is another's, which is the same to a stranger.
    """
    job = service.store.get(job_id) if ID.fullmatch(job_id) else None
    if job is None or (not service.gate.open and job.owner != whose):
        raise Problem("not-found", "there is no such job; finished ones are deleted after a while")
    return job


def send_result(service: Service, job: Job) -> Response:
    """Return the answer that carries a job's result.

    Raises:
        Problem: if there is none.
    """
    if job.state == "failed":
        raise recalled(job)
    if job.state == "cancelled":
        raise Problem("cancelled", "the job was cancelled and has no result")
    if job.state != "done":
        raise Problem("not-finished", f"the job is {job.state}", retry_after=1)
    work = work_of(job, service.store.folder(job.id))
    name = service.download_name(job.name, work.options, work.target)
    kind = MEDIA_TYPES[resolve_format(work.target, None).name]
    response = sent_file(work.target, kind, name)
    response.headers["ClearVision-Model"] = job.model or ""
    return response


def sent_file(path: Path | BytesIO, kind: str, name: str | None = None) -> Response:
    """Return the answer that carries a file, as a download where it is given a name.

    Raises:
        Problem: if it was deleted meanwhile.
    """
    try:
        return send_file(path, mimetype=kind, as_attachment=name is not None, download_name=name, etag=False, max_age=0)
    except FileNotFoundError:
        raise Problem("not-found", "the picture was deleted") from None


def recalled(job: Job) -> Problem:
    """Return the problem that a job failed with."""
    document = json.loads(job.problem or "{}")
    return Problem(document["type"].rpartition(":")[2], document["detail"])


def job_document(service: Service, job: Job) -> dict[str, Any]:
    """Return what is told of a job."""
    progress, position, eta = service.runner.progress(job)
    source = PictureFacts(width=job.width, height=job.height, frames=job.frames, format=job.format, bytes=job.bytes)
    result = PictureFacts(
        width=job.result_width,
        height=job.result_height,
        frames=job.frames,
        format=resolve_format(service.store.folder(job.id) / job.target, None).name,
        bytes=job.result_bytes,
    )
    return JobDocument(
        id=job.id,
        state=job.state,  # type: ignore[arg-type]
        progress=round(progress, 4),
        position=position,
        eta_seconds=None if eta is None else round(eta, 1),
        source=source,
        result=result,
        options=Options.model_validate_json(job.options),
        model=job.model,
        choice=job.choice,
        seconds=job.seconds,
        error=None if job.problem is None else ProblemDocument.model_validate_json(job.problem),
        created=job.created,
        expires=job.finished + service.settings.keep_seconds if job.state in FINISHED and job.finished else None,
    ).model_dump()


def gauges(service: Service) -> dict[str, tuple[str, float]]:
    """Return what is measured at this moment."""
    return {
        "jobs_waiting": ("Jobs in the queue.", service.store.waiting()),
        "jobs_running": ("Jobs being worked on.", service.runner.busy),
        "visitors": ("Clients that wait for their picture in one request.", service.visitors),
        "line_waiting": ("Pictures that wait for the engine or to be opened.", service.workshop.waiting),
        "stored_bytes": ("Bytes of the pictures kept.", service.store.stored()),
    }
