"""What an endurance test found out: a row of the table that ``make torture`` prints."""

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What was tried how often, and what came of it.

    Attributes
    ----------
    promise : str
        What must hold.
    test : str
        The test that tries it in short.
    n : int
        How often it was tried.
    failures : list of str
        What must not have happened.
    note : str
        Other numbers.
    """

    promise: str
    test: str
    n: int = 0
    failures: list = field(default_factory=list)
    note: str = ""

    def check(self, holds, otherwise):
        """Count one try."""
        self.n += 1
        if not holds:
            self.failures.append(str(otherwise)[:300])
