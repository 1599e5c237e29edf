"""Files of a fit that have rotted: flipped bits in checkpoints and caches, disks that are full."""

import contextlib
import resource
import shutil
import signal
import tempfile
import warnings
from pathlib import Path

import numpy as np

from simmtm_sk import load
from tests.reliability.kills import X, child, fingerprint, result_of, transformer
from tests.reliability.outcome import Outcome


class _StopError(Exception):
    """Out of a fit, as a power cut would be."""


class _Output:
    """Standard output that fails at the n-th line of a fit, like a closed pipe."""

    def __init__(self, n):
        self.n = n

    def write(self, text):
        if "[SimMTM]" in text:
            self.n -= 1
        if self.n == 0:
            raise _StopError
        return len(text)

    def flush(self):
        pass


def files(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def fit_with(**params):
    """Fit on; return the fingerprint, or the text of the error, and what was said."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            result = fingerprint(transformer(4, params.pop("folder", None), **params).fit(X))
        except Exception as error:
            result = f"{error!r}"
    return result, " ".join(str(warning.message) for warning in said)


def flips_in_checkpoints(n, seed=0):
    """Flip a bit of one of the checkpoints of a run that was cut off, and go on, ``n`` times."""
    outcome = Outcome("a flipped bit of a checkpoint is noticed", "damage")
    rng = np.random.default_rng(seed)
    whole, _ = fit_with()
    with tempfile.TemporaryDirectory() as folder:
        intact = Path(folder) / "intact"
        with contextlib.suppress(_StopError), contextlib.redirect_stdout(_Output(4)):
            transformer(4, intact, verbose=1).fit(X)
        names = [path.name for path in files(intact)]
        outcome.check(len(names) == 2, f"two states are kept, not {names}")
        for i in range(n):
            damaged = Path(folder) / "damaged"
            shutil.copytree(intact, damaged)
            path = damaged / names[i % len(names)]
            content = bytearray(path.read_bytes())
            position = int(rng.integers(len(content)))
            content[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(content)
            result, said = fit_with(folder=damaged)
            # the older state is only read when the newer one cannot be
            noticed = path.name in said or path.name.endswith(".old")
            outcome.check(result == whole and noticed, f"byte {position} of {path.name}: {result}")
            shutil.rmtree(damaged)
    return outcome


def flips_in_caches(n, seed=0):
    """Flip a bit of a file of the cache of a whole run, and fit again, ``n`` times."""
    outcome = Outcome("a flipped bit of a cached run changes no result", "damage")
    rng = np.random.default_rng(seed)
    whole, _ = fit_with()
    with tempfile.TemporaryDirectory() as folder:
        intact = Path(folder) / "intact"
        result, _ = fit_with(memory=str(intact))
        outcome.check(result == whole, "a cache changes the result")
        large = [path.relative_to(intact) for path in files(intact) if path.stat().st_size]
        n_noticed = 0
        for _ in range(n):
            damaged = Path(folder) / "damaged"
            shutil.copytree(intact, damaged)
            path = damaged / large[int(rng.integers(len(large)))]
            content = bytearray(path.read_bytes())
            position = int(rng.integers(len(content)))
            content[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(content)
            result, said = fit_with(memory=str(damaged))
            n_noticed += bool(said)
            outcome.check(result == whole, f"byte {position} of {path.name}: {result}")
            shutil.rmtree(damaged)
        outcome.note = f"{n_noticed} with a warning"
    return outcome


def _on_a_full_disk(folder, limit):
    """Fit with checkpoints and save where no file may be larger than a limit."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = transformer(0, None).fit(X).save(f"{folder}/model")
    before = path.read_bytes()
    result, said = None, ""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited[1]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = transformer(4, f"{folder}/checkpoints").fit(X)
        result, said = fingerprint(fitted), [str(warning.message) for warning in caught]
    try:
        fitted.save(path)
        error = "none"
    except OSError:
        error = "OSError"
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    kept = path.read_bytes() == before and load(path).n_epochs_ == 0
    return result, said, error, kept, [p.name for p in files(folder)]


def full_disks(n):
    """Fit and save ``n`` times on a disk that is full at some size."""
    outcome = Outcome("a full disk: the fit goes on with one warning, the old file stays", "damage")
    whole, _ = fit_with()
    for limit in np.linspace(0, 8_000, n).astype(int).tolist():
        with tempfile.TemporaryDirectory() as folder:
            result = result_of(*child(_on_a_full_disk, folder, limit))
            what = f"{limit} bytes: {result}"
            outcome.check(isinstance(result, tuple), what)
            if isinstance(result, tuple):
                fit, said, error, kept, names = result
                holds = fit == whole and len(said) == 1 and error == "OSError"
                outcome.check(holds and kept and names == ["model.zip"], what)
    return outcome
