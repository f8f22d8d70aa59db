"""An evaluation as rows of text: for the terminal, Markdown and CSV. Every table says its protocol and has a bicubic row."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from clearvision.evaluation.results import Evaluation, MethodResult
from clearvision.evaluation.statistics import Interval, PairedTest, bootstrap_mean, paired_test
from clearvision.metrics.catalogue import METRICS

LEVEL = 0.95
FOOTNOTE = (
    "Intervals: 95 % bootstrap over the pictures, 10,000 resamples, seeded. P: paired sign-flip test on the same pictures, exact "
    "up to 16; several comparisons at once make small values likelier. s/MP: median seconds of the method alone for a megapixel "
    "of result, while other pictures were read and scored beside it."
)
_NAMES = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "mse": "MSE",
    "global_ssim": "global SSIM",
    "niqe": "NIQE",
    "fid": "FID",
}
_NAMES |= {
    "lr_consistency": "LR-consistency",
    "lpips_alex": "LPIPS (AlexNet)",
    "lpips_vgg": "LPIPS (VGG16)",
    "unit_vgg19": "unit VGG19 distance",
    "vgg19": "VGG19 distance",
}
_DIGITS = {"ssim": 4, "ms_ssim": 4, "global_ssim": 4, "lpips_alex": 4, "lpips_vgg": 4, "unit_vgg19": 4}


@dataclass(frozen=True)
class Comparison:
    """One method against another in one metric.

    Attributes:
        first: label of the method that was listed later.
        second: label of the other.
        metric: its name.
        test: differences are first minus second.
        better: pictures on which the first is better.
        count: pictures compared.
    """

    first: str
    second: str
    metric: str
    test: PairedTest
    better: int
    count: int


@dataclass(frozen=True)
class Table:
    """Heads and rows of text; the columns named in ``right`` hold numbers."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[str, ...]


def metric_title(evaluation: Evaluation, metric: str) -> str:
    """Return a metric's name with what it is under the protocol: ``PSNR-Y dB``, ``SSIM-Y``, ``global SSIM``."""
    name = _NAMES.get(metric, metric)
    if metric == "ssim" and evaluation.protocol.window == "global":
        name = _NAMES["global_ssim"]
    if metric in ("psnr", "ssim", "ms_ssim", "mse", "global_ssim"):
        name += "-RGB" if evaluation.protocol.channel == "rgb" else "-Y"
    return f"{name} {METRICS[metric].unit}" if METRICS[metric].unit == "dB" else name


def format_value(metric: str, value: float, *, sign: bool = False) -> str:
    """Return a value with as many digits as tables give its metric."""
    return f"{value:{'+' if sign else ''}.{_DIGITS.get(metric, 2)}f}"


def title(evaluation: Evaluation) -> str:
    """Return ``Set5 x4, 5 pictures``."""
    count = len(evaluation.pictures)
    return f"{evaluation.picture_set.name} x{evaluation.picture_set.scale}, {count} picture{'' if count == 1 else 's'}"


def head_lines(evaluation: Evaluation) -> list[str]:
    """Return what must be read before a table: what the numbers are, where the inputs come from, what was left out."""
    protocol = evaluation.protocol
    lines = [
        f"{title(evaluation)}; inputs: {evaluation.picture_set.source}",
        f"Protocol {protocol.name}: {protocol.summary}.",
    ]
    return [*lines, *([left_out(evaluation)] if evaluation.faults else []), *evaluation.notes]


def left_out(evaluation: Evaluation) -> str:
    """Return the sentence that names the pictures left out and why."""
    told = "; ".join(f"{fault.picture} ({fault.reason})" for fault in evaluation.faults)
    return f"Left out of the averages, {len(evaluation.faults)}: {told}."


def intervals(evaluation: Evaluation, result: MethodResult) -> dict[str, Interval]:
    """Return for every metric the mean and its bootstrap interval; a set's own value has none, so all three are equal."""
    found = {}
    for metric in evaluation.metrics:
        if metric in result.set_values:
            value = result.set_values[metric]
            found[metric] = Interval(value, value, value)
        else:
            found[metric] = bootstrap_mean(evaluation.values(result, metric), level=LEVEL)
    return found


def compare(evaluation: Evaluation) -> list[Comparison]:
    """Compare every method with every one listed before it, in every metric that single pictures have."""
    comparisons = []
    for before, after in combinations(evaluation.results, 2):
        for metric in evaluation.metrics:
            if not METRICS[metric].per_picture:
                continue
            values = evaluation.values(after, metric), evaluation.values(before, metric)
            test = paired_test(*values, level=LEVEL)
            better = sum((a > b) if METRICS[metric].higher_is_better else (a < b) for a, b in zip(*values, strict=True))
            comparisons.append(Comparison(after.label, before.label, metric, test, better, len(values[0])))
    return comparisons


def main_table(evaluation: Evaluation, *, narrow: bool = False) -> Table:
    """Return one row a method: means with intervals, parameters, multiply-adds and seconds.

    Args:
        evaluation: what was measured.
        narrow: leave the intervals out where there are more than two metrics, for a terminal's width.
    """
    bounded = {name for name in evaluation.metrics if METRICS[name].per_picture and not (narrow and len(evaluation.metrics) > 2)}
    measured = {metric: metric_title(evaluation, metric) for metric in evaluation.metrics}
    heads = ["METHOD"]
    for metric, name in measured.items():
        heads += [name, f"95 % of {_NAMES.get(metric, metric)}"] if metric in bounded else [name]
    heads += ["PARAMETERS", "GMAC AT 720p", "s/MP", "COMPUTED BY"]
    rows = []
    for result in evaluation.results:
        row = [result.label]
        for metric, interval in intervals(evaluation, result).items():
            row.append(format_value(metric, interval.mean))
            if metric in bounded:
                row.append(f"{format_value(metric, interval.low)}..{format_value(metric, interval.high)}")
        cost = result.cost
        macs = None if cost is None else cost.giga_macs_720p
        row += [
            "-" if cost is None else f"{cost.parameters:,}",
            "-" if macs is None else f"{macs:.1f}",
            f"{result.seconds_per_megapixel:.2g}",
            result.computed_by,
        ]
        rows.append(tuple(row))
    return Table(tuple(heads), tuple(rows), tuple(heads[1:-1]))


def comparison_table(evaluation: Evaluation, comparisons: Sequence[Comparison]) -> Table:
    """Return one row a comparison: mean difference with its interval, pictures won, p-value."""
    heads = ("DIFFERENCE", "IN", "MEAN", "95 % INTERVAL", "BETTER ON", "P")
    rows = [
        (
            f"{each.first} - {each.second}",
            metric_title(evaluation, each.metric),
            format_value(each.metric, each.test.difference.mean, sign=True),
            f"{format_value(each.metric, each.test.difference.low, sign=True)}.."
            f"{format_value(each.metric, each.test.difference.high, sign=True)}",
            f"{each.better} of {each.count}",
            format_p(each.test.p_value),
        )
        for each in comparisons
    ]
    return Table(heads, tuple(rows), heads[2:])


def format_p(p_value: float) -> str:
    """Return a p-value with two digits that count, or that it is below what was sampled."""
    if math.isnan(p_value):
        return "-"
    return "< 0.0002" if p_value < 0.0002 else f"{p_value:.2g}"


def to_markdown(evaluation: Evaluation, comparisons: Sequence[Comparison]) -> str:
    """Return the whole evaluation as a Markdown page."""
    lines = [f"# {title(evaluation)}", ""]
    if evaluation.check is not None:
        lines += [f"**{evaluation.check.text}**", ""]
    lines += [f"- {line}" for line in head_lines(evaluation)]
    lines += ["", *_markdown_table(main_table(evaluation)), ""]
    if comparisons:
        lines += ["## Differences", "", *_markdown_table(comparison_table(evaluation, comparisons)), "", FOOTNOTE, ""]
    return "\n".join(lines)


def to_csv(evaluation: Evaluation) -> str:
    """Return one line a picture and method with every value in full; pictures outside the average have ``counted`` 0."""
    text = io.StringIO()
    names = [metric for metric in evaluation.metrics if METRICS[metric].per_picture]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["set", "scale", "protocol", "picture", "method", *names, "seconds", "megapixels", "computed_by", "counted"])
    counted = set(evaluation.pictures)
    for result in evaluation.results:
        for name, score in result.scores.items():
            writer.writerow(
                [
                    evaluation.picture_set.name,
                    evaluation.picture_set.scale,
                    evaluation.protocol.name,
                    name,
                    result.label,
                    *(repr(score.values[metric]) for metric in names),
                    f"{score.seconds:.6f}",
                    f"{score.megapixels:.6f}",
                    score.computed_by,
                    int(name in counted),
                ]
            )
    return text.getvalue()


def to_document(evaluation: Evaluation, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return the evaluation as plain data; infinities and nan stay floats."""
    picture_set, protocol = evaluation.picture_set, evaluation.protocol
    return {
        "set": picture_set.name,
        "scale": picture_set.scale,
        "inputs": picture_set.source,
        "pictures": len(evaluation.pictures),
        "protocol": {"name": protocol.name, "summary": protocol.summary},
        "self_check": None if evaluation.check is None else {"passed": evaluation.check.passed, "text": evaluation.check.text},
        "left_out": [{"picture": fault.picture, "reason": fault.reason} for fault in evaluation.faults],
        "notes": list(evaluation.notes),
        "methods": [_method_document(evaluation, result) for result in evaluation.results],
        "comparisons": [
            {
                "first": each.first,
                "second": each.second,
                "metric": each.metric,
                "difference": each.test.difference.mean,
                "low": each.test.difference.low,
                "high": each.test.difference.high,
                "better_on": each.better,
                "p_value": each.test.p_value,
                "exact": each.test.exact,
            }
            for each in comparisons
        ],
        "scores": {
            name: {result.label: result.scores[name].values for result in evaluation.results} for name in evaluation.pictures
        },
        "seconds": evaluation.seconds,
    }


def _method_document(evaluation: Evaluation, result: MethodResult) -> dict[str, Any]:
    cost = result.cost
    return {
        "label": result.label,
        "sha256": result.sha256,
        "metrics": {
            metric: {"mean": interval.mean, "low": interval.low, "high": interval.high}
            for metric, interval in intervals(evaluation, result).items()
        },
        "parameters": None if cost is None else cost.parameters,
        "flops_per_pixel": None if cost is None else cost.flops_per_pixel,
        "giga_macs_720p": None if cost is None else cost.giga_macs_720p,
        "seconds": sum(score.seconds for score in result.scores.values()),
        "seconds_per_megapixel": result.seconds_per_megapixel,
        "computed_by": result.computed_by,
        "retries": list(result.retries),
        "reused": result.reused,
    }


def _markdown_table(table: Table) -> list[str]:
    rule = ["---:" if head in table.right else "---" for head in table.heads]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (table.heads, rule, *table.rows)]
