"""The OpenAPI document, made of the models that check requests and of the table of problems."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from clearvision import __version__
from clearvision.apps.web.problems import KNOWN, MEDIA_TYPE, TYPE
from clearvision.apps.web.schemas import JobDocument, ModelsDocument, Options, ProblemDocument
from clearvision.apps.web.settings import Settings

_REFERENCE = "#/components/schemas/{model}"
_PICTURE = {"type": "string", "format": "binary"}
_TAKES = (400, 401, 411, 413, 415, 422, 429, 500, 503)


def openapi(settings: Settings) -> dict[str, Any]:
    """Return the document of a server."""
    models: list[type[BaseModel]] = [Options, JobDocument, ModelsDocument, ProblemDocument]
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REFERENCE)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "ClearVision",
            "version": __version__,
            "description": "Enlarges and restores pictures. Errors are problem documents (RFC 9457) whose types stay.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": _paths(),
        "components": {"schemas": definitions["$defs"]},
    }
    if settings.key_file is not None:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
    return document


def _paths() -> dict[str, Any]:
    job_id = {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"}}
    headers = {
        "ClearVision-Model": _header("string", "The model that was taken."),
        "ClearVision-Choice": _header("string", "What was found in the picture, and why the model was taken."),
        "ClearVision-Seconds": _header("string", "Seconds that computing took."),
    }
    picture = {"description": "The enlarged picture.", "content": {"image/*": {"schema": _PICTURE}}}
    location = {"Location": _header("string", "Where the job is.")}
    return {
        "/api/v1/upscale": {
            "post": _takes_picture("upscale", "Enlarge a small picture and wait for it.", {"200": picture | {"headers": headers}})
        },
        "/api/v1/jobs": {
            "post": _takes_picture(
                "createJob",
                "Have a picture enlarged; the answer comes at once, and the job is on disk by then.",
                {"202": _json("The job.", "Job") | {"headers": location}},
            )
        },
        "/api/v1/jobs/{job_id}": {
            "parameters": [job_id],
            "get": _plain("getJob", "Where a job stands.", {"200": _json("The job.", "Job")}, 401, 404),
            "delete": _plain(
                "deleteJob",
                "Cancel a waiting or running job, or forget a finished one; its pictures are deleted.",
                {"204": {"description": "Done."}},
                401,
                404,
            ),
        },
        "/api/v1/jobs/{job_id}/result": {
            "parameters": [job_id],
            "get": _plain("getResult", "The enlarged picture.", {"200": picture}, 401, 404, 409, 422, 500, 503, 413),
        },
        "/api/v1/models": {
            "get": _plain("listModels", "The models that may be asked for.", {"200": _json("Their cards.", "Models")}, 401)
        },
        "/healthz": {"get": _status("health", "Whether the server runs.")},
        "/readyz": {"get": _status("readiness", "Whether it takes pictures; 503 while it starts or stops.", 503)},
        "/metrics": {
            "get": _plain(
                "metrics",
                "Numbers for Prometheus.",
                {"200": {"description": "In its text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
                401,
            )
        },
    }


def _takes_picture(name: str, summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    properties = {key: _of_text(value) for key, value in Options.model_json_schema()["properties"].items()}
    form = {
        "type": "object",
        "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}} | properties,
        "required": ["file"],
        "additionalProperties": False,
    }
    query = [
        {"name": key, "in": "query", "required": False, "schema": value, "description": value.get("description", "")}
        for key, value in properties.items()
    ]
    return {
        "operationId": name,
        "summary": summary,
        "description": "The picture is the field `file` of a form, with the options beside it, or the body itself, with the "
        "options in the query. No option may be given twice. At most one of scale, width, height and megapixels.",
        "parameters": query,
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": form},
                "image/*": {"schema": _PICTURE},
                "application/octet-stream": {"schema": _PICTURE},
            },
        },
        "responses": answers | _problems(*_TAKES),
    }


def _of_text(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an option's schema for forms and queries, which know no null: they leave the option out."""
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default", "title")}
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            rest |= choice
    if "enum" in rest:
        rest["enum"] = [value for value in rest["enum"] if value is not None]
    return rest if schema.get("default") is None else rest | {"default": schema["default"]}


def _plain(name: str, summary: str, answers: dict[str, Any], *faults: int) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "responses": answers | _problems(*faults)}


def _status(name: str, summary: str, *faults: int) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
    answer = {"description": "Yes.", "content": {"application/json": {"schema": schema}}}
    return _plain(name, summary, {"200": answer}, *faults) | {"security": []}


def _json(text: str, schema: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(model=schema)}}}}


def _header(kind: str, text: str) -> dict[str, Any]:
    return {"description": text, "schema": {"type": kind}}


def _problems(*statuses: int) -> dict[str, Any]:
    """Return the answers for statuses: which problems each may mean."""
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    answers = {}
    for status in sorted(statuses):
        kinds = [f"`{TYPE}{slug}`: {title}" for slug, (code, title) in KNOWN.items() if code == status]
        answers[str(status)] = {"description": "; ".join(kinds), "content": {MEDIA_TYPE: {"schema": schema}}}
    return answers
