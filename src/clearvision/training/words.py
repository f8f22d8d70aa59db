"""Figures of a run in words, for progress lines and results."""

from __future__ import annotations

from collections.abc import Mapping

from clearvision.training.figures import metric_of


def losses_in_words(logs: Mapping[str, float]) -> str:
    """Return such as ``loss 0.0123``, with more than one term ``l1 0.0123, gan 0.5, d 0.69``."""
    losses = {name.removeprefix("loss/"): value for name, value in logs.items() if name.startswith("loss/")}
    if list(losses) == [name for name in losses if name.startswith("g_")] and len(losses) == 1:
        return f"loss {next(iter(losses.values())):.4g}"
    shown = {name.removeprefix("g_").replace("d_gan", "d").replace("d_r1", "r1"): value for name, value in losses.items()}
    return ", ".join(f"{name} {value:.3g}" for name, value in shown.items())


def figures_in_words(figures: Mapping[str, float], baseline: Mapping[str, float]) -> str:
    """Return such as ``PSNR-Y 30.13 dB (bicubic 28.40), SSIM-Y 0.8512 (bicubic 0.8102)``."""
    parts = []
    for column, value in figures.items():
        metric = metric_of(column)
        if metric is None:
            continue
        level = f" (bicubic {metric.shown(baseline[column])})" if column in baseline else ""
        parts.append(f"{metric.name} {metric.shown(value)}{f' {metric.unit}' if metric.unit else ''}{level}")
    return ", ".join(parts)
