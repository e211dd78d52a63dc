"""Codes by name: what people write is found, and what cannot be found is one sentence."""

import numpy as np
import pytest

from vae_core.errors import CheckpointError, ConfigError
from vae_core.walks import code_of


def test_a_number_is_an_encoded_item(digits):
    for text, item in (("0", 0), ("7", 7), (" 359 ", 359), ("007", 7)):
        assert np.array_equal(code_of(text, digits), digits.reference.mean[item].numpy())


def test_a_class_is_the_mean_of_its_codes(digits):
    codes, labels = digits.reference.mean.numpy(), digits.reference.labels.numpy()
    chosen = [code for code, label in zip(codes, labels, strict=True) if label == 8]
    assert np.allclose(code_of("class:8", digits), sum(chosen) / len(chosen), atol=1e-5)


@pytest.mark.parametrize("text", ["0.1,-2", " 0.1 , -2.0", "1e-1,-20e-1"])
def test_a_code_is_itself(digits, text):
    assert np.array_equal(code_of(text, digits), np.array([0.1, -2], np.float32))


def test_codes_need_no_encoded_data(bare):
    assert code_of("1,2", bare).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("360", "--from 360: there is no such item; choose one from 0 to 359"),
        ("9" * 5000, "there is no such item"),
        ("-1", "--from -1 has 1 number, and codes of this model have 2"),
        ("class:cat", "--from class:cat: there is no such class; choose one of 0, 1, 2"),
        ("class:", "there is no such class"),
        ("0.1,2,3", "has 3 numbers, and codes of this model have 2; write them as 0.1,-2"),
        ("0.5", "has 1 number"),
        ("nan,1", "holds NaN or infinity"),
        ("1,-inf", "holds NaN or infinity"),
        ("1,1e39", "holds NaN or infinity"),
        ("three", "--from three is no item, class or code"),
        ("1,,2", "is no item, class or code"),
        ("", "is no item, class or code"),
        ("a\nb" * 500, "is no item, class or code"),
    ],
)
def test_what_is_no_code_is_one_sentence(digits, text, sentence):
    with pytest.raises(ConfigError) as refused:
        code_of(text, digits, "--from")
    said = str(refused.value)
    assert sentence in said
    assert "\n" not in said
    assert said.endswith(".")
    assert len(said) < 400


@pytest.mark.parametrize("text", ["3", "class:3"])
def test_items_and_classes_take_encoded_data(bare, text):
    with pytest.raises(
        CheckpointError, match=f"from {text} is found among encoded data, which this checkpoint has not"
    ):
        code_of(text, bare, "from")
