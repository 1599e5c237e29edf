"""Lines for people, through `logging`.

The logger "simmtm_sk" writes to the standard output. To have its lines elsewhere::

    logger = logging.getLogger("simmtm_sk")
    logger.handlers.clear()
    logger.propagate = True  # to the handlers of the program
"""

from __future__ import annotations

import logging
import sys


class _StandardOutput(logging.Handler):
    """Writes to what `sys.stdout` is at the time: notebooks and tests exchange it."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stdout.write(f"{self.format(record)}\n")


_logger = logging.getLogger("simmtm_sk")
_logger.setLevel(logging.INFO)
_logger.propagate = False
_logger.addHandler(_StandardOutput())


def say(text: str) -> None:
    """Write a line.

    Examples
    --------
    >>> say("pre-training")
    [SimMTM] pre-training
    """
    _logger.info("[SimMTM] %s", text)
