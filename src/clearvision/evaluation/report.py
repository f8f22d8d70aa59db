"""The report folder: Markdown, CSV, JSON, an HTML page with its pictures, and the journal by which a run goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clearvision.evaluation.evaluate import Gallery
from clearvision.evaluation.journal import Journal
from clearvision.evaluation.loading import PictureReader
from clearvision.evaluation.methods import Method
from clearvision.evaluation.page import to_html
from clearvision.evaluation.results import Evaluation
from clearvision.evaluation.samples import write_samples, write_text
from clearvision.evaluation.tables import Comparison, to_csv, to_document, to_markdown

JOURNAL = "finished.jsonl"
PAGE = "report.html"


def open_journal(folder: Path | None) -> Journal:
    """Return the journal of a report folder, with what an earlier run finished; in memory only for None."""
    return Journal(None if folder is None else folder / JOURNAL)


def write_report(
    folder: Path,
    evaluation: Evaluation,
    comparisons: Sequence[Comparison],
    methods: Sequence[Method],
    reader: PictureReader,
    gallery: Gallery,
    *,
    command: str = "",
) -> Path:
    """Write ``report.md``, ``scores.csv``, ``report.json`` and ``report.html`` with ``pictures/``, each by atomic rename.

    Args:
        folder: made where it is missing.
        evaluation: what to report.
        comparisons: of its methods.
        methods: those that were evaluated, in the same order: a picture that is shown and was not kept is computed again.
        reader: the set's pictures.
        gallery: results that were kept.
        command: the command line, for the page's foot.

    Returns:
        The HTML page.

    Raises:
        PictureWriteError: if a picture cannot be written; other files raise OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    samples = write_samples(folder, evaluation, methods, reader, gallery)
    document = json.dumps(_finite(to_document(evaluation, comparisons)), indent=2, allow_nan=False)
    write_text(folder / "report.json", document + "\n")
    write_text(folder / "report.md", to_markdown(evaluation, comparisons))
    write_text(folder / "scores.csv", to_csv(evaluation))
    write_text(folder / PAGE, to_html(evaluation, comparisons, samples, command=command))
    return folder / PAGE


def _finite(value: Any) -> Any:  # noqa: ANN401
    """Return plain data with null for the numbers that JSON lacks."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
