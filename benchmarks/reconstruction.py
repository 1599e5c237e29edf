"""What a transformer alone fills into gaps, beside straight lines and what its decoder says.

python benchmarks/reconstruction.py --data-home DIR [--tasks NAME ...] [--shard I/N]

A sixth of every test series of an archive set is hidden in one piece, as in imputation.py; errors
in units of the training part's standard deviation. The transformer is pre-trained on the training
part for 100 epochs, one seed. Writes results/reconstruction.csv, a row for each set, encoder,
seed and method, and the table of docs/imputation.rst; "--part valid" is what choices were made on.
"""

import time
import warnings
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from imputation import archive_task, frame_by_frame, linear
from probe import Row, benchmark_parser, run_all
from tables import ROOT, insert, restructured, text

from simmtm_sk import ConvEncoder, PatchEncoder, SimMTMTransformer
from simmtm_sk.datasets import Home

SETS = ("GunPoint", "ItalyPowerDemand", "ArrowHead", "ECG200", "Plane")
ENCODERS = {"ConvEncoder": ConvEncoder(), "PatchEncoder": PatchEncoder(patch_length=4)}
METHODS = ("straight lines", "decoder", "reconstruct")
N_SEEDS, N_EPOCHS = 1, 100


def measured(runs: list[Row], part: str, home: Home) -> Iterator[tuple[Row, list[Row]]]:
    for run in runs:
        train, X, hidden, unit = archive_task(str(run["task"]), part, home)
        gappy = np.where(hidden, np.nan, X)
        # behind the last visible point a series has ended, for a transformer
        scored = hidden & (np.cumsum(~hidden[:, :, ::-1], 2)[:, :, ::-1] > 0)
        start = time.process_time()
        embed = SimMTMTransformer(
            encoder=ENCODERS[str(run["encoder"])], num_epochs=N_EPOCHS, random_state=run["seed"]
        ).fit(train)
        seconds = round(time.process_time() - start, 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            filled = (
                frame_by_frame(linear, gappy),
                embed.reconstruct(gappy, decoded=True),
                embed.reconstruct(gappy),
            )
        rows = []
        for method, values in zip(METHODS, filled, strict=True):
            errors = ((values - X) / unit[:, None])[scored]
            mse = round(float(np.mean(errors**2)), 5)
            rows.append({"method": method, "mse": mse, "fit_seconds": seconds})
        yield run, rows


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds."""
    rows = rows[rows["part"] == "test"]
    wide = rows.pivot_table(index=["task", "encoder"], columns="method", values="mse")
    wide = wide[list(METHODS)].reindex(SETS, level=0)
    wide.index = [f"{task}, {encoder}" for task, encoder in wide.index]
    return wide.map(text)


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--tasks", nargs="+", default=SETS)
    parser.add_argument("--part", choices=("valid", "test"), default="test")
    arguments = parser.parse_args()
    groups = [
        [{"task": task, "encoder": encoder, "seed": seed, "part": arguments.part}]
        for seed in range(N_SEEDS)
        for task in arguments.tasks
        for encoder in ENCODERS
    ]
    measure = partial(measured, part=arguments.part, home=arguments.data_home)
    run_all("reconstruction.csv", groups, measure, arguments)
    rows = pd.read_csv(arguments.results / "reconstruction.csv")
    insert(ROOT / "docs" / "imputation.rst", "reconstruct", restructured(table(rows)))


if __name__ == "__main__":
    main()
