"""Which curves a run's report shows: the columns of its log, grouped and titled."""

from __future__ import annotations

from dataclasses import dataclass

from clearvision.pages.curves import Curve, Marks
from clearvision.training.history import History


@dataclass(frozen=True)
class Metric:
    """A validation figure: its name, unit, which direction is better, and digits after the point."""

    name: str
    unit: str
    higher_is_better: bool
    digits: int

    @property
    def title(self) -> str:
        """Name and unit, as a table's head says it."""
        return f"{self.name}, {self.unit}" if self.unit else self.name

    def shown(self, value: float) -> str:
        """Return a value with its digits."""
        return f"{value:.{self.digits}f}"


@dataclass(frozen=True)
class Figure:
    """One chart: its title, its curves, and what is marked in it."""

    title: str
    curves: tuple[Curve, ...]
    marks: Marks


METRICS: dict[str, Metric] = {
    "psnr_y": Metric("PSNR-Y", "dB", True, 2),
    "psnr": Metric("PSNR", "dB", True, 2),
    "ssim_y": Metric("SSIM-Y", "", True, 4),
    "ssim": Metric("SSIM", "", True, 4),
    "vgg": Metric("VGG distance", "", False, 4),
    "lpips": Metric("LPIPS", "", False, 4),
    "cycle_psnr": Metric("Round-trip PSNR", "dB", True, 2),
}
_LOSSES = (
    ("loss/g_", "Losses of the generator"),
    ("loss/d_", "Losses of the discriminator"),
    ("loss/", "Losses"),
)
_OTHERS = (
    ("d/accuracy", "Share that the discriminator judges rightly"),
    ("d/", "Logits of the discriminator"),
    ("rate", "Learning rate"),
    ("grad_norm", "Gradient norm"),
    ("steps_per_second", "Steps a second"),
)


def metric_of(column: str) -> Metric | None:
    """Return the metric of a validation column such as ``val/psnr_y``; unknown ones count as distances.

    Returns:
        The metric, or None where the column is no validation figure.
    """
    if not column.startswith("val/"):
        return None
    name = column.removeprefix("val/")
    return METRICS.get(name, Metric(name.replace("_", " "), "", False, 4))


def figures_of(history: History) -> list[Figure]:
    """Return the charts of a run: validation first, then losses, then what else the log holds."""
    marked = tuple(
        (event.step, event.text if event.kind == "stage" else event.kind)
        for event in history.events
        if event.kind in ("stage", "rollback")
    )
    baseline = history.facts.get("baseline", {})
    figures = []
    for column, points in history.series.items():
        metric = metric_of(column)
        if metric is not None:
            best = history.best(column, higher_is_better=metric.higher_is_better)
            level = (history.against, float(baseline[column])) if column in baseline else None
            direction = "" if metric.higher_is_better else ", lower is better"
            figures.append(Figure(f"{metric.title}{direction}", (Curve(metric.name, points, 1),), Marks(marked, level, best)))
    taken = {column for column in history.series if column.startswith("val/")}
    alone = not any(column.startswith("loss/d") for column in history.series)
    for prefix, name in (*_LOSSES, *_OTHERS):
        columns = [column for column in history.series if column.startswith(prefix) and column not in taken]
        taken.update(columns)
        if columns:
            title = "Losses" if alone and prefix == "loss/g_" else name
            curves = tuple(
                Curve(_label(column, prefix) if len(columns) > 1 else title.lower(), history.series[column], index + 1)
                for index, column in enumerate(columns)
            )
            figures.append(Figure(title, curves, Marks(marked, linear=prefix == "rate")))  # its shape says which schedule it is
    return figures


def _label(column: str, prefix: str) -> str:
    rest = column.removeprefix(prefix).strip("_/").replace("_", " ")
    return {"": "generator", "d": "discriminator", "g": "generator"}.get(rest, rest)
