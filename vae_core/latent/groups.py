"""Groups of encoded points: what they hold, and the direction from one to another.

The difference between the mean codes of two groups is an *attribute vector* (Larsen et al. 2016; White 2016,
"Sampling Generative Networks"): added to a code, it gives the decoded image what group A has and group B has not.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64, Integer

from vae_core.errors import CodeError, ConfigError, DataError, GroupError
from vae_core.latent.neighbours import finite

NO_LABEL = -1
QUANTILE = 0.95  # of what chance gives
LARGE = 20_000  # points in both groups above which chance is drawn through means, not point by point


@dataclass(frozen=True)
class Summary:
    """What a group of points holds."""

    count: int
    classes: dict[int, int]  # points per label, the most frequent first; empty without labels
    mean: Float32[np.ndarray, " latent"]
    deviation: Float32[np.ndarray, " latent"]  # population standard deviation of each dimension
    spread: float  # root mean square distance to the mean; its square is the sum of squared deviations


@dataclass(frozen=True)
class ClassMeans:
    """The mean code of every label that occurs, in the order of labels."""

    labels: Int64[np.ndarray, " classes"]
    counts: Int64[np.ndarray, " classes"]
    means: Float32[np.ndarray, "classes latent"]


@dataclass(frozen=True)
class Attribute:
    """The direction from group B to group A, and how it compares with groups of the same sizes drawn at random."""

    vector: Float32[np.ndarray, " latent"]  # mean of A - mean of B
    length: float
    # Cohen's d of the codes projected on the vector: the difference of the groups' means in pooled standard
    # deviations. Never negative, and above 0 even for random groups, because the direction was chosen to part
    # them: compare it with `null_effect`. None where the groups have no spread along the vector.
    effect: float | None
    null_length: float  # QUANTILE of the lengths of random pairs
    null_effect: float | None  # QUANTILE of the effects of random pairs
    p_value: float  # share of random pairs at least as long, this one counted among them

    def apply(
        self, codes: Float[np.ndarray, "*batch latent"], strength: float = 1.0
    ) -> Float32[np.ndarray, "*batch latent"]:
        """Move codes along the vector: 1 is the whole way from the mean of B to that of A, -1 the way back."""
        _same_width(codes=codes, vector=self.vector)
        moved: np.ndarray = codes + strength * self.vector.astype(np.float64)
        return moved.astype(np.float32)


def members(indices: Integer[np.ndarray, " k"], n: int, name: str = "group") -> Int64[np.ndarray, " members"]:
    """Return a group's indices sorted, each once; `GroupError` if there is none or one is not in 0..n-1."""
    if not len(indices):
        raise GroupError(f"{name} is empty; select at least one point.")
    low, high = int(indices.min()), int(indices.max())
    if low < 0 or high >= n:
        wrong = low if low < 0 else high
        raise GroupError(
            f"{name} names point {wrong}, but the points are numbered 0 to {n - 1}; select it again on this map."
        )
    return np.unique(indices).astype(np.int64)


def summarise(
    codes: Float[np.ndarray, "n latent"],
    labels: Integer[np.ndarray, " n_labels"] | None,
    indices: Integer[np.ndarray, " k"],
    name: str = "group",
) -> Summary:
    """Count and average a group. An index given twice counts once.

    Raises `GroupError` for an empty group or an index out of range, `CodeError` for NaN or infinity in the
    group, `DataError` for labels of another length.
    """
    _one_label_each(labels, len(codes))
    chosen = members(indices, len(codes), name)
    group = _rows(codes, chosen, name)
    variance = group.var(0)
    return Summary(
        count=len(group),
        classes={} if labels is None else _frequencies(labels[chosen]),
        mean=group.mean(0).astype(np.float32),
        deviation=np.sqrt(variance).astype(np.float32),
        spread=float(np.sqrt(variance.sum())),
    )


def class_means(codes: Float[np.ndarray, "n latent"], labels: Integer[np.ndarray, " n_labels"]) -> ClassMeans:
    """Average the codes of each label; points labelled -1 have none and are left out.

    Raises `CodeError` for NaN or infinity, `DataError` for labels of another length.
    """
    finite(codes)
    _one_label_each(labels, len(codes))
    found, which, counts = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(which, column, len(found)) for column in codes.T], 1)
    kept = found != NO_LABEL
    means = sums[kept] / counts[kept, None]
    return ClassMeans(found[kept].astype(np.int64), counts[kept].astype(np.int64), means.astype(np.float32))


def attribute(
    codes: Float[np.ndarray, "n latent"],
    group_a: Integer[np.ndarray, " a"],
    group_b: Integer[np.ndarray, " b"],
    draws: int = 200,
    seed: int = 0,
) -> Attribute:
    """Return the attribute vector from B to A, beside `draws` random pairs of disjoint groups of the same sizes.

    The p-value, (1 + random pairs at least as long) / (1 + draws), is never 0 and holds its level exactly if
    the groups are themselves random (Phipson & Smyth 2010). Of groups with more than `LARGE` points together, the
    random means are drawn as the normal variables that they are in the limit (Hájek 1960).

    Raises `GroupError` for groups that are empty, overlap or name points that are not there, `CodeError` for
    NaN or infinity anywhere in the codes, `ConfigError` for draws below 1.
    """
    if draws < 1:
        raise ConfigError(f"draws is {draws}, but must be at least 1.")
    finite(codes)
    a, b = members(group_a, len(codes), "group A"), members(group_b, len(codes), "group B")
    if shared := len(np.intersect1d(a, b, assume_unique=True)):
        raise GroupError(
            f"group A and group B share {shared} points; take them out of one group, so that the two can differ."
        )
    vector, length, effect = _difference(codes, a, b)
    by_chance = _large_pairs if len(a) + len(b) > LARGE else _pairs
    chance = by_chance(codes, len(a), len(b), draws, np.random.default_rng(seed))
    lengths = np.array([found[0] for found in chance])
    effects = [found[1] for found in chance if found[1] is not None]
    # Two sums of the same numbers in another order may differ in the last digit and still be a tie.
    as_long = int((lengths >= length * (1 - 1e-9)).sum())
    return Attribute(
        vector=vector.astype(np.float32),
        length=length,
        effect=effect,
        null_length=float(np.quantile(lengths, QUANTILE)),
        null_effect=float(np.quantile(effects, QUANTILE)) if effects else None,
        p_value=(1 + as_long) / (1 + draws),
    )


def arithmetic(
    a: Float[np.ndarray, "*batch_a latent_a"],
    b: Float[np.ndarray, "*batch_b latent_b"],
    c: Float[np.ndarray, "*batch_c latent_c"],
) -> Float32[np.ndarray, "*batch latent"]:
    """Return a - b + c of codes or batches of them: what a has and b has not, given to c.

    Raises `CodeError` for codes of different widths, or with NaN or infinity.
    """
    _same_width(a=a, b=b, c=c)
    for name, codes in (("a", a), ("b", b), ("c", c)):
        finite(codes.reshape(-1, codes.shape[-1]), name)
    result: np.ndarray = a.astype(np.float64) - b + c
    return result.astype(np.float32)


def group_arithmetic(
    codes: Float[np.ndarray, "n latent"],
    group_a: Integer[np.ndarray, " a"],
    group_b: Integer[np.ndarray, " b"],
    group_c: Integer[np.ndarray, " c"],
) -> Float32[np.ndarray, " latent"]:
    """Return a - b + c of the mean codes of three groups, which may overlap; raises what `summarise` raises."""
    groups = (("group A", group_a), ("group B", group_b), ("group C", group_c))
    a, b, c = (_rows(codes, members(each, len(codes), name), name).mean(0) for name, each in groups)
    return arithmetic(a, b, c)


def _difference(
    codes: Float[np.ndarray, "n latent"], a: Int64[np.ndarray, " a"], b: Int64[np.ndarray, " b"]
) -> tuple[Float64[np.ndarray, " latent"], float, float | None]:
    """Return mean(A) - mean(B), its length, and Cohen's d along it."""
    in_a, in_b = codes[a].astype(np.float64), codes[b].astype(np.float64)
    vector = in_a.mean(0) - in_b.mean(0)
    length = float(np.linalg.norm(vector))
    freedom = len(a) + len(b) - 2
    if not length or not freedom:
        return vector, length, None
    unit = vector / length
    squares = sum(float(np.square(p - p.mean()).sum()) for p in (in_a @ unit, in_b @ unit))
    pooled = (squares / freedom) ** 0.5
    # Equal codes project to numbers that differ by rounding alone: that is no spread.
    rounding = 1e-12 * max(np.abs(in_a).max(), np.abs(in_b).max())
    return vector, length, length / pooled if pooled > rounding else None


def _pairs(
    codes: Float[np.ndarray, "n latent"], a: int, b: int, draws: int, generator: np.random.Generator
) -> list[tuple[float, float | None]]:
    """Draw disjoint groups of a and b points; return the length and the effect of each pair."""
    drawn = (generator.choice(len(codes), a + b, replace=False) for _ in range(draws))
    return [_difference(codes, both[:a], both[a:])[1:] for both in drawn]


def _large_pairs(
    codes: Float[np.ndarray, "n latent"], a: int, b: int, draws: int, generator: np.random.Generator
) -> list[tuple[float, float | None]]:
    """Do what `_pairs` does in a time that does not grow with the larger group.

    The mean of m of n points drawn without replacement has covariance (1/m - 1/n) S, with S that of all points.
    The larger group is drawn from what the smaller one leaves; one of a few points is drawn point by point.
    """
    n, small, large = len(codes), min(a, b), max(a, b)
    mean, covariance = codes.mean(0, dtype=np.float64), np.atleast_2d(np.cov(codes.T, dtype=np.float64))
    rounding = 1e-12 * np.abs(codes).max()
    normal = generator.multivariate_normal(np.zeros(len(mean)), covariance, (draws, 2), method="eigh")
    found: list[tuple[float, float | None]] = []
    for first, second in normal:
        if small <= LARGE // 2:
            one = codes[generator.choice(n, small, replace=False)].mean(0, dtype=np.float64)
        else:
            one = mean + first * (1 / small - 1 / n) ** 0.5
        rest = (n * mean - small * one) / (n - small)
        vector = one - rest - second * max(0.0, 1 / large - 1 / (n - small)) ** 0.5
        length = float(np.linalg.norm(vector))
        deviation = float(vector @ covariance @ vector) ** 0.5 / length if length else 0.0
        found.append((length, length / deviation if deviation > rounding else None))
    return found


def _rows(
    codes: Float[np.ndarray, "n latent"], chosen: Int64[np.ndarray, " members"], name: str
) -> Float64[np.ndarray, "members latent"]:
    rows: np.ndarray = codes[chosen].astype(np.float64)
    finite(rows, name)
    return rows


def _frequencies(labels: Integer[np.ndarray, " k"]) -> dict[int, int]:
    found, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {int(found[i]): int(counts[i]) for i in order}


def _one_label_each(labels: Integer[np.ndarray, " n_labels"] | None, n: int) -> None:
    if labels is not None and len(labels) != n:
        raise DataError(f"labels has {len(labels)} entries for {n} codes; pass one label for each code.")


def _same_width(**codes: Float[np.ndarray, "..."]) -> None:
    widths = {name: each.shape[-1] for name, each in codes.items()}
    if len(set(widths.values())) > 1:
        found = ", ".join(f"{name} has {width}" for name, width in widths.items())
        raise CodeError(
            f"codes must have the same number of latent dimensions, but {found}; use one model's codes."
        )
