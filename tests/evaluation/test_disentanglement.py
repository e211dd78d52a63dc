"""Disentanglement on codes planted by hand: perfect, shuffled, mixed, copied, dead, noise; and against other roads."""

import math
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.metrics import balanced_accuracy_score, mutual_info_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from vae_core import checkpoint
from vae_core.errors import CodeError, ConfigError, DataError, MeasureError, Stopped
from vae_core.evaluation import disentanglement as module
from vae_core.evaluation.disentanglement import (
    BINS,
    KEYS,
    dci,
    factor_vae_score,
    knn_accuracy,
    mig,
    sap,
    scores,
)

SPRITES = Path(__file__).parents[2] / "checkpoints" / "sprites-vae-10d.safetensors"


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def grid(*levels, repeats=1):
    """Factors in all combinations: a whole number gives as many classes, anything else its values."""
    values = [range(each) if isinstance(each, int) else each for each in levels]
    return torch.tensor(list(product(*values)) * repeats, dtype=torch.float32)


@pytest.fixture(scope="module")
def factors():
    """Three classes, a quantity of 6 levels and one of 40: more than there are bins. 2,160 examples."""
    return grid(3, torch.linspace(0.5, 1, 6).tolist(), torch.linspace(0, 1, 40).tolist(), repeats=3)


@pytest.fixture(scope="module")
def quantities():
    """Three independent uniform quantities; no value occurs twice."""
    return torch.rand(2000, 3, generator=generator(5))


def mixed(quantities, degrees):
    """The first two quantities, turned into each other."""
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return torch.cat([(quantities[:, :2] - 0.5) @ turn, quantities[:, 2:]], dim=1)


# --- codes with known scores --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encode",
    [
        lambda v: v,
        lambda v: v[:, [2, 0, 1]] * torch.tensor([-3.0, 1e-4, 200.0]) + torch.tensor([7.0, 0, -1]),
        lambda v: torch.cat([torch.zeros(len(v), 2), v, torch.full((len(v), 1), 3.0)], dim=1),
        lambda v: v + 0.003 * torch.randn(v.shape, generator=generator(1)),
    ],
    ids=["perfect", "permuted, scaled, flipped", "with dead dimensions", "with a little noise"],
)
def test_a_dimension_for_each_factor_has_one(factors, encode):
    found = scores(encode(factors), factors)
    assert found.keys() == set(KEYS) - {"knn_accuracy"}
    for name in ("dci_disentanglement", "dci_completeness", "dci_informativeness", "sap", "factor_vae"):
        assert found[name] == pytest.approx(1, abs=0.02), name
    assert found["mig"] == pytest.approx(1, abs=0.1)  # noise carries some of a level over the edge of a bin


def test_the_gap_of_perfect_codes_is_exactly_one(factors):
    assert mig(factors, factors) == pytest.approx(1)
    assert mig(-factors[:, [1, 2, 0]], factors) == pytest.approx(1)
    assert sap(factors, factors) == pytest.approx(1)


def test_continuous_factors_have_one_too(quantities):
    found = scores(quantities[:, [1, 2, 0]] * torch.tensor([1.0, -5.0, 0.01]), quantities)
    assert found.pop("mig") == pytest.approx(1, abs=0.05)
    assert found == pytest.approx(dict.fromkeys(found, 1), abs=0.01)


def test_noise_has_nothing(factors):
    found = scores(torch.randn(len(factors), 4, generator=generator(2)), factors)
    assert found.pop("factor_vae") == pytest.approx(1 / 3, abs=0.06)  # chance
    assert found == pytest.approx(dict.fromkeys(found, 0), abs=0.03)


def test_the_more_two_factors_are_mixed_the_lower_every_score(quantities):
    found = [scores(mixed(quantities, degrees), quantities) for degrees in (0, 10, 20, 45)]
    for name in ("mig", "sap", "dci_disentanglement", "dci_completeness"):
        assert all(more[name] < less[name] - 0.02 for less, more in pairwise(found)), name
    assert found[-1]["mig"] == pytest.approx(1 / 3, abs=0.05)  # the third factor is still alone
    assert found[-1]["sap"] == pytest.approx(1 / 3, abs=0.05)
    assert found[-1]["factor_vae"] < found[0]["factor_vae"]
    assert all(each["dci_informativeness"] > 0.97 for each in found)  # nothing is lost, only mixed


def test_a_factor_in_two_dimensions_is_disentangled_but_not_complete(factors):
    found = scores(factors[:, [0, 0, 1, 1, 2, 2]], factors)
    assert found["mig"] == pytest.approx(0)
    assert found["sap"] == pytest.approx(0)
    assert found["dci_disentanglement"] > 0.99
    # The forest leans on both copies about evenly: 1 - log 2 / log 6 = 0.61.
    assert found["dci_completeness"] == pytest.approx(1 - math.log(2) / math.log(6), abs=0.1)


def test_two_factors_in_one_dimension_are_complete_but_not_disentangled():
    factors = grid(3, 4, repeats=50)
    codes = torch.stack([4 * factors[:, 0] + factors[:, 1], torch.zeros(len(factors))], dim=1)
    found = dci(codes, factors, generator())
    assert found.completeness == pytest.approx(1)
    assert found.informativeness == pytest.approx(1)
    assert found.disentanglement == pytest.approx(0, abs=1e-9)
    assert factor_vae_score(codes, factors, generator()) == pytest.approx(0.5)


def test_a_factor_that_does_not_vary_is_left_out(factors):
    codes = mixed(factors, 20)
    constant = torch.cat([factors, torch.full((len(factors), 1), 2.0)], dim=1)
    assert scores(codes, constant) == scores(codes, factors)


def test_stretching_a_dimension_leaves_the_gap_of_information_as_it_is(quantities):
    codes = mixed(quantities, 20)
    assert mig(torch.exp(3 * codes), quantities) == mig(codes, quantities)


def test_one_dimension_is_its_own_gap(factors):
    assert mig(factors[:, :1], factors[:, :1]) == pytest.approx(1)
    assert sap(factors[:, :1], factors) == pytest.approx(1 / 3)
    assert dci(factors[:, :1], factors, generator()).completeness == 1  # no factor needs more than there is


# --- other roads --------------------------------------------------------------------------------------------------


def test_mig_of_a_joint_distribution_that_is_known():
    v, a, b = (grid(2, 8, 8)[:, column] for column in range(3))
    codes = torch.stack(
        [torch.where(a < 6, v, 1 - v), torch.where(b < 5, v, 1 - v)], dim=1
    )  # v with errors, 2 and 3 times in 8

    def told(errors):
        return 1 + sum(p * math.log2(p) for p in (errors, 1 - errors))

    assert mig(codes, v[:, None]) == pytest.approx(told(2 / 8) - told(3 / 8))


def test_entropy_and_information_agree_with_scipy_and_scikit_learn():
    rng = np.random.default_rng(3)
    a, b = rng.integers(BINS, size=500), rng.integers(7, size=500)
    b[:200] = a[:200] % 7
    assert module._entropy(a) == pytest.approx(stats.entropy(np.bincount(a)))
    assert module._mutual_information(a, b) == pytest.approx(mutual_info_score(a, b))


def test_levels_are_values_where_few_and_equal_parts_where_many():
    few = np.array([0.5, 2.0, 0.5, -1.0])
    assert module._levels(few).tolist() == [1, 2, 1, 0]
    many = np.random.default_rng(4).lognormal(size=2000)
    assert np.bincount(module._levels(many)).tolist() == [2000 // BINS] * BINS
    ordered = module._levels(many)[np.argsort(many)]
    assert (np.diff(ordered) >= 0).all()


def test_quantities_are_predicted_as_scikit_learn_does(quantities):
    codes = mixed(quantities, 25).double().numpy()
    truth = quantities.double().numpy()
    gaps = []
    for factor in truth.T:
        r2 = sorted(LinearRegression().fit(z[:, None], factor).score(z[:, None], factor) for z in codes.T)
        gaps.append(r2[-1] - r2[-2])
    assert sap(torch.tensor(codes), torch.tensor(truth)) == pytest.approx(np.mean(gaps))


def test_classes_are_told_as_scikit_learn_counts():
    rng = np.random.default_rng(6)
    classes = rng.choice(3, size=600, p=[0.7, 0.2, 0.1]).astype(float)
    dimension = classes + rng.normal(size=600)
    tree = DecisionTreeClassifier(max_leaf_nodes=3, class_weight="balanced").fit(dimension[:, None], classes)
    expected = balanced_accuracy_score(classes, tree.predict(dimension[:, None]), adjusted=True)
    assert module._told_by_thresholds(dimension, classes) == pytest.approx(expected)


def test_one_threshold_is_nearly_the_best_of_all():
    rng = np.random.default_rng(7)
    classes = (rng.random(500) < 0.2).astype(float)
    dimension = 2 * classes + rng.normal(size=500)
    best = max(
        balanced_accuracy_score(classes, dimension > place, adjusted=True) for place in np.sort(dimension)
    )
    found = module._told_by_thresholds(dimension, classes)
    assert best - 0.03 < found <= best + 1e-9


def test_the_vote_agrees_with_a_loop_over_groups(factors):
    rng = np.random.default_rng(8)
    v = factors.numpy()
    codes = mixed(factors, 30).numpy() + 0.3 * rng.normal(size=v.shape)
    scale = codes.std(0)

    def vote():
        factor = rng.integers(3)
        value = v[rng.integers(len(v)), factor]
        near = 1.5 / 39 if factor == 2 else 1e-6  # 40 levels in 20 bins: with a neighbour, more or less
        same = codes[np.abs(v[:, factor] - value) < near]
        group = same[rng.integers(len(same), size=64)]
        return int(np.argmin((group / scale).var(0))), factor

    table = np.zeros((3, 3), dtype=int)
    for _ in range(600):
        table[vote()] += 1
    winners = table.argmax(1)
    right = [winners[dimension] == factor for dimension, factor in (vote() for _ in range(600))]
    assert factor_vae_score(torch.tensor(codes), factors, generator()) == pytest.approx(
        np.mean(right), abs=0.07
    )


def test_importance_that_is_shared_has_the_entropy_of_its_shares():
    weights = np.array([[3.0, 1.0, 0.0], [0.0, 0.0, 0.0], [2.0, 2.0, 2.0]])
    expected = [stats.entropy([3, 1]), 0, math.log(3)]
    assert module._row_entropies(weights) == pytest.approx(expected)


# --- neighbours ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 4, 15])
def test_neighbours_vote_as_in_scikit_learn(k):
    codes = torch.randn(150, 3, generator=generator(9))
    labels = (codes[:, 0] + 0.5 * torch.randn(150, generator=generator(10)) > 0).long() * 7 + (
        codes[:, 1] > 1
    ).long()
    right = 0
    for left_out in range(150):
        rest = np.arange(150) != left_out
        classifier = KNeighborsClassifier(k, algorithm="brute").fit(codes[rest].numpy(), labels[rest].numpy())
        right += int(classifier.predict(codes[left_out : left_out + 1].numpy())[0] == labels[left_out])
    assert knn_accuracy(codes, labels, k) == pytest.approx(right / 150)


def test_classes_apart_are_told_and_noise_is_chance():
    labels = torch.arange(400) % 4
    noise = torch.randn(400, 2, generator=generator(11))
    assert knn_accuracy(noise + 30 * torch.stack([labels, labels == 2], dim=1), labels) == 1
    assert knn_accuracy(noise, labels) == pytest.approx(0.25, abs=0.08)


def test_a_code_is_never_its_own_neighbour():
    pairs = torch.arange(100.0).repeat_interleave(2)[:, None]  # each code twice, once of each class
    assert knn_accuracy(pairs, torch.arange(200) % 2, k=1) == 0
    copies = torch.zeros(40, 2)  # all the same: whoever is asked, most others are of class 0
    assert knn_accuracy(copies, (torch.arange(40) >= 30).long(), k=39) == 0.75


# --- ranges, seeds, sentences -------------------------------------------------------------------------------------


@pytest.mark.parametrize("latent", [1, 2, 7])
def test_whatever_the_codes_all_scores_are_in_range(latent):
    rng = generator(latent)
    rare = (torch.arange(130) == 17).float()  # one example of its class
    factors = torch.stack([rare, torch.randn(130, generator=rng), torch.arange(130) % 2, rare * 5 - 1], dim=1)
    codes = torch.randn(130, latent, generator=rng) ** 9
    codes[:, 0] = codes[:, 0].round()
    found = scores(codes, factors)
    assert all(0 <= value <= 1 for value in found.values())
    assert all(type(value) is float for value in found.values())


def test_the_seed_decides(factors):
    codes = mixed(factors, 30)
    assert scores(codes, factors, 1) == scores(codes, factors, 1)
    assert scores(codes, factors, 1)["dci_completeness"] != scores(codes, factors, 2)["dci_completeness"]


def test_nan_is_a_sentence(factors):
    broken = factors.clone()
    broken[3, 1] = math.nan
    for score in (mig, sap, scores, lambda z, v: factor_vae_score(z, v, generator())):
        with pytest.raises(CodeError, match="1 of 2160 rows"):
            score(broken, factors)
        with pytest.raises(DataError, match="factors hold NaN or infinity in 1 of 2160 rows"):
            score(factors, broken)
    with pytest.raises(CodeError, match="NaN"):
        knn_accuracy(broken, torch.arange(len(broken)) % 3)


def test_what_cannot_be_measured_is_a_sentence(factors):
    with pytest.raises(MeasureError, match="at least 100 encoded examples, and there are 50"):
        mig(factors[:50], factors[:50])
    with pytest.raises(
        MeasureError, match="1 or more known factors that vary among the examples, and there are 0"
    ):
        sap(factors, torch.ones(len(factors), 2))
    for score in (dci, factor_vae_score):
        with pytest.raises(MeasureError, match="2 or more known factors"):
            score(factors, factors[:, :1], generator())
    with pytest.raises(MeasureError, match="All codes are equal"):
        scores(torch.ones(len(factors), 2), factors)
    with pytest.raises(MeasureError, match="one class"):
        knn_accuracy(factors, torch.zeros(len(factors), dtype=torch.int64))
    for k in (0, 120):
        with pytest.raises(ConfigError, match=f"k is {k}, but must be from 1 to 119"):
            knn_accuracy(factors[:120], torch.arange(120) % 2, k)


def test_progress_is_told_and_a_stop_is_heard(factors):
    heard = []
    scores(factors, factors, on_progress=heard.append)
    assert heard == [0.25, 0.5, 0.75, 1]
    with pytest.raises(Stopped, match="after 0 of 4 scores"):
        scores(factors, factors, should_stop=lambda: True)


def test_the_axes_of_a_trained_model_mean_more_than_turned_ones():
    reference = checkpoint.load(SPRITES).reference
    codes, factors = reference.mean[:3000], reference.factors[:3000]
    turn, _ = torch.linalg.qr(torch.randn(10, 10, generator=generator(13)))
    own, turned = scores(codes, factors), scores(codes @ turn, factors)
    for name in ("mig", "sap", "dci_disentanglement", "dci_completeness", "factor_vae"):
        assert own[name] > turned[name] + 0.1, name
    assert knn_accuracy(codes, reference.labels[:3000]) == pytest.approx(
        knn_accuracy(codes @ turn, reference.labels[:3000]), abs=0.002
    )
