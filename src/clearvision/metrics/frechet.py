"""The Frechet distance between two sets of features, each taken for a Gaussian: FID, on features of InceptionV3.

Papers: Frechet, "Sur la distance de deux lois de probabilite", 1957; Heusel et al., "GANs Trained by a Two Time-Scale Update
        Rule Converge to a Local Nash Equilibrium", NeurIPS 2017 -- equation 6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError


def frechet_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return |mean a - mean b|^2 + trace(A + B - 2 (A B)^(1/2)) of two sets with sample covariances A and B.

    With fewer pictures than features it is biased upwards, the more the fewer there are: compare only distances over sets of
    the same sizes.

    Args:
        a: (n, features), one row a picture.
        b: (m, features).

    Raises:
        ImageShapeError: if the sets differ in their features, or one has fewer than two pictures.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ImageShapeError(
            f"a Frechet distance needs two sets of two pictures or more, got features of {a.shape} and {b.shape}"
        )
    a, b = a.astype(np.float64), b.astype(np.float64)
    offset = a.mean(axis=0) - b.mean(axis=0)
    root_a, root_b = _root(a), _root(b)
    # With A = P'P and B = Q'Q, the eigenvalues of A B are the squared singular values of P Q', small where the sets are small,
    # and their roots need no root of a singular matrix.
    common = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    return float(max(0.0, offset @ offset + np.vdot(root_a, root_a) + np.vdot(root_b, root_b) - 2 * common))


def _root(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return P with P'P the sample covariance; it has no more rows than there are features."""
    centred = (values - values.mean(axis=0)) / np.sqrt(len(values) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(centred) > centred.shape[1] else centred
