"""How long the everyday calls take with default settings, on the machine at hand.

python benchmarks/timings.py [--repeats N]

Every call is a process of its own and is repeated; threads are left as they are, as a user would
have them. Writes results/timings.csv anew, a row per repeat: seconds that passed, and processor
seconds of all threads, which say more where other processes ran (``load``, of the machine when the
call began). `predict` is for random series of a length of 178, with a classifier fitted to 60.
"""

import argparse
import os
import subprocess
import sys

from probe import RESULTS, Row, provenance, write_rows

GUNPOINT = """
from simmtm_sk.datasets import load_dataset
X, y = load_dataset("GunPoint", split="train")
X_all, _ = load_dataset("GunPoint")
"""
RANDOM = """
import numpy as np
draw = np.random.default_rng(0)
X_many = draw.normal(size=(10_000, 1, 178)).cumsum(2).astype(np.float32)
X, y = X_many[:60], np.arange(60) % 2
"""
# what is not timed, what is
CALLS = {
    "import simmtm_sk": ("", "import simmtm_sk; simmtm_sk.SimMTMTransformer"),
    "SimMTMTransformer: fit and transform, GunPoint": (
        f"from simmtm_sk import SimMTMTransformer{GUNPOINT}",
        "SimMTMTransformer(random_state=0).fit(X).transform(X_all)",
    ),
    "SimMTMClassifier: fit, GunPoint": (
        f"from simmtm_sk import SimMTMClassifier{GUNPOINT}",
        "SimMTMClassifier(random_state=0).fit(X, y)",
    ),
    "SimMTMClassifier: predict, 10 000 series of 178 points": (
        f"from simmtm_sk import SimMTMClassifier{RANDOM}"
        "classifier = SimMTMClassifier(random_state=0).fit(X, y)",
        "classifier.predict(X_many)",
    ),
    "SimMTMForecaster: fit and predict, airline": (
        "from simmtm_sk import SimMTMForecaster\n"
        "from sktime.datasets import load_airline\n"
        "y = load_airline()",
        "SimMTMForecaster(random_state=0).fit(y, fh=range(1, 13)).predict()",
    ),
    "SimMTMForecaster: 2 000 origins of seven columns, 96 steps ahead": (
        "import numpy as np\n"
        "from simmtm_sk import SimMTMForecaster\n"
        "from simmtm_sk.forecaster_learning import default_transformer\n"
        "y = np.random.default_rng(0).normal(size=(4_000, 7)).cumsum(0)\n"
        "untrained = default_transformer(336).set_params(num_epochs=0)\n"
        "forecaster = SimMTMForecaster(transformer=untrained, context_length=336)\n"
        "forecaster.fit(y[:2_000], fh=range(1, 97))",
        "forecaster.predict_rolling(y, origins=range(1_500, 3_500))",
    ),
}
SCRIPT = """
import time
{before}
start = time.perf_counter(), time.process_time()
{timed}
print(time.perf_counter() - start[0], time.process_time() - start[1])
"""


def seconds(before: str, timed: str) -> list[float]:
    """Run in a fresh interpreter; return the time and the processor time of the second part."""
    script = SCRIPT.format(before=before, timed=timed)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return [round(float(number), 2) for number in run.stdout.split()[-2:]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    origin = provenance()
    rows: list[Row] = []
    for repeat in range(arguments.repeats):
        for call, (before, timed) in CALLS.items():
            load = os.getloadavg()[0]
            passed, used = seconds(before, timed)
            row = {
                "call": call,
                "repeat": repeat,
                "seconds": passed,
                "processor_seconds": used,
                "load": round(load, 1),
                "cores": os.cpu_count(),
            }
            print(*row.values(), flush=True)
            rows.append({**row, **origin})
    write_rows(RESULTS / "timings.csv", rows)


if __name__ == "__main__":
    main()
