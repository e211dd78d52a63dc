"""What the continuity benchmark asks for and how it counts."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import continuity
from benchmarks.continuity import MAPS, REACH, RIVALS, Client, refined, rival, rows, window
from benchmarks.server import ServerFailed
from vae_explorer.live.protocol import (
    Measure,
    Measured,
    MeasureRequest,
    pack_error,
    pack_measured,
    parse_request,
)


class Connection:
    """A server that answers any measure of the right rows; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[MeasureRequest] = []

    def send(self, frame: bytes) -> None:
        request = parse_request(frame)
        assert isinstance(request, MeasureRequest)
        self.asked.append(request)

    def recv(self, patience_s: float) -> bytes | str:
        if self.asked[-1].measure == Measure.REALISM:
            return pack_error(1, "There is none.")
        return pack_measured(1, Measured(np.zeros((1, 1), np.float32), np.zeros((0, 0, 0), np.uint8)))


def test_a_window_spans_the_first_two_dimensions() -> None:
    codes = window(4, 3, shift=1.0)
    assert codes.shape == (16, 3)
    assert codes.dtype == np.float32
    assert len(np.unique(codes, axis=0)) == 16
    np.testing.assert_allclose(codes.min(0), [1 - REACH, -REACH, 0])
    np.testing.assert_allclose(codes.max(0), [1 + REACH, REACH, 0])
    np.testing.assert_array_equal(rows("cliffs", codes), codes)
    np.testing.assert_array_equal(rows("cliffs_in_plane", codes), [[1, 0, 0], [0, 1, 0], *codes])


def test_a_client_asks_for_another_place_each_time() -> None:
    connection = Connection()
    client = Client(connection, "0" * 16, 3)  # type: ignore[arg-type]
    for _ in range(2):
        for name in MAPS[:-1]:
            assert client.map(name) >= 0
        client.trust()
    measures = [Measure[name.upper()] for name in MAPS[:-1]] + [Measure.TRUST]
    assert [each.measure for each in connection.asked] == measures * 2
    first = connection.asked[: len(measures)], connection.asked[len(measures) :]
    for before, after in zip(*first, strict=True):
        assert not np.array_equal(before.codes, after.codes)
    with pytest.raises(ServerFailed, match="There is none"):
        client.map(MAPS[-1])


@pytest.mark.parametrize("name", ["cliffs_in_plane", "realism"])
def test_a_refined_map_is_timed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(continuity, "REFINED", 4)
    found = refined("digits-vae-2d", name)
    assert found["ready_s"] > 0
    assert found["refined_s"] > 0
    assert found["peak_bytes"] >= 0
    assert found.get("against_images") == (1 if name == "realism" else None)


@pytest.mark.parametrize(("name", "way"), RIVALS)
def test_a_rival_is_scaled_from_the_codes_it_was_timed_on(
    monkeypatch: pytest.MonkeyPatch, name: str, way: str
) -> None:
    monkeypatch.setattr(continuity, "REFINED", 4)
    monkeypatch.setitem(continuity.RIVAL_CODES, way, 2)

    def median(work: Callable[[], object]) -> float:
        work()
        return 3.0

    monkeypatch.setattr(continuity, "_median", median)
    assert rival("digits-vae-2d", name, way)["refined_s"] == 3.0 * 16 / 2
