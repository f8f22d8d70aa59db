"""Who wins, discriminator or generator: watched over time, and told in plain words when one of them has stopped learning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WINS, LOSES = 0.98, 0.53  # of the discriminator's judgements, on the moving average
BACK = 0.03  # how far the average must come back before the same is said again
MEMORY = 0.8  # of the moving average, from one row of the log to the next
PATIENCE = {"wins": 4, "loses": 10}  # rows before it is said: a new discriminator knows nothing yet

REAL, FAKE, ACCURACY = "d/real", "d/fake", "d/accuracy"


@dataclass
class Balance:
    """Moving averages of what the discriminator says.

    Attributes:
        accuracy: share of pictures (or places in them) that it judges rightly.
        gap: how far apart its mean logits of real and made pictures are.
        rows: rows of the log seen.
        said: what was said last, ``wins`` or ``loses``, until it is no longer true.
    """

    accuracy: float = 0.0
    gap: float = 0.0
    rows: int = 0
    said: str = ""

    def watch(self, logs: Mapping[str, float]) -> str | None:
        """Take in a row of the log; return a warning where there is a new reason for one."""
        if ACCURACY not in logs:
            return None
        keep = MEMORY if self.rows else 0.0
        self.accuracy = keep * self.accuracy + (1 - keep) * logs[ACCURACY]
        self.gap = keep * self.gap + (1 - keep) * (logs[REAL] - logs[FAKE])
        self.rows += 1
        over = {"wins": self.accuracy < WINS - BACK, "loses": self.accuracy > LOSES + BACK}
        if over.get(self.said, False):
            self.said = ""
        if self.said:
            return None
        share = f"{100 * self.accuracy:.0f} % of its judgements are right, its logits lie {self.gap:.1f} apart"
        if self.accuracy > WINS and self.rows >= PATIENCE["wins"]:
            self.said = "wins"
            return (
                f"the discriminator wins: {share}, so the generator learns little from it; "
                "try objective.real_label=0.9, objective.noise=0.05, objective.d_every=2 or a lower objective.optimizer.rate"
            )
        if self.accuracy < LOSES and self.rows >= PATIENCE["loses"]:
            self.said = "loses"
            return (
                f"the discriminator is lost: {share}, hardly better than guessing; "
                "try objective.g_every=2, a higher objective.optimizer.rate or a lower objective.weight"
            )
        return None
