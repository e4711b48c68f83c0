"""Distances between vectors and classes: SciPy's metrics by their names, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist, pdist, squareform

from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("euclidean", "cityblock", "cosine", "correlation", "chebyshev")
ROUNDING = 1e-6  # of the largest distance: what float32 leaves between d(a, b) and d(b, a), or below zero

# The vectors without a direction, for which SciPy's quotient is 0/0: all zero, and, once their mean is
# taken away, constant. (SciPy's centring may leave a constant one a last bit, and so an arbitrary direction.)
_DIRECTIONLESS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.bool_]]] = {
    "cosine": lambda vectors: (vectors == 0).all(axis=1),
    "correlation": lambda vectors: (vectors == vectors[:, :1]).all(axis=1),
}


@dataclass(frozen=True, eq=False)
class DistanceMatrix:
    """All distances between the classes of a feature space, with what they were measured in.

    Attributes
    ----------
    values : numpy.ndarray
        (n, n) float64: exactly symmetric, zero diagonal, never negative.
    index : numpy.ndarray
        (n,) int64, the class indices of rows and columns.
    network, weights, layer : str
        As in the space; empty for distances from elsewhere.
    metric : str
        One of `METRICS`, or what distances from elsewhere were measured by.
    standardised : bool
        Whether the features were standardised.
    source, recipe : str
        As in the space.
    vocabulary : Vocabulary
        The classes that `index` counts.
    """

    values: NDArray[np.float64]
    index: NDArray[np.int64]
    network: str
    weights: str
    layer: str
    metric: str
    standardised: bool
    source: str = ""
    recipe: str = ""
    vocabulary: Vocabulary = field(kw_only=True)

    @classmethod
    def from_frame(
        cls,
        table: pd.DataFrame | ArrayLike,
        labels: Iterable[object] | None = None,
        *,
        vocabulary: Vocabulary,
        metric: str,
        network: str = "",
        weights: str = "",
        layer: str = "",
        standardised: bool = False,
        source: str = "",
        recipe: str = "",
    ) -> DistanceMatrix:
        """Take distances from elsewhere: people's judgements, another network, another program.

        Parameters
        ----------
        table : pandas.DataFrame or array-like
            (n, n), or condensed: (n (n - 1) / 2,), in SciPy's order of pairs. Not negative, symmetric, and zero on
            the diagonal, but for a millionth of the largest distance, which is taken for rounding and removed. A
            frame's columns name the classes of its rows, in any order.
        labels : iterable, optional
            A class index, WordNet id or full class name for every row; those of the frame's index where none
            are given.
        vocabulary : Vocabulary
            The classes that the labels mean; `kinscape.load_imagenet` gives ImageNet's 1,000.
        metric : str
            What measured the distances, in your words.
        network, weights, layer, standardised, source, recipe
            What they were measured in, where that is known. ``frame.attrs`` of `to_frame` holds them all:
            ``DistanceMatrix.from_frame(frame, vocabulary=..., **frame.attrs)``.

        Raises
        ------
        UserError
            For labels that are unknown, given twice, or not as many as rows; no rows; what is NaN or infinite;
            and what is no distance matrix.
        """
        from kinscape.analysis.space.frames import find_classes, read_table

        columns = getattr(table, "columns", None)
        values, index = read_table(table, labels, vocabulary)
        count = len(index)
        if values.shape == (count * (count - 1) // 2,):
            values = squareform(values)
        elif values.shape != (count, count):
            raise UserError(
                f"distances of shape {values.shape} do not fit {count} labels; give ({count}, {count}), or condensed "
                f"({count * (count - 1) // 2},)"
            )
        elif columns is not None and labels is None:
            rows = {wanted: row for row, wanted in enumerate(find_classes(vocabulary, columns).tolist())}
            if sorted(rows) != sorted(index.tolist()):
                raise UserError("the columns are of other classes than the rows; give a square frame of distances")
            values = values[:, [rows[wanted] for wanted in index.tolist()]]
        return cls(
            values=_check_distances(values, index, vocabulary),
            index=index,
            network=network,
            weights=weights,
            layer=layer,
            metric=metric,
            standardised=standardised,
            source=source,
            recipe=recipe,
            vocabulary=vocabulary,
        )

    def to_frame(self, labels: str = "name") -> pd.DataFrame:
        """Give the matrix as a frame, labelled on both sides.

        Parameters
        ----------
        labels : str
            ``"name"``, ``"index"`` or the vocabulary's `id_name`.

        Returns
        -------
        pandas.DataFrame
            (n, n); the rows' axis is named ``a`` and the columns' ``b``, so that ``xarray.DataArray(frame)`` has
            these dimensions. ``attrs`` says what was measured.
        """
        import pandas as pd

        from kinscape.analysis.space.frames import label_classes

        classes = label_classes(self.vocabulary, self.index, labels)
        rows, columns = (pd.Index(classes, name=axis) for axis in ("a", "b"))
        frame = pd.DataFrame(self.values, index=rows, columns=columns, copy=True)  # the record stays as it is
        frame.attrs.update(self.describe())
        return frame

    def to_condensed(self) -> NDArray[np.float64]:
        """Give every pair's distance once.

        Returns
        -------
        numpy.ndarray
            (n (n - 1) / 2,) float64, in the order of ``scipy.spatial.distance.pdist``: (0, 1), (0, 2), ...,
            (1, 2), ...; ``scipy.spatial.distance.squareform`` turns it back.
        """
        condensed: NDArray[np.float64] = squareform(self.values, checks=False)
        return condensed

    def to_pairs(self) -> pd.DataFrame:
        """Give every pair once, a pair a row.

        Returns
        -------
        pandas.DataFrame
            Columns ``a`` and ``b`` (names), ``distance``, ``wnid_a`` and ``wnid_b``; n (n - 1) / 2 rows, in the order
            of `to_condensed`. ``attrs`` says what was measured.
        """
        import pandas as pd

        from kinscape.analysis.space.frames import label_classes

        id_name = self.vocabulary.id_name
        names, ids = (pd.Index(label_classes(self.vocabulary, self.index, labels)) for labels in ("name", id_name))
        first, second = np.triu_indices(len(self.index), k=1)
        frame = pd.DataFrame(
            {
                "a": names.take(first),
                "b": names.take(second),
                "distance": self.to_condensed(),
                f"{id_name}_a": ids.take(first),
                f"{id_name}_b": ids.take(second),
            }
        )
        frame.attrs.update(self.describe())
        return frame

    def describe(self) -> dict[str, Any]:
        """Tell what was measured, by the keywords that `from_frame` takes."""
        return {
            "network": self.network,
            "weights": self.weights,
            "layer": self.layer,
            "metric": self.metric,
            "standardised": self.standardised,
            "source": self.source,
            "recipe": self.recipe,
        }

    def __repr__(self) -> str:
        from kinscape.analysis.space.html import tell_matrix

        return tell_matrix(self)

    def _repr_html_(self) -> str:
        from kinscape.analysis.space.html import show_matrix

        return show_matrix(self)


def distances_between(a: ArrayLike, b: ArrayLike, metric: str) -> NDArray[np.float64]:
    """Measure the distance from every vector of one set to every vector of another.

    Parameters
    ----------
    a, b : array-like
        (m, d) and (n, d) vectors.
    metric : str
        One of `METRICS`.

    Returns
    -------
    numpy.ndarray
        (m, n) float64, as ``scipy.spatial.distance.cdist`` gives it, except that rounding never leaves a
        negative, and that under ``cosine`` and ``correlation`` a vector without a direction (all zero;
        under correlation all equal) is at distance 1 from every vector with one (as though orthogonal to
        it) and 0 from every other without, where SciPy gives NaN.

    Raises
    ------
    UserError
        For an unknown metric.
    """
    check_metric(metric)
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _repair(cdist(a, b, metric), a, b, metric)


def mean_distance(a: ArrayLike, b: ArrayLike, metric: str) -> float:
    """Measure the mean of all distances from a vector of one set to one of another.

    The mean of `distances_between`, but for rounding; by cosine and correlation without the pairs, since there it is
    the mean directions' product that counts.

    Parameters
    ----------
    a, b : array-like
        (m, d) and (n, d) vectors.
    metric : str
        One of `METRICS`.
    """
    if metric not in _DIRECTIONLESS:
        return float(distances_between(a, b, metric).mean())
    (mean_a, none_a), (mean_b, none_b) = (_find_direction(np.asarray(v, np.float64), metric) for v in (a, b))
    return max(0.0, 1.0 - float(mean_a @ mean_b) - none_a * none_b)


def _find_direction(vectors: NDArray[np.float64], metric: str) -> tuple[NDArray[np.float64], float]:
    """Give the (d,) mean of the vectors' directions, and the share of vectors that have none."""
    without = _DIRECTIONLESS[metric](vectors)
    if metric == "correlation":
        vectors = vectors - vectors.mean(axis=1, keepdims=True)
    lengths = np.where(without, np.inf, np.linalg.norm(vectors, axis=1))
    return (vectors / lengths[:, None]).mean(axis=0), float(without.mean())


def distance_matrix(space: FeatureSpace, metric: str) -> DistanceMatrix:
    """Measure all distances between the classes of a space.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    metric : str
        One of `METRICS`.

    Returns
    -------
    DistanceMatrix
        The distances of `distances_between`; every pair is measured once, so the matrix is exactly
        symmetric and its diagonal zero.

    Raises
    ------
    UserError
        For an unknown metric.
    """
    check_metric(metric)
    vectors = space.vectors.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = _repair(squareform(pdist(vectors, metric)), vectors, vectors, metric)
    return DistanceMatrix(
        values=values,
        index=space.index,
        network=space.network,
        weights=space.weights,
        layer=space.layer,
        metric=metric,
        standardised=space.standardised,
        source=space.source,
        recipe=space.recipe,
        vocabulary=space.vocabulary,
    )


def _check_distances(
    values: NDArray[np.float64], index: NDArray[np.int64], vocabulary: Vocabulary
) -> NDArray[np.float64]:
    """Give what is a distance matrix but for rounding as one exactly, and refuse what is none."""
    allowed = ROUNDING * np.abs(values).max()
    for trouble, excess, wanted in (
        ("is negative", -values, "give distances, which grow as likeness falls"),
        ("is not zero", np.diag(np.diag(values)), "a class is no way from itself"),
        ("is not the one back", np.abs(values - values.T), "give a symmetric matrix, as (d + d.T) / 2"),
    ):
        if excess.max() > allowed:
            row, column = np.unravel_index(np.argmax(excess), excess.shape)
            a, b = (vocabulary[int(index[place])].name for place in (row, column))
            raise UserError(f"the distance from {a} to {b}, {values[row, column]:.4g}, {trouble}; {wanted}")
    exact: NDArray[np.float64] = np.maximum((values + values.T) / 2, 0.0)
    np.fill_diagonal(exact, 0.0)
    return exact


def check_metric(metric: str) -> None:
    """Raise a `UserError` that lists the metrics, unless `metric` is one of them."""
    if metric not in METRICS:
        raise UserError(f"unknown metric {metric!r}; choose one of: {', '.join(METRICS)}")


def _repair(
    distances: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64], metric: str
) -> NDArray[np.float64]:
    """Take away what rounding makes negative, and say what SciPy leaves undefined."""
    if metric in _DIRECTIONLESS:
        without_a, without_b = _DIRECTIONLESS[metric](a), _DIRECTIONLESS[metric](b)
        distances[without_a[:, None] | without_b] = 1.0
        distances[without_a[:, None] & without_b] = 0.0
    return np.maximum(distances, 0.0)


def distance_between_groups(space: FeatureSpace, a: Sequence[int], b: Sequence[int], *, metric: str) -> float:
    """Measure the distance between two groups: the mean over all pairs of one's class and the other's.

    It does not depend on how many classes the groups have. A class that both hold is no pair with itself.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    a, b : sequence of int
        Class indices of the two groups.
    metric : str
        One of ``METRICS``.

    Returns
    -------
    float
        0 where both are the same single class.

    Raises
    ------
    UserError
        For an unknown metric, or classes that the space lacks.
    """
    rows = [space.rows(group) for group in (a, b)]
    distances = distances_between(space.vectors[rows[0]], space.vectors[rows[1]], metric)
    pairs = rows[0][:, None] != rows[1]
    return float(distances[pairs].mean()) if pairs.any() else 0.0
