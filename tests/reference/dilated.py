"""Dilated convolutions, tap by tap."""

import numpy as np


def dilated_responses(weight, series, dilation):
    """Every tap of every kernel by hand; zeros beyond the ends.

    ``weight`` (n_kernels, n_channels, n_taps) and ``series`` (n_channels, length) give
    (n_kernels, length).
    """
    n_taps, length = weight.shape[2], series.shape[1]
    responses = np.zeros((len(weight), length))
    for t in range(length):
        for tap in range(n_taps):
            place = t + (tap - n_taps // 2) * dilation
            if 0 <= place < length:
                responses[:, t] += weight[:, :, tap] @ series[:, place]
    return responses
