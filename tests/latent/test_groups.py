"""Groups, attribute vectors and arithmetic, on clusters whose answer is planted."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vae_core.errors import CodeError, ConfigError, DataError, GroupError
from vae_core.latent import groups

SHIFT = np.array([3.0, 0, -4, 0], np.float32)  # of length 5


def cloud(n=400, latent=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, latent)).astype(np.float32)


def planted(n=150):
    """The same cloud three times: as it is, shifted, and one of background."""
    first = cloud(n)
    return np.concatenate([first, first + SHIFT, cloud(4 * n, seed=1)]), np.arange(n), np.arange(n, 2 * n)


# --- what a group holds -------------------------------------------------------------------------------------


def test_a_summary_counts_and_averages_the_group_alone():
    codes, labels = cloud(), np.random.default_rng(2).integers(-1, 5, 400).astype(np.int16)
    chosen = np.array([5, 399, 17, 100, 101, 102], np.uint32)
    found = groups.summarise(codes, labels, chosen)
    assert found.count == 6
    assert found.classes == Counter(labels[chosen].tolist())
    assert list(found.classes.values()) == sorted(found.classes.values(), reverse=True)
    np.testing.assert_allclose(found.mean, codes[chosen].mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.deviation, np.std(codes[chosen], 0), rtol=1e-5)
    distances = np.linalg.norm(codes[chosen] - codes[chosen].mean(0), axis=1)
    assert found.spread == pytest.approx(np.sqrt((distances**2).mean()), rel=1e-5)


def test_one_point_is_a_group_without_spread_and_twice_is_once():
    codes = cloud()
    found = groups.summarise(codes, None, np.array([7, 7]))
    assert (found.count, found.classes, found.spread) == (1, {}, 0)
    np.testing.assert_array_equal(found.mean, codes[7])


def test_members_are_sorted_and_unique():
    assert groups.members(np.array([4, 0, 4, 2], np.uint32), 5).tolist() == [0, 2, 4]


def test_a_group_is_read_through_its_own_codes_only():
    codes = cloud()
    codes[3] = np.nan
    assert groups.summarise(codes, None, np.array([0, 1])).count == 2
    with pytest.raises(CodeError, match=r"^lasso holds NaN or infinity in 1 of 2 rows"):
        groups.summarise(codes, None, np.array([3, 1]), "lasso")


def test_class_means_are_those_of_each_label_and_leave_out_points_without_one():
    codes, labels = cloud(), np.random.default_rng(2).choice(np.array([-1, 2, 9], np.int16), 400)
    found = groups.class_means(codes, labels)
    assert found.labels.tolist() == [2, 9]
    for label, count, mean in zip(found.labels, found.counts, found.means, strict=True):
        assert count == (labels == label).sum()
        np.testing.assert_allclose(mean, codes[labels == label].mean(0), atol=1e-6)
    assert groups.class_means(codes, np.full(400, -1)).means.shape == (0, 4)


# --- attribute vectors --------------------------------------------------------------------------------------


def test_the_attribute_vector_is_the_planted_shift():
    codes, plain, shifted = planted()
    found = groups.attribute(codes, shifted, plain)
    np.testing.assert_allclose(found.vector, SHIFT, atol=1e-5)
    assert found.length == pytest.approx(5, rel=1e-6)
    np.testing.assert_allclose(found.apply(codes[plain]), codes[shifted], atol=1e-5)
    np.testing.assert_allclose(found.apply(codes[shifted], -1.0), codes[plain], atol=1e-5)
    np.testing.assert_array_equal(found.apply(codes[0], 0.0), codes[0])
    back = groups.attribute(codes, plain, shifted)
    np.testing.assert_array_equal(back.vector, -found.vector)


def test_the_effect_is_cohens_d_along_the_vector():
    rng = np.random.default_rng(0)
    for spread in (0.5, 2.0):
        noise = spread * rng.normal(size=(4000, 3))
        noise[2000:, 0] += 3
        codes = noise.astype(np.float32)
        found = groups.attribute(codes, np.arange(2000, 4000), np.arange(2000), draws=5)
        assert found.effect == pytest.approx(3 / spread, rel=0.05)


def test_the_effect_of_unequal_groups_is_students_t_rescaled():
    codes, plain, shifted = planted()
    a, b = shifted[:40], plain[:110]
    found = groups.attribute(codes, a, b, draws=5)
    t = stats.ttest_ind(codes[a] @ found.vector, codes[b] @ found.vector).statistic
    assert found.effect == pytest.approx(t * np.sqrt(1 / 40 + 1 / 110), rel=1e-4)


def test_planted_groups_are_far_beyond_chance():
    codes, plain, shifted = planted()
    found = groups.attribute(codes, shifted, plain, draws=200)
    assert found.p_value == pytest.approx(1 / 201)
    assert found.length > 5 * found.null_length
    assert found.effect > 5 * found.null_effect


def test_random_groups_have_uniform_p_values():
    codes, rng = cloud(200, 3), np.random.default_rng(3)
    ranks = []  # 1 to 40
    for seed in range(400):
        both = rng.permutation(200)[:30]
        ranks.append(40 * groups.attribute(codes, both[:10], both[10:], draws=39, seed=seed).p_value)
    assert (min(ranks), max(ranks)) == pytest.approx((1, 40))
    eighths = np.bincount((np.rint(ranks).astype(int) - 1) // 5)
    assert stats.chisquare(eighths).pvalue > 0.01


def test_random_lengths_are_those_of_the_closed_form():
    # Means of k draws of N(0, I) differ by N(0, (1/a + 1/b) I), so the squared length is a scaled chi-square.
    codes = cloud(50_000, 4)
    found = groups.attribute(codes, np.arange(50), np.arange(50, 150), draws=2000)
    expected = np.sqrt(stats.chi2(4).ppf(groups.QUANTILE) * (1 / 50 + 1 / 100))
    assert found.null_length == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("a", "b"), [(3, 900), (900, 3), (200, 300), (400, 600), (500, 500)])
def test_chance_for_large_groups_is_drawn_faster_and_no_differently(monkeypatch, a, b):
    codes = (np.random.default_rng(0).exponential(size=(1000, 3)) * [1, 2, 5]).astype(np.float32)
    both = np.arange(a + b)
    point_by_point = groups.attribute(codes, both[:a], both[a:], draws=3000)
    monkeypatch.setattr(groups, "LARGE", 100)
    found = groups.attribute(codes, both[:a], both[a:], draws=3000)
    assert found.null_length == pytest.approx(point_by_point.null_length, rel=0.06)
    assert found.null_effect == pytest.approx(point_by_point.null_effect, rel=0.06)
    assert found.p_value == pytest.approx(point_by_point.p_value, abs=0.04)


def test_large_groups_of_equal_codes_are_not_beyond_chance(monkeypatch):
    monkeypatch.setattr(groups, "LARGE", 10)
    for value in (0.0, 0.3):
        codes = np.full((40, 1), value, np.float32)
        found = groups.attribute(codes, np.arange(20), np.arange(20, 40), draws=9)
        assert (found.length, found.effect, found.null_effect, found.p_value) == (0, None, None, 1)


def test_the_same_seed_gives_the_same_answer():
    codes, plain, shifted = planted()
    first, again, other = (groups.attribute(codes, plain, shifted, draws=20, seed=s) for s in (3, 3, 4))
    assert (first.null_length, first.p_value) == (again.null_length, again.p_value)
    assert first.null_length != other.null_length


def test_groups_without_spread_have_no_effect_size():
    codes, _, _ = planted()
    assert groups.attribute(codes, np.array([0]), np.array([1]), draws=5).effect is None
    codes[:3], codes[3:6] = 0.1, 0.7
    found = groups.attribute(codes, np.arange(3), np.arange(3, 6), draws=5)
    assert found.effect is None
    assert found.length == pytest.approx(1.2, rel=1e-6)


def test_when_all_codes_are_equal_nothing_is_beyond_chance():
    found = groups.attribute(np.full((20, 2), 0.3, np.float32), np.arange(5), np.arange(5, 9), draws=9)
    assert (found.length, found.effect, found.null_effect, found.p_value) == (0, None, None, 1)


# --- arithmetic ---------------------------------------------------------------------------------------------

numbers = st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3).map(
    lambda values: np.array(values, np.float32)
)


@given(numbers, numbers, numbers)
def test_arithmetic_closes(a, b, c):
    d = groups.arithmetic(a, b, c)
    np.testing.assert_allclose(groups.arithmetic(d, c, b), a, atol=1e-4)  # (a - b + c) - c + b
    np.testing.assert_allclose(groups.arithmetic(a, b, b), a, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(groups.arithmetic(a, a, c), c, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(groups.arithmetic(c, b, a), d, rtol=1e-6, atol=1e-9)


def test_arithmetic_of_planted_groups_finds_the_fourth_corner():
    noise, other = cloud(50), np.array([0, 7, 0, 7], np.float32)
    codes = np.concatenate([noise, noise + SHIFT, noise + other, noise + SHIFT + other])
    plain, shifted, moved, both = np.arange(200).reshape(4, 50)
    found = groups.group_arithmetic(codes, shifted, plain, moved)
    np.testing.assert_allclose(found, codes[both].mean(0), atol=1e-5)
    batch = groups.arithmetic(codes[shifted], codes[plain], codes[moved])
    np.testing.assert_allclose(batch, codes[both], atol=1e-5)
    np.testing.assert_allclose(groups.arithmetic(codes[both], SHIFT, np.zeros(4)), codes[moved], atol=1e-5)


# --- what cannot be answered --------------------------------------------------------------------------------

EMPTY = np.array([], np.int64)
ONE = np.array([0])


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (EMPTY, ONE, "group A is empty; select at least one point."),
        (ONE, EMPTY, "group B is empty; select at least one point."),
        (np.array([0, 1, 2]), np.array([2, 1, 5]), "group A and group B share 2 points; "),
        (np.array([0, 400]), ONE, "group A names point 400, but the points are numbered 0 to 399; "),
        (ONE, np.array([-1, 3]), "group B names point -1, but "),
    ],
)
def test_impossible_groups_are_one_clear_sentence(a, b, message):
    with pytest.raises(GroupError) as caught:
        groups.attribute(cloud(), a, b, draws=5)
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(".")


def test_broken_codes_and_labels_are_refused():
    codes, labels = cloud(), np.zeros(399, int)
    sentence = r"^labels has 399 entries for 400 codes; pass one label for each code\.$"
    with pytest.raises(DataError, match=sentence):
        groups.summarise(codes, labels, ONE)
    with pytest.raises(DataError, match=sentence):
        groups.class_means(codes, labels)
    codes[9, 1] = np.inf
    for refused in (
        lambda: groups.attribute(codes, ONE, ONE + 1, draws=5),
        lambda: groups.class_means(codes, np.zeros(400, int)),
        lambda: groups.arithmetic(codes[9], codes[0], codes[1]),
        lambda: groups.group_arithmetic(codes, ONE, ONE + 1, ONE + 9),
    ):
        with pytest.raises(CodeError, match="holds NaN or infinity in 1 of"):
            refused()


def test_codes_of_different_models_do_not_mix():
    with pytest.raises(CodeError, match=r"a has 4, b has 3, c has 4; use one model's codes\.$"):
        groups.arithmetic(cloud(5), cloud(5, 3), cloud(5))
    codes, plain, shifted = planted()
    with pytest.raises(CodeError, match="codes has 3, vector has 4"):
        groups.attribute(codes, plain, shifted, draws=5).apply(cloud(5, 3))
    with pytest.raises(ConfigError, match="draws is 0"):
        groups.attribute(codes, plain, shifted, draws=0)
