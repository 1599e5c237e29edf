"""Slow, obvious versions of DESIGN section 2, steps 4 to 8, one number at a time.

Everything takes and returns float64 tensors, so that autograd gives reference gradients too.
Regenerate the stored values with

    .venv/bin/python -m tests.reference.objective > tests/reference/objective_values.json
"""

import json
import math

import torch


def cosine(u, v):
    return (u * v).sum() / ((u * u).sum().sqrt() * (v * v).sum().sqrt())


def similarity(series):
    return torch.stack([torch.stack([cosine(u, v) for v in series]) for u in series])


def weights(series, n_series, temperature):
    rows = []
    for i in range(n_series):
        exponentials = [
            torch.zeros((), dtype=series.dtype)
            if k == i
            else torch.exp(cosine(series[i], series[k]) / temperature)
            for k in range(len(series))
        ]
        rows.append(torch.stack([e / sum(exponentials) for e in exponentials]))
    return torch.stack(rows)


def aggregated(points, series, n_series, temperature):
    w = weights(series, n_series, temperature)
    return torch.stack(
        [sum(w[i, k] * points[k] for k in range(len(series))) for i in range(n_series)]
    )


def constraint(series, n_series, temperature):
    n_rows = len(series)
    total = 0
    for row in range(n_rows):
        likeness = {
            k: torch.exp(cosine(series[row], series[k]) / temperature)
            for k in range(n_rows)
            if k != row
        }
        for k in likeness:
            if k % n_series == row % n_series:
                total = total - torch.log(likeness[k] / sum(likeness.values()))
    return total / n_rows


def reconstruction(rebuilt, target, observed):
    errors = [
        (a - b) ** 2
        for a, b, counts in zip(
            rebuilt.flatten(), target.flatten(), observed.flatten(), strict=True
        )
        if counts
    ]
    return sum(errors) / len(errors)


def learned_total(losses, sigma):
    return sum(
        loss / (2 * s**2) + math.log(1 + s**2) for loss, s in zip(losses, sigma, strict=True)
    )


def example(n_series, n_masks, temperature):
    """Inputs that depend on no random number generator: (series, points)."""
    n_rows = n_series * (n_masks + 1)
    series = torch.sin(1.7 * torch.arange(n_rows * 4, dtype=torch.float64) ** 1.3).view(n_rows, 4)
    points = torch.cos(2.3 * torch.arange(n_rows * 6, dtype=torch.float64) ** 1.2)
    return series, points.view(n_rows, 3, 2)


def values():
    """The contents of ``objective_values.json``."""
    cases = []
    for case in [(1, 1, 0.2), (1, 4, 0.5), (4, 1, 0.02), (3, 2, 0.2), (5, 3, 0.1), (2, 6, 1.0)]:
        n_series, n_masks, temperature = case
        series, points = example(*case)
        series.requires_grad_()
        rebuilt = aggregated(points, series, n_series, temperature)
        loss = constraint(series, n_series, temperature)
        squares = (rebuilt**2).mean()
        cases.append(
            {
                "n_series": n_series,
                "n_masks": n_masks,
                "temperature": temperature,
                "weights": weights(series, n_series, temperature).tolist(),
                "aggregated": rebuilt.tolist(),
                "aggregated_grad": torch.autograd.grad(squares, series)[0].tolist(),
                "constraint": loss.item(),
                "constraint_grad": torch.autograd.grad(loss, series)[0].tolist(),
            }
        )
    return cases


if __name__ == "__main__":
    print("[" + ",\n".join(json.dumps(case) for case in values()) + "]")
