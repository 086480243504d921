"""Metrics of images, one number a row: what gates/super-resolution.yaml names under `per_row`."""

from __future__ import annotations

from typing import Any

import numpy as np

BEST = 100.0  # decibels, of images that are equal


def psnr(inputs: Any, answer: Any, labels: Any) -> Any:
    """Peak signal-to-noise ratio in decibels of each answered image to the one in the column `large`; pixels are 0 to 1."""
    truth = np.stack([np.ravel(image) for image in inputs["large"]]).astype(float)
    error = np.square(np.reshape(answer, truth.shape) - truth).mean(axis=1)
    return np.minimum(-10 * np.log10(np.maximum(error, 1e-12)), BEST)
