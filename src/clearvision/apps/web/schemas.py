"""What goes in and out of the API, as pydantic models: they check it, and the OpenAPI document is made of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from clearvision.apps.web.problems import Problem
from clearvision.imaging.formats import WRITABLE_FORMATS
from clearvision.inference.choosing import Wishes
from clearvision.inference.plan import MAX_SCALE

AUTO = "auto"
SIZES = ("scale", "width", "height", "megapixels")
State = Literal["queued", "running", "done", "failed", "cancelled"]


class Options(BaseModel):
    """How a picture is enlarged. At most one of scale, width, height and megapixels may be given."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Options")

    model: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="A name of /api/v1/models; auto: what suits the picture."
        ),
    ] = AUTO
    scale: Annotated[float | None, Field(gt=0, le=MAX_SCALE, description="Factor. Without any size: the model's own, 4.")] = None
    width: Annotated[int | None, Field(ge=1, le=1_000_000, description="Columns of the result; rows in proportion.")] = None
    height: Annotated[int | None, Field(ge=1, le=1_000_000, description="Rows of the result; columns in proportion.")] = None
    megapixels: Annotated[float | None, Field(gt=0, le=1_000_000, description="Millions of pixels of the result.")] = None
    format: Annotated[
        str | None,
        Field(
            description="Format of the result; without, the picture's own.", json_schema_extra={"enum": [*WRITABLE_FORMATS, None]}
        ),
    ] = None
    quality: Annotated[int | None, Field(ge=1, le=100, description="Of JPEG, WebP and AVIF.")] = None
    metadata: Annotated[Literal["keep", "strip"], Field(description="Whether EXIF, XMP and IPTC stay.")] = "keep"
    tta: Annotated[bool, Field(description="Average eight views: better, eight times as slow.")] = False
    sharpen: Annotated[float, Field(ge=0, le=1, description="How much the result is sharpened afterwards.")] = 0.0
    vividness: Annotated[
        float | None, Field(ge=0, le=1, description="From faithful (0) to vivid (1), for a model that has a vivid twin.")
    ] = None

    @field_validator("format")
    @classmethod
    def _can_be_written(cls, value: str | None) -> str | None:
        if value is not None and value not in WRITABLE_FORMATS:
            raise ValueError(f"is none of {', '.join(WRITABLE_FORMATS)}")
        return value

    @model_validator(mode="after")
    def _has_one_size(self) -> Options:
        given = [name for name in SIZES if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give only one of {', '.join(SIZES)}, not {' and '.join(given)}")
        return self

    @property
    def wishes(self) -> Wishes:
        """The wished size."""
        return {name: getattr(self, name) for name in SIZES}


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: Annotated[str, Field(description="urn:clearvision:problem: and a slug that stays.")]
    title: Annotated[str, Field(description="What the type means.")]
    status: Annotated[int, Field(ge=400, le=599)]
    detail: Annotated[str, Field(description="A sentence for people.")]


class PictureFacts(BaseModel):
    """Size and format of a picture."""

    model_config = ConfigDict(title="PictureFacts")

    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]
    frames: Annotated[int, Field(ge=1, description="Frames of the animation or pages of the file; 1 for a picture.")]
    format: str
    bytes: Annotated[int | None, Field(description="Of the file; null while there is none.")]


class JobDocument(BaseModel):
    """Where a job stands."""

    model_config = ConfigDict(title="Job")

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22}$")]
    state: State
    progress: Annotated[float, Field(ge=0, le=1)]
    position: Annotated[
        int | None, Field(description="Jobs ahead of it in the queue, 0 for the next; null if it is not waiting.")
    ]
    eta_seconds: Annotated[float | None, Field(description="Estimated seconds until it is done; null where nothing is known.")]
    source: PictureFacts
    result: PictureFacts
    options: Options
    model: Annotated[str | None, Field(description="The model that was taken.")]
    choice: Annotated[str | None, Field(description="What was found in the picture, and why the model was taken.")]
    seconds: Annotated[float | None, Field(description="Seconds that computing took.")]
    error: ProblemDocument | None
    created: Annotated[float, Field(description="Seconds since 1970.")]
    expires: Annotated[float | None, Field(description="When it will be deleted, likewise; null before it is finished.")]


class ModelDocument(BaseModel):
    """The card of a model."""

    model_config = ConfigDict(title="Model")

    name: str
    task: Annotated[str, Field(description="clean, photo, restore, face ...")]
    scale: Annotated[int, Field(ge=1, description="Its own factor.")]
    arch: str
    description: str
    intended_use: str
    licence: str
    figures: dict[str, float]
    training: dict[str, Any]


class ModelsDocument(BaseModel):
    """The models that may be asked for."""

    model_config = ConfigDict(title="Models")

    models: list[ModelDocument]


def parse_options(given: dict[str, str]) -> Options:
    """Return the options of a form or a query; empty ones count as not given.

    Raises:
        Problem: naming every fault.
    """
    try:
        return Options.model_validate({name: value for name, value in given.items() if value != ""})
    except ValidationError as error:
        faults = [_told(fault["loc"], fault["msg"]) for fault in error.errors()]
        listed = "; ".join(f"{fault['field']}: {fault['message']}" if fault["field"] else fault["message"] for fault in faults)
        raise Problem("invalid-options", listed, errors=faults) from None


def _told(where: tuple[int | str, ...], text: str) -> dict[str, str]:
    message = text.removeprefix("Value error, ")
    return {"field": str(where[0])[:100] if where else "", "message": message[:1].lower() + message[1:]}
