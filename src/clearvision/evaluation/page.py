"""An evaluation as one HTML page: no scripts, nothing fetched, light and dark; pictures lie beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from clearvision.evaluation.results import Evaluation
from clearvision.evaluation.samples import Sample, shown_method
from clearvision.evaluation.tables import (
    FOOTNOTE,
    Comparison,
    Table,
    comparison_table,
    format_value,
    head_lines,
    left_out,
    main_table,
    metric_title,
    title,
)
from clearvision.metrics.catalogue import METRICS
from clearvision.pages.charts import Bar, Dot, bar_chart, column_chart, scatter_plot
from clearvision.pages.document import chart_figure, document

_STYLE = """.panels figure { margin: 0; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 16px; }
.view { position: relative; } .view img { display: block; width: 100%; border-radius: 3px; }
.view i { position: absolute; border: 2px solid #ff3b30; box-shadow: 0 0 0 1px #fff; }
.crop { display: block; width: 100%; margin-top: 6px; image-rendering: pixelated; border-radius: 3px; }
figcaption b { display: block; } .panels figcaption { font-size: 13px; line-height: 1.35; margin-top: 4px; }
"""


def to_html(evaluation: Evaluation, comparisons: Sequence[Comparison], samples: Sequence[Sample], *, command: str = "") -> str:
    """Return the page's text.

    Args:
        evaluation: what is shown.
        comparisons: of its methods.
        samples: pictures, whose files lie relative to the page.
        command: the command line that made it, for the foot.
    """
    parts = [
        f"<h1>{escape(title(evaluation))}</h1>",
        f"<p>Inputs: {escape(evaluation.picture_set.source)}.</p>",
        f"<p>{escape(head_lines(evaluation)[1])}</p>",
        *(f"<p>{escape(note)}</p>" for note in evaluation.notes),
    ]
    if evaluation.check is not None:
        kind = "check" if evaluation.check.passed else "check bad"
        parts.append(f'<p class="{kind}">{escape(evaluation.check.text)}</p>')
    if evaluation.faults:
        parts.append(f'<p class="check bad">{escape(left_out(evaluation))}</p>')
    parts += [_table(main_table(evaluation)), *_charts(evaluation, comparisons)]
    if comparisons:
        parts += [
            "<h2>Differences</h2>",
            f'<p class="quiet">Protocol {escape(evaluation.protocol.name)}.</p>',
            _table(comparison_table(evaluation, comparisons)),
        ]
    parts.append(f'<p class="quiet">{escape(FOOTNOTE)}</p>')
    if samples:
        parts += ["<h2>Pictures</h2>", f'<p class="quiet">{escape(_ranking(evaluation))}</p>', *map(_sample, samples)]
    parts += [
        f"<h2>Every picture</h2><details><summary>{len(evaluation.pictures)} pictures, protocol "
        f"{escape(evaluation.protocol.name)}</summary>{_table(_picture_table(evaluation))}</details>",
    ]
    if command:
        parts.append(f'<p class="quiet">Made by <code>{escape(command)}</code></p>')
    return document(f"{title(evaluation)}, protocol {evaluation.protocol.name}", parts, _STYLE)


def _charts(evaluation: Evaluation, comparisons: Sequence[Comparison]) -> list[str]:
    figures = []
    series = {result.label: index for index, result in enumerate(evaluation.results)}
    baseline = evaluation.results[0].label
    for metric in evaluation.metrics:
        bars = [
            Bar(
                each.first,
                each.test.difference.mean,
                each.test.difference.low,
                each.test.difference.high,
                format_value(metric, each.test.difference.mean, sign=True),
                series[each.first],
            )
            for each in comparisons
            if each.metric == metric and each.second == baseline and math.isfinite(each.test.difference.mean)
        ]
        if bars:
            better = "" if METRICS[metric].higher_is_better else ", lower is better"
            caption = f"{metric_title(evaluation, metric)}: mean gain over {baseline}{better}"
            figures.append(chart_figure(caption, bar_chart(bars, caption)))
    figures += _column_figures(evaluation, series)
    dots = _dots(evaluation, series)
    if len(dots) > 1:
        caption = f"{metric_title(evaluation, evaluation.metrics[0])} against time"
        axes = ("seconds per megapixel of result", metric_title(evaluation, evaluation.metrics[0]))
        figures.append(chart_figure(caption, scatter_plot(dots, *axes, caption)))
    head = f'<h2>Charts</h2><p class="quiet">Protocol {escape(evaluation.protocol.name)}. Bars carry 95 % intervals.</p>'
    return [head, '<div class="charts">', *figures, "</div>"] if figures else []


def _column_figures(evaluation: Evaluation, series: dict[str, int]) -> list[str]:
    """Return for every method but the baseline its gain in the first metric on each picture, sorted."""
    metric = next((name for name in evaluation.metrics if METRICS[name].per_picture), None)
    if metric is None:
        return []
    baseline, *others = evaluation.results
    gains = {
        result.label: [
            (name, result.scores[name].values[metric] - baseline.scores[name].values[metric]) for name in evaluation.pictures
        ]
        for result in others
    }
    finite = [gain for pairs in gains.values() for _, gain in pairs if math.isfinite(gain)] or [0.0]
    figures = []
    for label, pairs in gains.items():
        caption = f"{metric_title(evaluation, metric)}: gain of {label} over {baseline.label} on each picture"
        ranked = sorted(pairs, key=lambda pair: -pair[1])
        chart = column_chart(ranked, series[label], caption, span=(min(finite), max(finite)))
        figures.append(chart_figure(caption, chart))
    return figures


def _dots(evaluation: Evaluation, series: dict[str, int]) -> list[Dot]:
    metric = evaluation.metrics[0]
    dots = [
        Dot(result.label, result.seconds_per_megapixel, evaluation.mean(result, metric), series[result.label])
        for result in evaluation.results
    ]
    return [dot for dot in dots if dot.x > 0 and math.isfinite(dot.y)]


def _sample(sample: Sample) -> str:
    left, top, width, height = (f"{100 * share:.2f}%" for share in sample.window)
    box = f'<i style="left:{left};top:{top};width:{width};height:{height}"></i>'
    figures = []
    for panel in sample.panels:
        what = escape(f"{sample.picture}, {panel.label}")
        figures.append(
            f'<figure><div class="view"><img src="{escape(panel.view)}" alt="{what}">{box}</div>'
            f'<img class="crop" src="{escape(panel.crop)}" alt="part of {what}">'
            f"<figcaption><b>{escape(panel.label)}</b>{escape(panel.told)}</figcaption></figure>"
        )
    heading = f"<h3>{escape(sample.role.capitalize())}: {escape(sample.picture)}</h3>"
    return f'{heading}<div class="panels" style="max-width:{320 * len(figures)}px">{"".join(figures)}</div>'


def _ranking(evaluation: Evaluation) -> str:
    metric = next((name for name in evaluation.metrics if METRICS[name].per_picture), evaluation.metrics[0])
    return (
        f"Ranked by the {metric_title(evaluation, metric)} of {shown_method(evaluation).label}, "
        f"protocol {evaluation.protocol.name}. The square is where it differs most from the bicubic picture; below, its pixels."
    )


def _picture_table(evaluation: Evaluation) -> Table:
    metrics = [name for name in evaluation.metrics if METRICS[name].per_picture]
    heads = ["PICTURE"] + [
        f"{metric_title(evaluation, metric)}, {result.label}" for metric in metrics for result in evaluation.results
    ]
    rows = [
        (
            name,
            *(format_value(metric, result.scores[name].values[metric]) for metric in metrics for result in evaluation.results),
        )
        for name in evaluation.pictures
    ]
    return Table(tuple(heads), tuple(rows), tuple(heads[1:]))


def _table(table: Table) -> str:
    kinds = [' class="number"' if head in table.right else "" for head in table.heads]
    head = "".join(f"<th{kind}>{escape(cell)}</th>" for kind, cell in zip(kinds, table.heads, strict=True))
    rows = [
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in table.rows
    ]
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'
