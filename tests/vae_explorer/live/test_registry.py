"""Models are known by id, the least used is forgotten, and a missing one is looked up once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from tests.patience import PATIENCE_S
from vae_explorer.live.registry import LiveModel, Registry


def model(number: int) -> LiveModel:
    return LiveModel(f"{number:016x}", 2, lambda codes: np.zeros((len(codes), 1, 1, 1), np.uint8))


def test_what_is_registered_is_found_and_replaced() -> None:
    registry = Registry()
    first, second = model(1), model(1)
    assert registry.get(first.id) is None
    registry.register(first.id, first)
    registry.register(second.id, second)
    assert registry.get(first.id) is second


def test_the_model_used_longest_ago_is_forgotten() -> None:
    registry = Registry(size=2)
    one, two, three = model(1), model(2), model(3)
    registry.register(one.id, one)
    registry.register(two.id, two)
    registry.get(one.id)
    registry.register(three.id, three)
    assert registry.get(two.id) is None
    assert registry.get(one.id) is one
    assert registry.get(three.id) is three


@pytest.mark.parametrize("bad", ["", "0" * 15, "0" * 17, "G" * 16, "A" * 16, f"{1:016x}\n"])
def test_an_id_is_sixteen_lowercase_hex_digits(bad: str) -> None:
    with pytest.raises(ValueError, match="16 lowercase hex digits"):
        Registry().register(bad, replace(model(1), id=bad))


def test_a_model_is_registered_under_its_own_id_only() -> None:
    with pytest.raises(ValueError, match=r"equal model\.id"):
        Registry().register(model(2).id, model(1))


def test_a_missing_model_is_looked_up_and_then_known() -> None:
    registry, asked = Registry(), []

    def resolver(model_id: str) -> LiveModel | None:
        asked.append(model_id)
        return model(1) if model_id == model(1).id else None

    assert registry.resolve(model(1).id) is None  # no resolver yet
    registry.set_resolver(resolver)
    found = registry.resolve(model(1).id)
    assert found is not None
    assert registry.get(model(1).id) is found
    assert registry.resolve(model(1).id) is found
    assert registry.resolve(model(2).id) is None
    assert asked == [model(1).id, model(2).id]


def test_several_threads_asking_at_once_load_a_model_once() -> None:
    registry, asked, start, second = Registry(), [], threading.Barrier(4), threading.Event()

    def resolver(model_id: str) -> LiveModel:
        asked.append(model_id)
        if len(asked) > 1:
            second.set()
        second.wait(0.1)  # long enough for another thread to come in, if nothing held it back
        return model(1)

    def ask(_: int) -> LiveModel | None:
        start.wait(PATIENCE_S)
        return registry.resolve(model(1).id)

    registry.set_resolver(resolver)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(4)))
    assert asked == [model(1).id]
    assert all(each is found[0] for each in found)


def test_many_threads_may_register_and_look_up_at_once() -> None:
    registry = Registry(size=3)

    def work(number: int) -> None:
        for step in range(200):
            each = model((number + step) % 5)
            registry.register(each.id, each)
            found = registry.get(each.id)
            assert found is None or found.id == each.id

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert sum(registry.get(model(number).id) is not None for number in range(5)) == 3
