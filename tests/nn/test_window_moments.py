import pytest
import torch

from simmtm_sk.nn.window_moments import window_moments

WIDTH = 7


def series(lengths=(40, 25, 7, 6), seed=0):
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(len(lengths), max(lengths), generator=draw, dtype=torch.float64)
    return values, torch.tensor(lengths)


def slow(values, lengths, width=WIDTH):
    moments = torch.zeros(len(values), width, width, dtype=torch.float64)
    for number, (row, length) in enumerate(zip(values, lengths.tolist(), strict=True)):
        for start in range(length - width + 1):
            window = row[start : start + width]
            moments[number] += torch.outer(window, window)
    return moments


def test_sums_over_windows():
    values, lengths = series()
    moments = window_moments(values, lengths, WIDTH, pooled=False)
    torch.testing.assert_close(moments, slow(values, lengths))


def test_pooled_over_series():
    values, lengths = series()
    moments = window_moments(values, lengths, WIDTH, pooled=True)
    torch.testing.assert_close(moments, slow(values, lengths).sum(0, keepdim=True))


def test_what_lies_behind_the_end_is_ignored():
    values, lengths = series((30, 20))
    changed = values.clone()
    changed[1, 20:] = 1e6
    for pooled in (False, True):
        torch.testing.assert_close(
            window_moments(changed, lengths, WIDTH, pooled=pooled),
            window_moments(values, lengths, WIDTH, pooled=pooled),
        )


@pytest.mark.parametrize("width", [1, 20])
def test_widths_from_a_point_to_the_whole_series(width):
    values, lengths = series((20, 20))
    moments = window_moments(values, lengths, width, pooled=False)
    torch.testing.assert_close(moments, slow(values, lengths, width))


def test_long_series_stay_accurate():
    values, lengths = series((20_000,))
    windows = values[0].unfold(0, WIDTH, 1)
    moments = window_moments(values, lengths, WIDTH, pooled=True)[0]
    torch.testing.assert_close(moments, windows.T @ windows, rtol=1e-10, atol=1e-7)
