"""Many fits after one another, and at once."""

import contextlib
import gc
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from tests.reliability.artifact_fuzz import fitted_estimators
from tests.reliability.kills import FITS, X, fingerprint, transformer
from tests.reliability.outcome import Outcome


@contextlib.contextmanager
def drawing():
    """A thread of the user's that draws from torch's generator all the time."""
    done = threading.Event()

    def draw():
        while not done.wait(0.0005):
            torch.rand(3)

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def fits_at_once(n):
    """Fit all estimators in eight threads, ``n`` fits in all."""
    outcome = Outcome("fits in threads, beside a thread that draws: the same bits", "endurance")
    expected = {name: fingerprint(fit(None)) for name, fit in FITS.items()}
    names = [list(FITS)[i % len(FITS)] for i in range(n)]
    with drawing(), ThreadPoolExecutor(8) as threads:
        results = threads.map(lambda name: fingerprint(FITS[name](None)), names)
        for name, result in zip(names, results, strict=True):
            outcome.check(result == expected[name], name)
    return outcome


def transforms_at_once(n):
    """Compute with one fitted estimator from eight threads, ``n`` times in all."""
    outcome = Outcome("transform and predict in threads: the same bits", "endurance")
    for name, (estimator, compute) in fitted_estimators().items():
        expected = compute(estimator).tobytes()
        with drawing(), ThreadPoolExecutor(8) as threads:
            for result in threads.map(lambda _, f=compute, e=estimator: f(e), range(n // 4)):
                outcome.check(result.tobytes() == expected, name)
    return outcome


def resident():
    """Megabytes of this process in memory, and its open files."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20, len(list(Path("/proc/self/fd").iterdir()))


def fits_one_after_another(n):
    """Fit and transform ``n`` times; compare what is held after a fifth and at the end."""
    outcome = Outcome("fits one after another leak neither memory, files nor threads", "endurance")
    before, n_files, n_threads = 0.0, 0, 0
    for i in range(n):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            transformer(1, None).fit(X).transform(X)
        gc.collect()
        if i == n // 5:
            (before, n_files), n_threads = resident(), threading.active_count()
    after, n_files_after = resident()
    outcome.note = f"{after - before:+.1f} MB"
    outcome.check(after - before < 20, f"{after - before:.1f} MB in {n - n // 5} fits")
    outcome.check(n_files_after <= n_files, f"{n_files_after} open files, {n_files} before")
    outcome.check(threading.active_count() <= n_threads, "threads are left")
    outcome.n = n
    return outcome
