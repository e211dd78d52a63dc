"""How long a map takes is said from what was measured: its own pace, and earlier maps. Nothing else is promised."""

import pytest

from tests.test_maps import HELD_OUT, asked, cache, saved  # noqa: F401
from vae_core import maps
from vae_core.maps import pace
from vae_core.maps.jobs import conduct
from vae_core.maps.pace import Pace, Past
from vae_core.maps.workplace import Status

UMAP = asked(method="umap")
PAST = Past(
    {"starting": 3.0, "loading": 4.0, "neighbours": 6.0, "layout": 10.0, "measuring": 2.0},
    "the last map of 10,000 codes",
)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


def status(of, **more):
    step_s, later_s, measured = of.left()
    return Status(
        state="fitting",
        message="Laying out.",
        step=of.number,
        steps=len(of.steps),
        step_s=step_s,
        later_s=later_s,
        measured=measured,
        basis=of.past.words,
        **{"updated": 0.0, "began": -10.0} | more,
    )


def test_without_an_earlier_map_nothing_is_promised_before_the_work_shows_its_pace(clock):
    watched = Pace(UMAP, Past(), clock=clock)
    watched.hear("neighbours", None)
    clock.wait(5)
    assert watched.left() == (None, None, False)
    assert "no estimate yet" in maps.sentence(status(watched), 0.0)
    watched.hear("layout", 0.0)
    clock.wait(2)
    watched.hear("layout", 0.2)
    left, later, measured = watched.left()
    assert (left, later, measured) == (pytest.approx(8), None, True)
    said = maps.sentence(status(watched, done=0.2), 0.0)
    assert "about 8 s for this step, from its first 20 %" in said
    assert "Step 4 of 5" in said


def test_an_earlier_map_tells_how_long_the_steps_take(clock):
    watched = Pace(UMAP, PAST, clock=clock)
    watched.hear("loading", None)
    clock.wait(1)
    assert watched.left() == (3, 18, False)
    assert "about 20 s left, from the last map of 10,000 codes" in maps.sentence(status(watched), 0.0)
    assert "about 18 s left" in maps.sentence(status(watched), 2.6)  # the clock goes on between two reports
    assert "longer than the last map of 10,000 codes took" in maps.sentence(status(watched), 8.0)


def test_the_pace_of_the_work_itself_counts_more_than_an_earlier_map(clock):
    watched = Pace(UMAP, PAST, clock=clock)
    watched.hear("layout", 0.1)
    clock.wait(5)
    watched.hear("layout", 0.2)
    assert watched.left() == (pytest.approx(40), 2, True)
    said = maps.sentence(status(watched, done=0.2), 0.0)
    assert "about 40 s left, from its first 20 % and the last map of 10,000 codes" in said


def test_a_moment_says_nothing_of_the_pace(clock):
    watched = Pace(UMAP, Past(), clock=clock)
    watched.hear("layout", 0.0)
    clock.wait(0.01)
    watched.hear("layout", 0.5)
    assert watched.left()[0] is None


def test_the_share_rises_with_the_steps_and_with_time():
    steps = [Status(step=k, steps=5, done=done) for k in (1, 2, 3) for done in (None, 0.5)]
    shares = [maps.share(each) for each in steps]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(0.5)
    timed = Status(step=2, steps=5, began=0.0, updated=10.0, step_s=10.0, later_s=20.0)
    assert maps.share(timed, 10.0) == pytest.approx(0.25)
    assert maps.share(timed, 15.0) == pytest.approx(0.375)
    assert maps.share(Status(state="waiting")) == 0.0


def test_times_are_those_of_the_map_most_like_it_scaled_to_its_codes(tmp_path):
    _, loaded = saved(tmp_path)  # 120 codes
    draws = {n: asked("draws", n, method="umap") for n in (1_000, 4_000, 20_000, 1_000_000)}
    for n in (1_000, 20_000):
        watched = Pace(draws[n], Past())
        watched.took |= {"loading": 4.0, "neighbours": n / 1000, "layout": n / 100, "measuring": 1.0}
        pace.remember(tmp_path, loaded, draws[n], n, watched)
    same = pace.recall(tmp_path, loaded, draws[1_000])
    assert (same.seconds["neighbours"], same.words) == (1.0, "the last map of 1,000 codes")
    scaled = pace.recall(tmp_path, loaded, draws[4_000])
    assert (scaled.seconds["loading"], scaled.seconds["neighbours"]) == (4.0, 4.0)
    assert scaled.words.endswith("scaled")
    assert pace.recall(tmp_path, loaded, draws[1_000_000]) == Past()  # too far away
    assert pace.recall(tmp_path, loaded, asked("draws", 1_000, method="tsne")) == Past()


@pytest.mark.parametrize("content", ["", "{", '[{"method": 3}]', "[[]]"])
def test_times_that_cannot_be_read_are_none(tmp_path, content):
    _, loaded = saved(tmp_path)
    (tmp_path / pace.FILE).write_text(content)
    assert pace.recall(tmp_path, loaded, UMAP) == Past()


def test_the_second_map_of_some_data_says_how_long_it_takes(tmp_path, cache):  # noqa: F811
    said = [], []
    for seed in (0, 1):  # two models
        path, _ = saved(tmp_path, seed=seed)
        conduct(path, HELD_OUT, on_status=said[seed].append)
    assert {each.step for each in said[0]} == {2, 3, 4}
    assert {each.steps for each in said[0]} == {4}
    assert all(each.later_s is None for each in said[0][:-1] if each.step < 4)
    assert all(each.step_s is not None and each.later_s is not None for each in said[1])
    assert "120 codes" in maps.sentence(said[1][0])
