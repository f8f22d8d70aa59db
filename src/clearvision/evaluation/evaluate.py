"""Run methods over a test set: read ahead, compute, score behind, remember what is finished.

While a picture is computed, the next one is read and the one before it is scored, in threads of their own, so that what is not
the network's work hides behind it. Pictures that fit in memory are read once for all methods.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import DataError, EngineError, ImageShapeError, PictureError, UsageError
from clearvision.evaluation.journal import Journal
from clearvision.evaluation.learned import Features
from clearvision.evaluation.loading import Loaded, PictureReader, load_pair
from clearvision.evaluation.methods import BASELINE, Interpolation, Method
from clearvision.evaluation.protocols import PROTOCOLS, LearnedMetric, Protocol, check_size, find_metrics, score
from clearvision.evaluation.results import Evaluation, MethodResult, PictureScore
from clearvision.evaluation.sets import Fault, Pair, PictureSet
from clearvision.evaluation.standards import SelfCheck, check_bicubic
from clearvision.evaluation.store import DEFAULT_ROOM, Store
from clearvision.metrics.catalogue import METRICS
from clearvision.metrics.frechet import frechet_distance

SCORERS = 2  # threads; a network leaves the second one idle, an interpolation keeps both busy
WAITING = 3  # results that may wait to be scored, which bounds memory

Pixels = NDArray[np.uint8]
Gallery = Store[Pixels]
_OF_ONE_PICTURE = (PictureError, ImageShapeError, DataError)


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        label: the method at work.
        index: its place, from 1.
        methods: how many there are.
        done: pictures it has finished.
        total: pictures of the set.
        seconds_left: of this method, None before it can be estimated.
    """

    label: str
    index: int
    methods: int
    done: int
    total: int
    seconds_left: float | None


@dataclass(frozen=True, eq=False)
class _Work:
    """What every picture of a run needs."""

    reader: PictureReader
    protocol: Protocol
    metrics: tuple[str, ...]  # of single pictures
    learned: Mapping[str, LearnedMetric]
    journal: Journal
    gallery: Gallery


@dataclass(frozen=True, eq=False)
class _Read:
    """A picture as it comes from the reading thread: with an outcome already, or loaded to be computed."""

    pair: Pair
    key: str = ""
    outcome: PictureScore | Fault | None = None
    loaded: Loaded | None = None


def evaluate(
    reader: PictureReader,
    methods: Sequence[Method],
    *,
    protocol: Protocol = PROTOCOLS["y"],
    metrics: Sequence[str] = ("psnr", "ssim"),
    learned: Mapping[str, LearnedMetric] | None = None,
    features: Features | None = None,
    journal: Journal | None = None,
    gallery: Gallery | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_check: Callable[[SelfCheck], None] | None = None,
) -> Evaluation:
    """Score methods on a set.

    Args:
        reader: the set's pictures.
        methods: what to score, the bicubic baseline first; see :func:`~clearvision.evaluation.methods.open_methods`.
        protocol: what the numbers shall mean.
        metrics: names out of :data:`~clearvision.metrics.catalogue.METRICS`.
        learned: those of them that need a network; see :func:`~clearvision.evaluation.learned.open_learned`.
        features: the network of ``fid``.
        journal: where finished pictures are found and noted.
        gallery: where results are kept for a report; without one they are kept for ``fid`` only.
        progress: called after every picture.
        on_check: called with the self-check's verdict as soon as the bicubic row is known, before any network runs.

    Raises:
        UsageError: if a metric does not suit the set, or a model its scale.
        DataError: if no picture is left that every method could do; the text names the first reasons.
    """
    start = time.perf_counter()
    metrics = tuple(dict.fromkeys(metrics))
    picture_set = reader.picture_set
    _check_request(picture_set, methods, metrics)
    single = tuple(name for name in metrics if METRICS[name].per_picture)
    if gallery is None:
        gallery = Store(0 if features is None else DEFAULT_ROOM)
    work = _Work(reader, protocol, single, learned or {}, journal or Journal(None), gallery)
    results: list[MethodResult] = []
    check: SelfCheck | None = None
    for index, method in enumerate(methods, 1):
        results.append(_run(work, method, index, len(methods), progress))
        if not results[-1].scores:
            raise DataError(_nothing_left([*results[-1].faults, *picture_set.faults]))
        if index == 1:
            check = self_check(picture_set, protocol, results[0])
            if check is not None and on_check is not None:
                on_check(check)
    pictures = tuple(name for name in results[0].scores if all(name in result.scores for result in results))
    faults = [*picture_set.faults, *dict.fromkeys(fault for result in results for fault in result.faults)]
    if not pictures:
        raise DataError(_nothing_left(faults))
    if features is not None and "fid" in metrics:
        results = [
            replace(result, set_values={"fid": _fid(work, method, result, pictures, features)})
            for method, result in zip(methods, results, strict=True)
        ]
    notes = _notes(results, pictures)
    seconds = time.perf_counter() - start
    return Evaluation(picture_set, protocol, metrics, tuple(results), pictures, tuple(faults), notes, check, seconds)


def result_of(reader: PictureReader, method: Method, pair: Pair, key: str, gallery: Gallery) -> Pixels:
    """Return a method's result (H, W, C) on a picture: the one kept, or else computed again.

    Raises:
        PictureError: as :func:`~clearvision.evaluation.loading.load_pair`.
        EngineError: if the picture could not be computed.
    """
    kept = gallery.find(key)
    return kept if kept is not None else method.enlarge(reader.load(pair).lq, reader.picture_set.scale)[0]


def self_check(picture_set: PictureSet, protocol: Protocol, baseline: MethodResult) -> SelfCheck | None:
    """Compare the bicubic row of a recognised set with the literature's.

    The row itself is compared where it was made under protocol ``y`` from bicubic inputs; otherwise, and where that fails with
    given inputs, one is computed from the ground truth alone.

    Returns:
        The verdict, or None where there is nothing to compare with.
    """
    standard, scale = picture_set.standard, picture_set.scale
    if standard is None or scale not in standard.bicubic or picture_set.real:
        return None
    scores = baseline.scores.values()
    measured = {
        name: [each.values[name] for each in scores] for name in ("psnr", "ssim") if all(name in each.values for each in scores)
    }
    check = None
    if protocol.name == "y" and "psnr" in measured and picture_set.degrade is None:
        psnr, *ssim = (float(np.mean(values)) for values in measured.values())
        check = check_bicubic(standard, scale, len(scores), psnr, ssim[0] if ssim else None, source=picture_set.source)
        if check is None or check.passed or picture_set.pairs[0].lq is None:
            return check
    values = [score_from_gt(picture_set, pair) for pair in picture_set.pairs]
    found = [value for value in values if value is not None]
    mean = float(np.mean(found)) if found else float("nan")
    from_gt = check_bicubic(standard, scale, len(found), mean, None, source="made from the ground truth alone")
    if check is not None and from_gt is not None and from_gt.passed:
        return SelfCheck(False, f"{check.text} The ground truth is the standard one, so it is the given inputs that differ.")
    return check or from_gt


def score_from_gt(picture_set: PictureSet, pair: Pair) -> float | None:
    """Return bicubic's PSNR-Y in dB on an input made from the ground truth, or None where the picture cannot be scored."""
    plain = PictureSet(picture_set.name, picture_set.scale, (), "")
    try:
        loaded = load_pair(plain, Pair(pair.name, pair.gt, None))
        sr, _, _ = Interpolation(BASELINE).enlarge(loaded.lq, plain.scale)
        return score(sr, loaded.gt, plain.scale, PROTOCOLS["y"], ("psnr",))["psnr"]
    except _OF_ONE_PICTURE:
        return None


def _check_request(picture_set: PictureSet, methods: Sequence[Method], metrics: tuple[str, ...]) -> None:
    for metric in find_metrics(metrics):
        if picture_set.real and metric.reference == "gt":
            able = ", ".join(each.name for each in METRICS.values() if each.reference != "gt")
            raise UsageError(
                f"metric '{metric.name}' needs a ground truth, and '{picture_set.name}' has none; what can be measured: {able}"
            )
    for method in methods:
        if method.scale not in (None, picture_set.scale):
            raise UsageError(
                f"model '{method.label}' enlarges by {method.scale} and the pictures of '{picture_set.name}' are for "
                f"{picture_set.scale}; choose pictures or --scale for {method.scale}, or another model"
            )


def _run(work: _Work, method: Method, index: int, count: int, progress: Callable[[Progress], None] | None) -> MethodResult:
    """Read, compute and score every picture with one method."""
    pairs = work.reader.picture_set.pairs
    scores: dict[str, PictureScore] = {}
    faults: list[Fault] = []
    computed, start = 0, time.perf_counter()
    waiting: deque[Future[PictureScore | Fault]] = deque()

    def collect(done: PictureScore | Fault) -> None:
        if isinstance(done, Fault):
            faults.append(done)
        else:
            scores[done.picture] = done
        if progress is not None:
            finished = len(scores) + len(faults)
            left = (time.perf_counter() - start) / computed * (len(pairs) - finished) if computed else None
            progress(Progress(method.label, index, count, finished, len(pairs), left))

    # the network runs in this thread
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(SCORERS, "score") as scorer:
        ahead = reader.submit(_read, work, method, pairs[0])
        for following in (*pairs[1:], None):
            item = ahead.result()
            if following is not None:
                ahead = reader.submit(_read, work, method, following)
            if item.loaded is None:
                done = item.outcome
            else:
                computed += 1
                done = _compute(work, method, item, item.loaded, scorer)
            if isinstance(done, Future):
                waiting.append(done)
            elif done is not None:
                collect(done)
            while waiting and (len(waiting) > WAITING or waiting[0].done()):
                collect(waiting.popleft().result())
        while waiting:
            collect(waiting.popleft().result())
    return MethodResult(
        method.label,
        {pair.name: scores[pair.name] for pair in pairs if pair.name in scores},
        tuple(faults),
        method.cost,
        method.info,
        method.sha256,
        tuple(method.retries),
        sum(1 for each in scores.values() if each.reused),
    )


def _read(work: _Work, method: Method, pair: Pair) -> _Read:
    """Find a picture finished, or read it."""
    try:
        identity = f"{method.identity} {work.protocol.name} {work.reader.digest(pair)}"
        key = hashlib.sha256(identity.encode()).hexdigest()
        record = work.journal.find(key)
        if record is not None and all(name in record["values"] for name in work.metrics):
            values = {name: float(record["values"][name]) for name in work.metrics}
            score = PictureScore(
                pair.name,
                values,
                record["seconds"],
                record["megapixels"],
                record["computed_by"],
                key,
                grey=record["grey"],
                reused=True,
            )
            return _Read(pair, key, score)
        loaded = work.reader.load(pair)
        if loaded.gt is not None:
            height, width = loaded.gt.shape[:2]
            check_size(height, width, work.reader.picture_set.scale, work.protocol, work.metrics)
    except _OF_ONE_PICTURE as error:
        return _Read(pair, outcome=Fault(pair.name, str(error)))
    return _Read(pair, key, None, loaded)


def _compute(
    work: _Work, method: Method, item: _Read, loaded: Loaded, scorer: ThreadPoolExecutor
) -> Future[PictureScore | Fault] | Fault:
    """Enlarge a picture and hand it to be scored."""
    try:
        sr, seconds, computed_by = method.enlarge(loaded.lq, work.reader.picture_set.scale)
    except (*_OF_ONE_PICTURE, EngineError, MemoryError) as error:
        return Fault(item.pair.name, f"{method.label} could not do it: {' '.join(str(error).split()) or 'not enough memory'}")
    return scorer.submit(_score, work, item, loaded, sr, seconds, computed_by)


def _score(work: _Work, item: _Read, loaded: Loaded, sr: Pixels, seconds: float, computed_by: str) -> PictureScore | Fault:
    """Score a result, note it as finished and keep it for the report."""
    scale = work.reader.picture_set.scale
    try:
        values = score(sr, loaded.gt, scale, work.protocol, work.metrics, lq=loaded.lq, learned=work.learned)
    except _OF_ONE_PICTURE as error:
        return Fault(item.pair.name, str(error))
    megapixels = sr.shape[0] * sr.shape[1] / 1e6
    done = PictureScore(item.pair.name, values, seconds, megapixels, computed_by, item.key, grey=sr.shape[2] == 1)
    work.journal.add({key: value for key, value in dataclasses.asdict(done).items() if key != "reused"})
    work.gallery.keep(item.key, sr, sr.nbytes)
    return done


def _fid(work: _Work, method: Method, result: MethodResult, pictures: Sequence[str], features: Features) -> float:
    pairs = {pair.name: pair for pair in work.reader.picture_set.pairs}
    made, true = [], []
    for name in pictures:
        gt = work.reader.load(pairs[name]).gt
        assert gt is not None  # FID needs a ground truth, which was checked
        made.append(features(result_of(work.reader, method, pairs[name], result.scores[name].key, work.gallery)))
        true.append(features(gt))
    return frechet_distance(np.stack(made), np.stack(true))


def _notes(results: Sequence[MethodResult], pictures: Sequence[str]) -> tuple[str, ...]:
    notes = []
    grey = [name for name in pictures if results[0].scores[name].grey]
    if 0 < len(grey) < len(pictures):
        notes.append(f"Stored as grey among pictures in colour, so scored on grey values: {', '.join(grey)}.")
    notes.extend(f"{result.label}: {retry}." for result in results for retry in result.retries)
    return tuple(notes)


def _nothing_left(faults: Sequence[Fault]) -> str:
    told = "; ".join(f"{fault.picture}: {fault.reason}" for fault in faults[:3])
    more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
    return f"no picture is left to average over: {told}{more}"
