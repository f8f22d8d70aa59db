"""The options of the page that enlarges: what to do, how large, by which model, and how to write the file."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Literal

import streamlit as st

from clearvision.apps.streamlit_app.choices import Choices, Lock
from clearvision.apps.streamlit_app.damage import LARGEST_BLUR, Damage, why_not
from clearvision.degradations.presets import PRESETS
from clearvision.imaging.formats import FORMATS, WRITABLE_FORMATS
from clearvision.inference.plan import MAX_SCALE
from clearvision.types import ModelInfo
from clearvision.zoo.catalogue import list_models

TASKS = ("Enlarge", "Restore, same size")
AUTO, SAME, OWN = "Automatic", "Same as the picture", "My own numbers"
AS_IT_IS, SIMULATE = "As it is", "Simulate damage"
SIZES = ("2x", "4x", "Other")
_PRESETS = ("clearvision-app", "clearvision", "bicubic", "camera", "photo", "realesrgan", "bsrgan")
_LOCKS: dict[str, Lock] = {"Leave as computed": "none", "Lock colours": "colour", "Agree with the input": "input"}
_WITH_QUALITY = ("jpeg", "webp", "avif")
KEPT: dict[str, Any] = {"persist_state": "session"}  # options stay while the visitor looks at another page


def show_options() -> tuple[Choices, Damage | None]:
    """Show the options and return what is chosen."""
    restoring = st.segmented_control("Task", TASKS, default=TASKS[0], required=True, key="task", **KEPT) == TASKS[1]
    damage = choose_damage(restoring)
    choices = Choices(restoring, model=_choose_restorer() if restoring else _choose_model())
    if damage is None and not restoring:
        choices = replace(choices, **_choose_size())
    choices = _choose_file(choices)
    return _choose_more(choices), damage


def choose_damage(restoring: bool) -> Damage | None:
    """Show whether and how a picture is damaged before; when restoring it keeps its size."""
    starts = [AS_IT_IS, SIMULATE]
    told = "Take the picture as it is, or damage it first on purpose to see how near the result comes to the original."
    if st.segmented_control("Picture", starts, default=AS_IT_IS, required=True, key="start", help=told, **KEPT) == AS_IT_IS:
        return None
    shrink = 1
    if not restoring:
        shrink = st.select_slider("Shrink by", [2, 3, 4, 6, 8], 4, key="shrink", format_func=lambda factor: f"{factor}x", **KEPT)
    preset = st.selectbox("Damage", [*_PRESETS, OWN], key="preset", **KEPT)
    damage = Damage(shrink, None if preset == OWN else preset)
    if preset == OWN:
        noise = st.slider("Noise, grey levels", 0, 50, 10, key="noise", **KEPT)
        blur = st.slider("Blur, pixels", 0.0, LARGEST_BLUR, 0.5, 0.1, key="blur", **KEPT)
        quality = st.slider("JPEG quality", 5, 100, 70, key="damage-quality", help="100 leaves JPEG out.", **KEPT)
        damage = replace(damage, noise=float(noise), blur=blur, quality=None if quality == 100 else quality)
    else:
        st.caption(PRESETS[preset].summary)
    if (lack := why_not(damage)) is not None:
        st.warning(lack)
    return damage


def _choose_model() -> str | None:
    models = {info.name: info for info in list_models() if info.scale > 1}
    chosen = st.selectbox("Model", [AUTO, *models], key="model", **KEPT)
    if chosen == AUTO:
        st.caption("Chosen by what the picture has been through: compression, noise, blur.")
        return None
    st.caption(models[chosen].description)
    return chosen


def _choose_restorer() -> str:
    """Return the model that restores: one made for it, or one that enlarges and whose result is made small again."""
    models = {info.name: info for info in sorted(list_models(), key=_suits_restoring, reverse=True)}
    chosen = st.selectbox("Model", list(models), key="restorer", **KEPT)
    small = "" if models[chosen].scale == 1 else " Its result is made as small as the picture again."
    st.caption(models[chosen].description + small)
    return chosen


def _suits_restoring(info: ModelInfo) -> tuple[bool, bool]:
    return info.task == "restore", info.task == "photo"


def _choose_size() -> dict[str, Any]:
    """Return the wished size under the names of :class:`Choices`."""
    size = st.segmented_control("Size", SIZES, default="4x", required=True, key="size", **KEPT)
    if size != "Other":
        return {"scale": float(size.removesuffix("x"))}
    by = st.selectbox("Give", ["Factor", "Width", "Height", "Megapixels"], key="by", **KEPT)
    if by == "Factor":
        return {"scale": st.number_input("Factor", 1.0, float(MAX_SCALE), 3.0, 0.5, key="factor", **KEPT)}
    if by == "Megapixels":
        return {"megapixels": st.number_input("Megapixels", 0.01, 400.0, 8.0, 1.0, key="megapixels", **KEPT)}
    side: Literal["width", "height"] = "width" if by == "Width" else "height"
    return {side: int(st.number_input(f"{by}, pixels", 1, 100_000, 2000, key=side, **KEPT))}


def _choose_file(choices: Choices) -> Choices:
    with st.expander("File"):
        options = [SAME, *(name for name in WRITABLE_FORMATS)]
        chosen = st.selectbox("Format", options, key="format", format_func=_format_label, **KEPT)
        format = None if chosen == SAME else chosen
        quality = None
        if format is None or format in _WITH_QUALITY:
            usual = st.checkbox("Usual quality", True, key="usual-quality", help="95 for JPEG and WebP, 85 for AVIF.", **KEPT)
            if not usual:
                told = "Of JPEG, WebP and AVIF; no effect on the others. WebP at 100 loses nothing."
                quality = st.slider("Quality", 1, 100, 90, key="quality", help=told, **KEPT)
        told = "EXIF, XMP and IPTC: camera, place, author. The colour profile stays in any case."
        kept = st.checkbox("Keep metadata", True, key="metadata", help=told, **KEPT)
    return replace(choices, format=format, quality=quality, strip_metadata=not kept)


def _choose_more(choices: Choices) -> Choices:
    with st.expander("More"):
        told = "Makes edges steeper, without halos; adds no detail, and strengthens what noise there is."
        sharpen = st.slider("Sharpen", 0.0, 1.0, 0.0, 0.05, key="sharpen", help=told, **KEPT)
        tta = st.checkbox(
            "Average eight views",
            key="tta",
            help="The picture turned and mirrored: a little better, eight times as slow.",
            **KEPT,
        )
        told = (
            "Lock colours: keeps the picture's own colours over areas. "
            "Agree with the input: the result made small gives the input back, noise included; for clean pictures."
        )
        lock = "none" if choices.restoring else _LOCKS[st.selectbox("Faithfulness", list(_LOCKS), key="lock", help=told, **KEPT)]
        smooth = st.selectbox(
            "Transparency", ["resize", "network"], key="alpha", help="How transparent edges are enlarged.", **KEPT
        )
        devices = ["auto", "cpu", "cuda", "mps"] if find_spec("torch") is not None else ["auto", "cpu"]
        device = st.selectbox("Device", devices, key="device", help="auto is the processor.", **KEPT)
        precision = st.selectbox("Precision", ["auto", "f32", "bf16", "f16"], key="precision", **KEPT)
    return replace(choices, sharpen=sharpen, tta=tta, lock=lock, alpha=smooth, device=device, precision=precision)


def _format_label(name: str) -> str:
    return name if name == SAME else f"{name.upper()} ({FORMATS[name].suffixes[0]})"
