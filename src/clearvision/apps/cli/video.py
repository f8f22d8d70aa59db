"""``clearvision upscale`` for videos."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearvision.apps.cli import console
from clearvision.errors import UsageError
from clearvision.imaging.segments import CONTAINERS, choose_encoding, container_of
from clearvision.imaging.video import SUFFIXES, is_video, pyav, read_facts
from clearvision.inference.choosing import as_target

if TYPE_CHECKING:
    from clearvision.imaging.video import Rgb
    from clearvision.inference.choosing import Upscalers
    from clearvision.inference.video import VideoReport


def refuse(wrong: dict[str, bool]) -> None:
    """Refuse options that say nothing about videos; ``wrong`` tells which were given."""
    given = [name for name, is_given in wrong.items() if is_given]
    if given:
        raise UsageError(f"{', '.join(given)} {'are' if len(given) > 1 else 'is'} for pictures, not for videos; leave it out")


def only_videos(inputs: Sequence[Path]) -> bool:
    """Return whether the inputs are videos.

    Raises:
        UsageError: if some are and some are not.
    """
    videos = [path for path in inputs if is_video(path)]
    if videos and len(videos) < len(inputs):
        raise UsageError("pictures and videos cannot go in one command; give the videos in one of their own")
    return bool(videos)


def plan_targets(inputs: Sequence[Path], out: Path | None, label: str) -> list[tuple[Path, Path]]:
    """Pair every video with its result: ``clip_x4.mp4`` beside it, the file named, or its own name in the folder named.

    Raises:
        UsageError: if a result cannot have its name or would be an input or another's result.
    """
    if out is not None and out.suffix.lower() in SUFFIXES and not out.is_dir():
        container_of(out)
        if len(inputs) > 1:
            raise UsageError(f"-o '{out}' names one file but the input is {len(inputs)} videos; give a folder instead")
        pairs = [(inputs[0], out)]
    else:
        pairs = []
        for path in inputs:
            suffix = path.suffix if path.suffix.lower() in CONTAINERS else ".mkv"
            name = f"{path.stem}{label if out is None else ''}{suffix}"
            pairs.append((path, (path.parent if out is None else out) / name))
    taken = {path.resolve() for path in inputs}
    for _, target in pairs:
        if target.resolve() in taken:
            raise UsageError(f"'{target}' would be written twice or over an input; give another -o")
        taken.add(target.resolve())
    return pairs


def run_videos(
    pairs: Sequence[tuple[Path, Path]],
    upscalers: Upscalers,
    settings: dict[str, Any],
    *,
    quality: int | None,
    max_pixels: int,
    resume: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Enlarge videos one after the other, or tell what would be done; return the exit code."""
    pyav()  # that it is missing is told once
    told: list[dict[str, Any]] = []
    failed = interrupted = False
    for source, target in pairs:
        fact: dict[str, Any] = {"source": str(source), "target": str(target)}
        try:
            if dry_run:
                fact |= _plan(source, upscalers, quality, max_pixels)
            else:
                fact |= _enlarge(source, target, upscalers, settings, quality, max_pixels, resume)
        except KeyboardInterrupt:
            interrupted = True
            console.note("finished segments are kept; --resume goes on behind them")
            break
        except Exception as error:  # a fault of one video must not cost the others
            failed = True
            text = console.sentence(error)
            fact |= {"status": "failed", "error": text}
            console.note(f"clearvision: {text if str(source) in text else f'{source}: {text}'}")
        told.append(fact)
        if not as_json and "error" not in fact:
            _tell(fact)
    if as_json:
        console.say_json({"videos": told, "interrupted": interrupted})
    return console.INTERRUPTED if interrupted else console.FAILED if failed else console.DONE


def _plan(source: Path, upscalers: Upscalers, quality: int | None, max_pixels: int) -> dict[str, Any]:
    facts = read_facts(source, max_pixels=max_pixels)
    upscaler = upscalers.choose(facts.height, facts.width)
    plan = upscaler.plan(facts.height, facts.width, **as_target(upscalers.wishes))
    encoding = choose_encoding(facts, plan.width, plan.height, quality)
    return {
        "status": "planned",
        "model": upscaler.info.name,
        "source_size": [facts.width, facts.height],
        "target_size": [encoding.width, encoding.height],
        "frames": facts.frames,
        "encoding": encoding.text,
        "notes": [],
    }


def _enlarge(
    source: Path,
    target: Path,
    upscalers: Upscalers,
    settings: dict[str, Any],
    quality: int | None,
    max_pixels: int,
    resume: bool,
) -> dict[str, Any]:
    from clearvision.inference.video import enlarge_video
    from clearvision.types import Picture

    facts = read_facts(source, max_pixels=max_pixels)
    upscaler = upscalers.choose(facts.height, facts.width)
    plan = upscaler.plan(facts.height, facts.width, **as_target(upscalers.wishes))
    retries: dict[str, None] = {}
    wishes: dict[str, Any] = upscalers.wishes

    def enlarge(pixels: Rgb) -> Any:  # noqa: ANN401
        picture, report = upscaler.run(Picture(pixels), **wishes)
        retries.update(dict.fromkeys(report.retries))
        return picture.pixels

    target.parent.mkdir(parents=True, exist_ok=True)
    with console.Watcher() as watcher:
        begun, first = time.monotonic(), 0

        def show(done: int, total: int) -> None:
            nonlocal first
            first = first or done
            pace = (time.monotonic() - begun) / (done - first + 1)
            total = max(total, done)
            watcher.show(source.name, source.name, done, total, left=pace * (total - done))

        report = enlarge_video(
            source,
            target,
            facts,
            enlarge,
            (plan.width, plan.height),
            quality=quality,
            resume=resume,
            settings={**settings, "chosen": upscaler.info.name},
            progress=show,
        )
    return {"status": "done", "model": upscaler.info.name, **_plain(report), "retries": list(retries)}


def _plain(report: VideoReport) -> dict[str, Any]:
    facts, encoding, flicker = report.facts, report.encoding, report.flicker
    return {
        "source_size": [facts.width, facts.height],
        "target_size": [encoding.width, encoding.height],
        "frames": report.frames,
        "frames_resumed": report.resumed,
        "encoding": encoding.text,
        "seconds": report.seconds,
        "flicker": None if flicker is None else {**asdict(flicker), "added": flicker.added},
        "notes": list(report.notes),
    }


def _tell(fact: dict[str, Any]) -> None:
    for note in fact["notes"]:
        console.note(f"clearvision: {note}")
    sizes = ["x".join(map(str, fact[name])) for name in ("source_size", "target_size")]
    parts = [f"{fact['source']} ({sizes[0]}) -> {fact['target']} ({sizes[1]})", f"{fact['frames']} frames", fact["encoding"]]
    if fact["status"] == "done":
        speed = (fact["frames"] - fact["frames_resumed"]) / max(fact["seconds"], 1e-9)
        parts += [f"{fact['seconds']:.1f} s", f"{speed:.2f} frames/s"]
        if fact["flicker"] is not None:
            parts.append(f"flicker {fact['flicker']['added']:+.2f}")
    console.say(", ".join([*parts, fact["model"]]))
