"""Embed real series, put a linear classifier behind the embeddings, count what is right.

Run by ``make demo``; prints a table and writes it, with three pictures, to ``demo_output/``.
"""

import time
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.linear_model import RidgeClassifierCV
from sklearn.preprocessing import StandardScaler

from simmtm_sk import SimMTMTransformer
from simmtm_sk.datasets import load_dataset
from simmtm_sk.plotting import EmbeddingDisplay, LossDisplay, ReconstructionDisplay

matplotlib.use("agg")

NAMES = ("GunPoint", "ItalyPowerDemand", "ArrowHead", "BasicMotions", "JapaneseVowels")
N_LABELS, N_DRAWS = 5, 10
N_EPOCHS = 100
ALPHAS = np.logspace(-3, 4, 8)
OUTPUT = Path(__file__).resolve().parents[1] / "demo_output"

EXPLANATION = f"""\
Accuracy on the original test part of a ridge classifier behind three kinds of features:
  raw        the values themselves (shorter series filled up with zeros), standardised
  untrained  the embedding with nothing learned: an encoder as it is initialised, random filters
             and kernels
  SimMTM     the default embedding: with the metric learned, without labels, from masked and
             warped views of the training series and from their neighbours. Training the encoder,
             too, would add nothing on so few series; the pictures show what such a training does.
"all labels" uses every label of the training part, "{N_LABELS} per class" that many of them: the
mean over {N_DRAWS} draws. Seconds: fit, and embedding the training and test parts. One random
state, default settings: differences of a few hundredths say little, above all on small test parts.
"""
COLUMNS = ("all labels", f"{N_LABELS} per class")
FEATURES = ("raw", "untrained", "SimMTM")


def main():
    OUTPUT.mkdir(exist_ok=True)
    started = time.perf_counter()
    print(EXPLANATION)
    lines, accuracies = header(), []
    print(*lines, sep="\n")
    for name in NAMES:
        X, y = load_dataset(name, split="train")
        X_test, y_test = load_dataset(name, split="test")

        untrained = SimMTMTransformer(num_epochs=0, metric_strength=0, random_state=0).fit(X)
        begun = time.perf_counter()
        embedder = SimMTMTransformer(random_state=0).fit(X)
        embeddings = embedder.transform(X), embedder.transform(X_test)
        seconds = time.perf_counter() - begun

        features = {
            "raw": raw_values(X, X_test),
            "untrained": (untrained.transform(X), untrained.transform(X_test)),
            "SimMTM": embeddings,
        }
        accuracies.append(
            [all_labels(*features[kind], y, y_test) for kind in FEATURES]
            + [few_labels(*features[kind], y, y_test) for kind in FEATURES]
        )
        lines.append(row(name, sizes(X, X_test), accuracies[-1], seconds))
        print(lines[-1], flush=True)

    lines += [rule(), row("mean", "", np.mean(accuracies, axis=0), None)]
    print(*lines[-2:], sep="\n")
    (OUTPUT / "table.txt").write_text(EXPLANATION + "\n" + "\n".join(lines) + "\n", "utf-8")
    draw_training("GunPoint")
    draw_map(embedder, NAMES[-1])
    print(f"\n{time.perf_counter() - started:.0f} seconds in all. Written to {OUTPUT}:")
    print("  " + ", ".join(sorted(path.name for path in OUTPUT.iterdir())))


# -- from features to accuracies -------------------------------------------------------------------


def raw_values(X, X_test):
    """All values of a series in one row, zeros behind the end of shorter ones; standardised."""
    every = [*X, *X_test]
    length = max(series.shape[1] for series in every)
    rows = [np.pad(series, ((0, 0), (0, length - series.shape[1]))).ravel() for series in every]
    scaler = StandardScaler().fit(rows[: len(X)])
    return scaler.transform(rows[: len(X)]), scaler.transform(rows[len(X) :])


def all_labels(train, test, y, y_test):
    return RidgeClassifierCV(ALPHAS).fit(train, y).score(test, y_test)


def few_labels(train, test, y, y_test):
    scores = []
    for seed in range(N_DRAWS):
        rng = np.random.default_rng(seed)
        labelled = np.concatenate(
            [rng.choice(np.flatnonzero(y == c), N_LABELS, replace=False) for c in np.unique(y)]
        )
        probe = RidgeClassifierCV(ALPHAS).fit(train[labelled], y[labelled])
        scores.append(probe.score(test, y_test))
    return np.mean(scores)


# -- the table -------------------------------------------------------------------------------------


def sizes(X, X_test):
    lengths = sorted(series.shape[1] for series in [*X, *X_test])
    length = f"{lengths[0]}–{lengths[-1]}" if lengths[0] < lengths[-1] else f"{lengths[0]}"
    return f"{len(X)}+{len(X_test)} × {X[0].shape[0]} × {length}"


def row(name, size, values, seconds):
    shown = "".join(f"{value:>10.3f}" for value in values[:3])
    shown += "  " + "".join(f"{value:>10.3f}" for value in values[3:])
    return f"{name:<17}{size:<22}{shown}{'' if seconds is None else f'{seconds:>9.1f}'}"


def header():
    kinds = "".join(f"{kind:>10}" for kind in FEATURES)
    groups = [f" {title} ".center(28, "-").rjust(30) for title in COLUMNS]
    return [
        " " * 39 + "  ".join(groups),
        f"{'data set':<17}{'series × ch. × length':<22}{kinds}  {kinds}{'seconds':>9}",
        rule(),
    ]


def rule():
    return "-" * 110


# -- the pictures ----------------------------------------------------------------------------------


def draw_training(name):
    X, _ = load_dataset(name, split="train")
    pretrained = SimMTMTransformer(num_epochs=N_EPOCHS, random_state=0).fit(X)
    display = LossDisplay.from_estimator(pretrained)
    display.ax_.set_title(f"{name}, pre-training: the terms of the objective")
    display.figure_.savefig(OUTPUT / "losses.png", dpi=120)

    X, _ = load_dataset(name, split="test")
    display = ReconstructionDisplay.from_estimator(pretrained, X)
    display.figure_.suptitle(f"{name}, test part: rebuilt from the visible points alone")
    display.figure_.savefig(OUTPUT / "masked_views.png", dpi=120)


def draw_map(transformer, name):
    X, y = load_dataset(name, split="test")
    display = EmbeddingDisplay.from_estimator(transformer, X, y)
    display.ax_.set_title(f"{name}, test part: embeddings learned without labels")
    display.ax_.get_legend().set_title("class")
    display.figure_.savefig(OUTPUT / "embedding_map.png", dpi=120)


if __name__ == "__main__":
    main()
