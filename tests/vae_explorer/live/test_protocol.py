"""The byte layout, its limits, and that no bytes at all can do more than raise `ProtocolError`."""

import json
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vae_explorer.live.protocol import (
    MAX_CODES,
    MAX_FRAME_BYTES,
    MAX_PICTURE_SIDE,
    DecodeAnswer,
    DecodeRequest,
    EncodeAnswer,
    Encoded,
    EncodeRequest,
    Item,
    ItemAnswer,
    ItemRequest,
    Measure,
    MeasureAnswer,
    Measured,
    MeasureRequest,
    ProtocolError,
    check_width,
    pack_decode_request,
    pack_decoded,
    pack_encode_request,
    pack_encoded,
    pack_error,
    pack_item,
    pack_item_request,
    pack_measure_request,
    pack_measured,
    parse_answer,
    parse_request,
)

ID = "0123456789abcdef"
request_ids = st.integers(0, 2**32 - 1)
model_ids = st.binary(min_size=8, max_size=8).map(bytes.hex)
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
code_arrays = hnp.arrays(np.float32, st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=finite)
pictures = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3])))


def header(kind: int = 0, height: int = 0, count: int = 1, width: int = 2) -> bytes:
    return struct.pack("<I", 7) + bytes.fromhex(ID) + struct.pack("<HHHH", kind, height, count, width)


def refusal(frame: bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        parse_request(frame)
    return caught.value


def outcome_of(parse, frame: bytes):
    """What came of it: the parsed frame, or the `ProtocolError`; anything else that is raised fails the test."""
    try:
        return parse(frame)
    except ProtocolError as error:
        return error


def test_a_decode_request_has_the_documented_bytes() -> None:
    frame = pack_decode_request(0x01020304, ID, np.array([[1.0, -2.0]], np.float32))
    assert frame.hex() == "04030201" + ID + "0000" + "0000" + "0100" + "0200" + "0000803f" + "000000c0"


def test_an_encode_request_has_the_documented_bytes() -> None:
    frame = pack_encode_request(5, ID, np.arange(6, dtype=np.uint8).reshape(1, 2, 3))
    assert frame.hex() == "05000000" + ID + "0100" + "0100" + "0300" + "0200" + "000102030405"


def test_a_decode_answer_has_the_documented_bytes() -> None:
    frame = pack_decoded(9, np.arange(12, dtype=np.uint8).reshape(2, 3, 2, 1), 0.0051)
    assert (
        frame.hex()
        == "09000000" + "0000" + "0200" + "0300" + "0200" + "0100" + "fe01" + bytes(range(12)).hex()
    )


@pytest.mark.parametrize(("took", "said"), [(0, 0), (0.00004, 0.00004), (0.65, 0.65), (9, 0.65535)])
def test_a_decode_answer_says_what_it_took(took: float, said: float) -> None:
    answer = parse_answer(pack_decoded(9, np.zeros((1, 2, 2, 1), np.uint8), took))
    assert isinstance(answer, DecodeAnswer)
    assert answer.seconds == pytest.approx(said)


@pytest.mark.parametrize("std", [None, np.array([2.0], np.float32)])
def test_an_encode_answer_has_the_documented_bytes(std: np.ndarray | None) -> None:
    encoded = Encoded(np.array([1.0], np.float32), std, np.array([[[8], [9]]], np.uint8))
    flag, number = ("0000", "00000000") if std is None else ("0100", "00000040")
    start = "03000000" + "0100" + "0100" + "0100" + "0200" + "0100"
    assert pack_encoded(3, encoded).hex() == start + flag + "0000803f" + number + "0809"


@given(request_ids, model_ids, code_arrays)
def test_decode_requests_survive_the_journey(request_id: int, model_id: str, codes: np.ndarray) -> None:
    request = parse_request(pack_decode_request(request_id, model_id, codes))
    assert isinstance(request, DecodeRequest)
    assert (request.request_id, request.model_id) == (request_id, model_id)
    assert request.codes.dtype == np.float32
    np.testing.assert_array_equal(request.codes, codes)


@given(request_ids, model_ids, pictures)
def test_encode_requests_survive_the_journey(request_id: int, model_id: str, picture: np.ndarray) -> None:
    request = parse_request(pack_encode_request(request_id, model_id, picture))
    assert isinstance(request, EncodeRequest)
    assert (request.request_id, request.model_id) == (request_id, model_id)
    np.testing.assert_array_equal(request.picture, picture)


@given(request_ids, hnp.arrays(np.uint8, hnp.array_shapes(min_dims=4, max_dims=4, max_side=6)))
def test_decode_answers_survive_the_journey(request_id: int, pixels: np.ndarray) -> None:
    whole = np.concatenate([pixels, pixels])  # an answer is often a slice of a batch, or not contiguous
    for images in (pixels, whole[len(pixels) :], pixels.transpose(0, 2, 1, 3)):
        answer = parse_answer(pack_decoded(request_id, images, 0.01))
        assert isinstance(answer, DecodeAnswer)
        assert answer.request_id == request_id
        np.testing.assert_array_equal(answer.pixels, images)


@given(request_ids, hnp.arrays(np.float32, st.integers(1, 9), elements=finite), st.booleans(), pictures)
def test_encode_answers_survive_the_journey(
    request_id: int, mean: np.ndarray, with_std: bool, picture: np.ndarray
) -> None:
    std = np.abs(mean) + 1 if with_std else None
    answer = parse_answer(pack_encoded(request_id, Encoded(mean, std, picture)))
    assert isinstance(answer, EncodeAnswer)
    np.testing.assert_array_equal(answer.encoded.mean, mean)
    np.testing.assert_array_equal(answer.encoded.picture, picture)
    assert (answer.encoded.std is not None) == with_std
    if std is not None and answer.encoded.std is not None:
        np.testing.assert_array_equal(answer.encoded.std, std)


def test_item_frames_have_the_documented_bytes() -> None:
    assert (
        pack_item_request(5, ID, -1, 7).hex()
        == "05000000" + ID + "0200" + "000000000000" + "ffffffff07000000"
    )
    mean, picture = np.array([1.0], np.float32), np.array([[[8], [9]]], np.uint8)
    start, place = "03000000" + "0200" + "0100", "0c000000" + "ffffffff"
    with_picture = pack_item(3, Item(12, -1, Encoded(mean, mean, picture))).hex()
    assert with_picture == start + "0100" + "0200" + "0100" + "0100" + place + "0000803f" * 2 + "0809"
    without = pack_item(3, Item(12, -1, Encoded(mean, None, np.zeros((0, 0, 0), np.uint8)))).hex()
    assert without == start + "0000" * 4 + place + "0000803f" + "00000000"


@given(request_ids, model_ids, st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**32 - 1))
def test_item_requests_survive_the_journey(request_id: int, model_id: str, label: int, nth: int) -> None:
    request = parse_request(pack_item_request(request_id, model_id, label, nth))
    assert request == ItemRequest(request_id, model_id, label, nth)


@given(hnp.arrays(np.float32, st.integers(1, 9), elements=finite), st.booleans(), st.none() | pictures)
def test_item_answers_survive_the_journey(mean: np.ndarray, with_std: bool, drawn: np.ndarray | None) -> None:
    std = np.abs(mean) + 1 if with_std else None
    picture = np.zeros((0, 0, 0), np.uint8) if drawn is None else drawn
    answer = parse_answer(pack_item(4, Item(70_000, 3, Encoded(mean, std, picture))))
    assert isinstance(answer, ItemAnswer)
    assert (answer.request_id, answer.item.position, answer.item.label) == (4, 70_000, 3)
    np.testing.assert_array_equal(answer.item.encoded.mean, mean)
    np.testing.assert_array_equal(answer.item.encoded.picture, picture)
    assert (answer.item.encoded.std is None) == (std is None)
    assert std is None or np.array_equal(answer.item.encoded.std, std)


def test_an_item_must_be_named_in_full() -> None:
    for size in (0, 7, 9):
        assert "send exactly that many" in str(refusal(header(kind=2) + bytes(size)))


def test_measure_frames_have_the_documented_bytes() -> None:
    codes = np.array([[1.0, -2.0]], np.float32)
    numbers = "0000803f" + "000000c0"
    request = pack_measure_request(5, ID, Measure.DRIFT, codes)
    assert request.hex() == "05000000" + ID + "0300" + "0300" + "0100" + "0200" + numbers
    answer = pack_measured(3, Measured(codes, np.array([[[8], [9]]], np.uint8)))
    assert answer.hex() == "03000000" + "0300" + "0100" * 2 + "0200" + "0100" + "0200" + numbers + "0809"
    without = pack_measured(3, Measured(codes.T, np.zeros((0, 0, 0), np.uint8)))
    assert without.hex() == "03000000" + "0300" + "0200" + "0000" * 3 + "0100" + numbers


@given(request_ids, model_ids, st.sampled_from(Measure), code_arrays)
def test_measure_requests_survive_the_journey(
    request_id: int, model_id: str, measure: Measure, codes: np.ndarray
) -> None:
    if measure == Measure.TRUST:
        codes = codes[:1]
    elif measure == Measure.CLIFFS_IN_PLANE:
        codes = np.vstack([codes[:1], codes[:1], codes])
    request = parse_request(pack_measure_request(request_id, model_id, measure, codes))
    assert isinstance(request, MeasureRequest)
    assert (request.request_id, request.model_id, request.measure) == (request_id, model_id, measure)
    np.testing.assert_array_equal(request.codes, codes)


figures = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.floats(width=32, allow_infinity=False),
)


@given(figures, st.none() | pictures)
def test_measure_answers_survive_the_journey(values: np.ndarray, drawn: np.ndarray | None) -> None:
    picture = np.zeros((0, 0, 0), np.uint8) if drawn is None else drawn
    answer = parse_answer(pack_measured(4, Measured(values, picture)))
    assert isinstance(answer, MeasureAnswer)
    assert answer.request_id == 4
    np.testing.assert_array_equal(answer.measured.values, values)  # NaN is equal to NaN here
    np.testing.assert_array_equal(answer.measured.picture, picture)


def test_a_measure_must_be_known_and_have_its_rows() -> None:
    codes = np.zeros((MAX_CODES + 3, 1), np.float32)
    assert f"height = {len(Measure)} is not a measure" in str(refusal(header(3, len(Measure)) + bytes(8)))
    for measure, count, said in [
        (Measure.RATIO, 0, "from 1 to 1024"),
        (Measure.RATIO, MAX_CODES + 1, "from 1 to 1024"),
        (Measure.CLIFFS_IN_PLANE, 2, "from 3 to 1026"),
        (Measure.CLIFFS_IN_PLANE, MAX_CODES + 3, "from 3 to 1026"),
        (Measure.TRUST, 2, "from 1 to 1"),
    ]:
        assert said in str(refusal(pack_measure_request(7, ID, measure, codes[:count])))
    for measure, count in [(Measure.RATIO, MAX_CODES), (Measure.CLIFFS_IN_PLANE, MAX_CODES + 2)]:
        request = parse_request(pack_measure_request(7, ID, measure, codes[:count]))
        assert isinstance(request, MeasureRequest)
        assert len(request.codes) == count


@given(st.binary(max_size=200))
def test_random_bytes_are_a_request_or_a_refusal(frame: bytes) -> None:
    for parse in (parse_request, parse_answer):
        outcome = outcome_of(parse, frame)
        assert not isinstance(outcome, ProtocolError) or str(outcome).endswith(".")


small = st.sampled_from([0, 1, 2, 3, 513, 1025, 65535])


@given(small, small, small, small, st.binary(max_size=60))
@example(0, 0, 0, 0, b"")
@example(0, 0, 2, 0, b"")  # codes of width 0 hold no byte
def test_random_headers_are_a_request_or_a_refusal(
    kind: int, height: int, count: int, width: int, payload: bytes
) -> None:
    outcome = outcome_of(parse_request, header(kind, height, count, width) + payload)
    assert outcome.request_id == 7
    if not isinstance(outcome, ProtocolError):
        sizes = {
            DecodeRequest: lambda request: request.codes.nbytes,
            EncodeRequest: lambda request: request.picture.nbytes,
            ItemRequest: lambda request: 8,
            MeasureRequest: lambda request: request.codes.nbytes,
        }
        assert sizes[type(outcome)](outcome) == len(payload)


@pytest.mark.parametrize(("size", "request_id"), [(0, None), (3, None), (4, 7), (19, 7)])
def test_a_truncated_header_is_refused_with_the_id_if_it_is_there(size: int, request_id: int | None) -> None:
    error = refusal(header()[:size])
    assert error.request_id == request_id
    assert f"{size} bytes" in str(error)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_named(bad: float) -> None:
    codes = np.zeros((3, 2), np.float32)
    codes[2, 1] = bad
    error = refusal(pack_decode_request(7, ID, codes))
    assert f"codes[2, 1] = {bad}" in str(error)
    assert error.request_id == 7


@pytest.mark.parametrize("count", [0, MAX_CODES + 1])
def test_no_codes_and_too_many_are_refused(count: int) -> None:
    error = refusal(pack_decode_request(7, ID, np.zeros((count, 2), np.float32)))
    assert f"count = {count}" in str(error)
    assert str(MAX_CODES) in str(error)


def test_as_many_codes_as_allowed_are_read() -> None:
    request = parse_request(pack_decode_request(7, ID, np.zeros((MAX_CODES, 256), np.float32)))
    assert isinstance(request, DecodeRequest)
    assert request.codes.shape == (MAX_CODES, 256)


@pytest.mark.parametrize("change", [-1, 1, 4])
def test_a_payload_of_the_wrong_length_is_refused(change: int) -> None:
    assert "send exactly that many" in str(refusal(header() + bytes(8 + change)))
    assert "send exactly that many" in str(refusal(header(1, 2, 1, 4) + bytes(8 + change)))


@pytest.mark.parametrize(
    ("height", "width", "channels", "said"),
    [(0, 4, 1, "0x4"), (4, 0, 1, "4x0"), (MAX_PICTURE_SIDE + 1, 4, 1, "513x4"), (4, 4, 2, "count = 2")],
)
def test_a_picture_of_no_use_is_refused(height: int, width: int, channels: int, said: str) -> None:
    assert said in str(refusal(header(1, height, channels, width) + bytes(height * width * channels)))


def test_the_largest_picture_is_read() -> None:
    picture = np.zeros((MAX_PICTURE_SIDE, MAX_PICTURE_SIDE, 3), np.uint8)
    assert isinstance(parse_request(pack_encode_request(7, ID, picture)), EncodeRequest)


def test_an_unknown_kind_and_an_endless_frame_are_refused() -> None:
    assert "kind = 4" in str(refusal(header(kind=4)))
    assert str(MAX_FRAME_BYTES) in str(refusal(header() + bytes(MAX_FRAME_BYTES)))


def test_codes_must_be_as_wide_as_the_model_says() -> None:
    request = parse_request(pack_decode_request(7, ID, np.zeros((1, 3), np.float32)))
    assert isinstance(request, DecodeRequest)
    check_width(request, 3)
    with pytest.raises(ProtocolError, match="width = 3 does not fit") as caught:
        check_width(request, 2)
    assert caught.value.request_id == 7


def test_a_refusal_is_json() -> None:
    assert json.loads(pack_error(None, 'say "why"')) == {"id": None, "error": 'say "why"'}
