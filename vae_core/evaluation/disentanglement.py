"""How well latent dimensions and true factors of variation go together, one to one: four scores and a neighbours' vote.

    mig                 mutual information gap (Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs")
    dci                 disentanglement, completeness, informativeness (Eastwood & Williams 2018)
    sap                 separated attribute predictability (Kumar et al. 2018)
    factor_vae_score    a majority vote on the steadiest dimension (Kim & Mnih 2018, "Disentangling by Factorising")

Every score is in [0, 1]: 1 when each factor has one latent dimension to itself, whatever the order of the dimensions, their
signs and their scales. Codes are posterior means, as is customary (Locatello et al. 2019). A factor that does not vary is
left out; a dimension that does not vary stays, and tells nothing.

A factor of whole numbers from 0 to less than BINS is a set of classes without order, such as shapes; any other is a
quantity, such as a position. Where a score counts, columns of at most BINS different values are taken as they are and others
by rank, in BINS parts of equal mass, codes and factors alike: what merely stretches a dimension changes nothing.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from scipy.special import entr
from scipy.stats import rankdata
from torch import Tensor

from vae_core.errors import ConfigError, DataError, MeasureError, Stopped
from vae_core.evaluation.steps import OnProgress, ShouldStop, never, silent
from vae_core.latent.neighbours import CodeIndex, finite

KEYS = (
    "knn_accuracy",
    "mig",
    "dci_disentanglement",
    "dci_completeness",
    "dci_informativeness",
    "sap",
    "factor_vae",
)  # under which figures are kept

BINS = 20  # as Locatello et al. 2019 count
FEWEST = 100  # codes; among fewer, chance alone makes gaps
TREES, LEAF = 20, 10  # of a forest, and examples that a leaf has at least: deeper trees follow noise
VOTES, GROUP = 1000, 64  # votes on a factor to learn from, as many to test on; draws from a group for each


@dataclass(frozen=True)
class DCI:
    """Three figures in [0, 1], the first two of one matrix of importances (latent x factors).

    disentanglement: each dimension matters to one factor only. completeness: each factor needs one dimension only.
    informativeness: how much of the factors can be told from the codes, 0 for no better than a constant guess.
    """

    disentanglement: float
    completeness: float
    informativeness: float


def scores(
    codes: Float[Tensor, "n latent"],
    factors: Float[Tensor, "n factors"],
    seed: int = 0,
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
) -> dict[str, float]:
    """Return mig, dci_disentanglement, dci_completeness, dci_informativeness, sap and factor_vae; takes seconds.

    Raises:
        CodeError, DataError: codes or factors hold NaN or infinity.
        MeasureError: too few codes, fewer than two factors that vary, or codes that are all equal.
        Stopped: should_stop, asked before each score, said so.
    """
    for_dci, for_votes = (torch.Generator().manual_seed(seed) for _ in range(2))
    parts: list[Callable[[], dict[str, float]]] = [
        lambda: {f"dci_{name}": value for name, value in asdict(dci(codes, factors, for_dci)).items()},
        lambda: {"mig": mig(codes, factors)},
        lambda: {"sap": sap(codes, factors)},
        lambda: {"factor_vae": factor_vae_score(codes, factors, for_votes)},
    ]
    found: dict[str, float] = {}
    for number, part in enumerate(parts):
        if should_stop():
            raise Stopped(f"Measuring disentanglement was stopped after {number} of {len(parts)} scores.")
        found |= part()
        on_progress((number + 1) / len(parts))
    return found


def mig(codes: Float[Tensor, "n latent"], factors: Float[Tensor, "n factors"]) -> float:
    """Return the mutual information gap: mean over factors v of (I(z_a; v) - I(z_b; v)) / H(v), in [0, 1].

    a and b are the two dimensions that tell most about v; with one dimension, I(z_b; v) = 0.

    Raises:
        CodeError, DataError, MeasureError: as `scores`; one factor that varies is enough.
    """
    z, v = _checked(codes, factors)
    levels = [_levels(column) for column in z.T]
    gaps = []
    for column in v.T:
        factor = _levels(column)
        information = np.array([_mutual_information(level, factor) for level in levels])
        gaps.append(_gap(information / _entropy(factor)))
    return _within(float(np.mean(gaps)))


def sap(codes: Float[Tensor, "n latent"], factors: Float[Tensor, "n factors"]) -> float:
    """Return the mean gap between the two dimensions that predict a factor best, each on its own, in [0, 1].

    A quantity is predicted by linear regression and scored by R^2. Classes are told by thresholds on the dimension, one
    fewer than there are classes, and scored by balanced accuracy, which is stretched here so that chance has 0, as R^2 has.

    Raises:
        CodeError, DataError, MeasureError: as `scores`; one factor that varies is enough.
    """
    z, v = _checked(codes, factors)
    gaps = []
    for column in v.T:
        score = _told_by_thresholds if _is_classes(column) else _squared_correlation
        gaps.append(_gap(np.array([score(dimension, column) for dimension in z.T])))
    return _within(float(np.mean(gaps)))


def dci(
    codes: Float[Tensor, "n latent"], factors: Float[Tensor, "n factors"], generator: torch.Generator
) -> DCI:
    """Return disentanglement, completeness and informativeness, from one random forest per factor.

    The forest's impurity decreases are the importances R_ij of dimension i for factor j. Disentanglement is the mean of
    1 - H(R_i. / sum) in units of log(factors), weighted by each dimension's importance; completeness the mean of
    1 - H(R_.j / sum) in units of log(latent). A half of the examples, drawn by the generator, is for the forest and the
    other for its error; informativeness is 1 - error / error of a constant guess (squared error, or share of wrong classes).

    Raises:
        CodeError, DataError, MeasureError: as `scores`.
    """
    z, v = _checked(codes, factors, least=2)
    order = torch.randperm(len(z), generator=generator).numpy()
    learn, test = order[: len(z) // 2], order[len(z) // 2 :]
    seed = _seed(generator)
    fitted = [_forest(z, column, learn, test, seed) for column in v.T]
    importance = np.stack([weights for weights, _ in fitted], axis=1)
    total = importance.sum()
    of_dimensions = 1 - _row_entropies(importance) / np.log(v.shape[1])
    share = importance.sum(1) / total if total else np.zeros(len(importance))
    # With a single dimension the entropy is 0, and so is its unit: no factor needs more than there is.
    of_factors = 1 - _row_entropies(importance.T) / max(np.log(z.shape[1]), 1e-9)
    of_factors[importance.sum(0) == 0] = 0  # no dimension tells anything about it
    return DCI(
        _within(share @ of_dimensions),
        _within(of_factors.mean()),
        _within(float(np.mean([told for _, told in fitted]))),
    )


def factor_vae_score(
    codes: Float[Tensor, "n latent"], factors: Float[Tensor, "n factors"], generator: torch.Generator
) -> float:
    """Return how often the steadiest dimension of a group betrays which factor the group shares, in [0, 1].

    A group has one level of one factor in common: GROUP draws, with replacement, from the examples of that level. Its
    dimension of least variance, relative to the variance over all examples, votes. The vote of a dimension is the
    factor that it most often stood for in the first VOTES groups of each factor; the score is the share of right votes in as
    many other groups. Chance has about 1 / factors. Kim & Mnih draw new images for each group; here the examples are given.

    Raises:
        CodeError, DataError, MeasureError: as `scores`.
    """
    z, v = _checked(codes, factors, least=2)
    alive = np.ptp(z, axis=0) > 0
    z = z[:, alive] / z[:, alive].std(0)
    rng = np.random.default_rng(_seed(generator))
    steadiest = np.stack([_steadiest(z, _levels(column), rng) for column in v.T], axis=1)
    learn, test = steadiest[:VOTES], steadiest[VOTES:]
    counts = np.stack([np.bincount(column, minlength=z.shape[1]) for column in learn.T], axis=1)
    votes = counts.argmax(1)[test]
    return float((votes == np.arange(v.shape[1])).mean())


def knn_accuracy(codes: Float[Tensor, "n latent"], labels: Int64[Tensor, " n"], k: int = 15) -> float:
    """Return the share of codes whose k nearest other codes (Euclidean) are mostly of their own class, in [0, 1].

    Of classes with equally many neighbours the first is taken, as scikit-learn does.

    Raises:
        CodeError: codes hold NaN or infinity.
        ConfigError: k is not from 1 to n - 1.
        MeasureError: all labels are equal.
    """
    z = codes.double().numpy()
    finite(z)
    if not 1 <= k < len(z):
        raise ConfigError(f"k is {k}, but must be from 1 to {len(z) - 1}, the number of other codes.")
    names, classes = np.unique(labels.numpy(), return_inverse=True)
    if len(names) < 2:
        raise MeasureError("All examples are of one class, so telling classes apart is not defined for them.")
    found = CodeIndex.of(z).nearest(z, k + 1).indices
    # Where copies of a code push it out of its own neighbours, the last of them goes instead.
    itself = found == np.arange(len(z))[:, None]
    itself[~itself.any(1), -1] = True
    others = classes[found[~itself].reshape(len(z), k)]
    votes = np.zeros((len(z), len(names)), dtype=np.int64)
    np.add.at(votes, (np.arange(len(z))[:, None], others), 1)
    return float((votes.argmax(1) == classes).mean())


# --- what the scores are made of ----------------------------------------------------------------------------------


def _checked(
    codes: Float[Tensor, "n latent"], factors: Float[Tensor, "n factors"], least: int = 1
) -> tuple[Float64[np.ndarray, "n latent"], Float64[np.ndarray, "n varying"]]:
    """Return codes and the factors that vary, at least `least` of them."""
    z, v = codes.double().numpy(), factors.double().numpy()
    finite(z)
    if not np.isfinite(v).all():
        raise DataError(
            f"factors hold NaN or infinity in {int((~np.isfinite(v)).any(1).sum())} of {len(v)} rows; leave these rows out."
        )
    if len(z) < FEWEST:
        raise MeasureError(
            f"Disentanglement takes at least {FEWEST} encoded examples, and there are {len(z)}; encode more."
        )
    v = v[:, np.ptp(v, axis=0) > 0]
    if v.shape[1] < least:
        raise MeasureError(
            f"This takes {least} or more known factors that vary among the examples, and there are {v.shape[1]}; "
            "use data such as sprites, whose factors are known."
        )
    if not np.ptp(z, axis=0).any():
        raise MeasureError(
            "All codes are equal, so no dimension stands for anything; train a model with active dimensions."
        )
    return z, v


def _seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**31, (), generator=generator))


def _within(score: float) -> float:
    """Take back what rounding put outside of [0, 1]."""
    return float(np.clip(score, 0, 1))


def _gap(scores: Float64[np.ndarray, " latent"]) -> float:
    """Return by how much the best is ahead of the second, or of 0 where there is no second."""
    second, first = np.sort(np.append(scores, 0.0))[-2:]
    return float(first - second)


def _is_classes(factor: Float64[np.ndarray, " n"]) -> bool:
    return bool(factor.min() >= 0 and factor.max() < BINS and (factor == factor.round()).all())


def _levels(column: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Return which of at most BINS values, or else of BINS parts of equal mass, each example has; equal values stay together."""
    values, level = np.unique(column, return_inverse=True)
    if len(values) > BINS:
        level = ((rankdata(column) - 0.5) / len(column) * BINS).astype(np.int64)
    return level


def _entropy(levels: Int64[np.ndarray, " n"]) -> float:
    """Return the entropy of the levels' frequencies, in nats."""
    return float(entr(np.bincount(levels) / len(levels)).sum())


def _mutual_information(a: Int64[np.ndarray, " n"], b: Int64[np.ndarray, " n"]) -> float:
    """Return I(a; b) = H(a) + H(b) - H(a, b) of the levels' frequencies, in nats."""
    return _entropy(a) + _entropy(b) - _entropy(a * BINS + b)


def _squared_correlation(dimension: Float64[np.ndarray, " n"], factor: Float64[np.ndarray, " n"]) -> float:
    """Return R^2 of the linear regression of a factor on a dimension, 0 where the dimension is constant."""
    if np.ptp(dimension) == 0:
        return 0.0
    return float(np.corrcoef(dimension, factor)[0, 1] ** 2)


def _told_by_thresholds(dimension: Float64[np.ndarray, " n"], classes: Float64[np.ndarray, " n"]) -> float:
    """Return the balanced accuracy of thresholds on a dimension, stretched from [chance, 1] to [0, 1]."""
    from sklearn.tree import DecisionTreeClassifier

    names, labels = np.unique(classes, return_inverse=True)
    tree = DecisionTreeClassifier(max_leaf_nodes=len(names), class_weight="balanced", random_state=0)
    right = tree.fit(dimension[:, None], labels).predict(dimension[:, None]) == labels
    recall = np.bincount(labels, right) / np.bincount(labels)
    chance = 1 / len(names)
    return float((recall.mean() - chance) / (1 - chance))


def _forest(
    z: Float64[np.ndarray, "n latent"],
    factor: Float64[np.ndarray, " n"],
    learn: Int64[np.ndarray, " half"],
    test: Int64[np.ndarray, " other"],
    seed: int,
) -> tuple[Float64[np.ndarray, " latent"], float]:
    """Return the importance of each dimension for a factor, summing to 1 (or 0 for none), and how much they tell of it."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    settings = {"n_estimators": TREES, "min_samples_leaf": LEAF, "max_features": None, "random_state": seed}
    if _is_classes(factor):
        labels = np.unique(factor, return_inverse=True)[1]
        forest = RandomForestClassifier(**settings).fit(z[learn], labels[learn])
        error = np.mean(forest.predict(z[test]) != labels[test])
        constant = 1 - np.bincount(labels).max() / len(labels)
    else:
        forest = RandomForestRegressor(**settings).fit(z[learn], factor[learn])
        error = np.mean((forest.predict(z[test]) - factor[test]) ** 2)
        constant = factor.var()
    return forest.feature_importances_, _within(1 - error / constant)


def _row_entropies(weights: Float64[np.ndarray, "rows columns"]) -> Float64[np.ndarray, " rows"]:
    """Return the entropy of each row's shares, in nats; 0 for a row of zeros."""
    total = weights.sum(1, keepdims=True)
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    found: np.ndarray = entr(shares).sum(1)
    return found


def _steadiest(
    z: Float64[np.ndarray, "n latent"], levels: Int64[np.ndarray, " n"], rng: np.random.Generator
) -> Int64[np.ndarray, " votes"]:
    """Return the dimension of least variance in each of 2 VOTES groups that share a level, drawn as often as examples have it."""
    order = np.argsort(levels, kind="stable")
    counts = np.bincount(levels)
    first = np.cumsum(counts) - counts
    shared = rng.choice(levels[counts[levels] > 1], 2 * VOTES)  # a lone example varies in nothing
    places = first[shared][:, None] + rng.integers(counts[shared][:, None], size=(2 * VOTES, GROUP))
    found: np.ndarray = z[order[places]].var(1).argmin(1)
    return found
