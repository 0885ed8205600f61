"""What stands behind a threshold: could the validation images carry it?"""

import dataclasses

FEWEST = 30
"""Images of a class, from which on a share of them says something: of 30 that were all
right, up to 12 % may be wrong elsewhere."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """How a detector does on the images that its threshold was chosen on.

    Attributes:
        real: Real images of val.
        fake: Its fake images.
        auc: The area under the ROC curve of their scores.
        auc_low: Lower end of its 95 % interval over images.
        auc_high: Upper end.
        false_alarms: How many of the real images score at least the threshold.
        misses: How many of the fake images score less.
    """

    real: int
    fake: int
    auc: float
    auc_low: float
    auc_high: float
    false_alarms: int
    misses: int

    def __post_init__(self):
        fine = (
            self.real > 0
            and self.fake > 0
            and 0 <= self.false_alarms <= self.real
            and 0 <= self.misses <= self.fake
            and 0 <= self.auc_low <= self.auc_high <= 1
            and 0 <= self.auc <= 1
        )
        if not fine:
            raise ValueError(f"Such evidence cannot be. Received: evidence={self}")

    def describe(self) -> str:
        """The numbers in a line."""
        return (
            f"val AUC {self._auc()}, {self.false_alarms} of {self.real} real images "
            f"called fake ({self.false_alarms / self.real:.1%}), {self.misses} of "
            f"{self.fake} fake ones missed"
        )

    def weaknesses(self) -> list[str]:
        """Why val cannot carry the threshold, as sentences; none if it can."""
        found = []
        for name, count in (("real", self.real), ("fake", self.fake)):
            if count < FEWEST:
                found.append(
                    f"The threshold was chosen on {count} {name} "
                    f"image{'' if count == 1 else 's'} of val; from fewer than "
                    f"{FEWEST}, it is mostly chance."
                )
        if self.auc_high < 0.5:
            found.append(
                "On val, real images score higher than fake ones: AUC "
                f"{self._auc()}. Are the folders exchanged?"
            )
        elif self.auc_low <= 0.5:
            found.append(
                "On val, the scores tell real from fake no better than chance may: AUC "
                f"{self._auc()}."
            )
        if self.false_alarms > self.real / 2:
            found.append(
                f"At the threshold, {self.false_alarms} of {self.real} real images of "
                "val are called fake."
            )
        if self.misses == self.fake:
            found.append("At the threshold, no fake image of val is called fake.")
        return found

    def _auc(self) -> str:
        return f"{self.auc:.3f} ({self.auc_low:.3f} to {self.auc_high:.3f})"
