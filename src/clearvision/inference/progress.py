"""One progress for work of several parts."""

from __future__ import annotations

from clearvision.inference.enlarge import Progress


def halves(progress: Progress | None) -> tuple[Progress | None, Progress | None]:
    """Return the callbacks for the first and the second half of work that takes the same twice."""
    if progress is None:
        return None, None
    told = progress
    return lambda done, total: told(done, 2 * total), lambda done, total: told(total + done, 2 * total)


def part_of(progress: Progress | None, index: int, passes: int, scale: int) -> Progress | None:
    """Return a callback for one of several passes, of which each has ``scale**2`` times the pixels of the one before."""
    if progress is None:
        return None
    shares = [scale ** (2 * number) for number in range(passes)]

    def part(done: int, total: int) -> None:
        unit = total // shares[index]
        progress(unit * sum(shares[:index]) + done, unit * sum(shares[:index]) + total + unit * sum(shares[index + 1 :]))

    return part
