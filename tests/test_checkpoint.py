"""A checkpoint comes back as it was written, and nothing else can be opened, however it is broken."""

import io
import json
import os
import pickle
import random
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vae_core import checkpoint, data
from vae_core.checkpoint import KEY, Checkpoint, describe_new, from_bytes, to_bytes
from vae_core.config import DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig
from vae_core.errors import CheckpointError
from vae_core.latent.codes import ReferenceCodes
from vae_core.models import build


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def references(count=20, latent_dim=2, kind="vae"):
    return ReferenceCodes(
        mean=torch.randn(count, latent_dim, generator=generator(1)),
        log_variance=torch.randn(count, latent_dim, generator=generator(2)) if kind == "vae" else None,
        indices=torch.randperm(count, generator=generator(3)),
        labels=torch.randint(0, 10, (count,), generator=generator(4)),
    )


def small(kind="vae", reference=True, **settings):
    model = ModelConfig(kind=kind, data_shape=(1, 8, 8), **({"hidden": (4,)} | settings))
    description = describe_new(
        model,
        DataConfig(train_size=100),
        data.info("digits"),
        ObjectiveConfig(beta=2.5),
        TrainingConfig(learning_rate=1 / 3, seed=2**32 - 1),
        epoch=7,
    )
    description = description.model_copy(
        update={"evaluation": {"elbo": -1 / 7, "kl_per_dimension": [0.1, 0.2]}}
    )
    return Checkpoint(build(model, 3), description, references(kind=kind) if reference else None)


GOOD = to_bytes(small())
HEADER_END = 8 + int.from_bytes(GOOD[:8], "little")


def rewritten(edit, content=GOOD):
    """The file with its header changed by `edit(header)`, and its length put right."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    edit(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[end:]


def redescribed(edit, content=GOOD):
    """The file with its description changed by `edit(description)`."""

    def on_header(header):
        description = json.loads(header["__metadata__"][KEY])
        edit(description)
        header["__metadata__"][KEY] = json.dumps(description)

    return rewritten(on_header, content)


def with_tensors(edit):
    """The file written anew by safetensors, its tensors changed by `edit(tensors)`."""
    from safetensors.torch import load, save

    tensors = load(GOOD)
    edit(tensors)
    return save(tensors, json.loads(GOOD[8:HEADER_END])["__metadata__"])


def refusal(content):
    with pytest.raises(CheckpointError) as caught:
        from_bytes(content, "file.safetensors")
    message = str(caught.value)
    assert message.startswith("file.safetensors")
    assert message.endswith(".")
    assert not message.endswith("..")
    assert "\n" not in message
    return message


# --- there and back -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["vae", "autoencoder"])
@pytest.mark.parametrize(
    "settings", [{}, {"architecture": "conv", "hidden": (4, 8)}, {"likelihood": "gaussian"}]
)
@pytest.mark.parametrize("reference", [True, False])
def test_everything_comes_back_bit_for_bit(tmp_path, kind, settings, reference):
    written, path = small(kind, reference, **settings), tmp_path / "model.safetensors"
    saved = checkpoint.save(path, written)
    loaded = checkpoint.load(path)

    assert loaded.id == saved.id == checkpoint.content_id(path.read_bytes()) != ""
    assert loaded.description == written.description == checkpoint.describe(path)
    assert type(loaded.model) is type(written.model)
    before, after = written.model.state_dict(), loaded.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    if reference:
        for name, tensor in vars(written.reference).items():
            again = getattr(loaded.reference, name)
            assert again is None if tensor is None else torch.equal(again, tensor), name
    else:
        assert loaded.reference is None
    assert to_bytes(loaded) == path.read_bytes()


def test_a_loaded_model_computes_the_same_and_can_be_trained_on():
    written = small()
    loaded = from_bytes(to_bytes(written)).model
    x = torch.rand(3, 1, 8, 8, generator=generator())
    assert torch.equal(loaded.encode(x).mean, written.model.encode(x).mean)
    assert torch.equal(loaded.decode(x[:, 0, 0, :2]).mean, written.model.decode(x[:, 0, 0, :2]).mean)
    assert not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_factors_come_back():
    names = ("scale", "turn", "across")
    factors = torch.rand(20, 3, generator=generator())
    written = small()
    info = replace(written.description.info, factor_names=names)
    written = replace(
        written,
        description=written.description.model_copy(update={"info": info}),
        reference=replace(written.reference, factors=factors),
    )
    loaded = from_bytes(to_bytes(written))
    assert loaded.description.info.factor_names == names
    assert torch.equal(loaded.reference.factors, factors)


def test_the_id_tells_different_files_apart():
    one = from_bytes(GOOD)
    with torch.no_grad():
        one.model.mean.bias[0] += 1e-6
    assert from_bytes(GOOD).id == from_bytes(GOOD).id
    assert from_bytes(to_bytes(one)).id != from_bytes(GOOD).id


def test_the_file_is_plain_safetensors_without_images():
    from safetensors.torch import load

    names = set(load(GOOD))
    assert {name.split(".")[0] for name in names} == {"model", "reference"}
    assert {name for name in names if name.startswith("reference.")} == {
        "reference.mean",
        "reference.log_variance",
        "reference.indices",
        "reference.labels",
    }


@pytest.mark.parametrize(
    "length", [0x4B50, 0x280 + 0x10000, 0x380 + 0x10000, 0x480 + 0x10000, 0x580 + 0x10000]
)
def test_a_header_whose_length_looks_like_the_start_of_a_pickle_is_read(length):
    # "PK" and "\x80\x02" to "\x80\x05", as the first bytes of a little-endian number
    def grow(header):
        header["__metadata__"][KEY] += " " * (length - len(json.dumps(header)))

    content = rewritten(grow)
    assert int.from_bytes(content[:8], "little") == length
    assert from_bytes(content).description == from_bytes(GOOD).description


def test_reading_a_description_needs_no_weights(tmp_path):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(GOOD[:HEADER_END])
    assert checkpoint.describe(path) == from_bytes(GOOD).description


# --- writing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["fsync", "replace", "chmod"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, broken):
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, small())

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, broken, full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        checkpoint.save(path, small(reference=False))
    assert path.read_bytes() == GOOD
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, small())

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(path, small(reference=False))
    assert path.read_bytes() == GOOD
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_file_is_on_disk_before_it_takes_the_old_ones_place(tmp_path, monkeypatch):
    events, (fsync, rename) = [], (os.fsync, os.replace)
    monkeypatch.setattr(os, "fsync", lambda file: events.append(os.fstat(file).st_size) or fsync(file))
    monkeypatch.setattr(os, "replace", lambda old, new: events.append(Path(old).parent) or rename(old, new))
    checkpoint.save(tmp_path / "model.safetensors", small())
    assert events[:2] == [len(GOOD), tmp_path]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        checkpoint.save(tmp_path / "nowhere" / "model.safetensors", small())


def test_files_are_found_by_name(tmp_path):
    for name in ("b.safetensors", "a.safetensors", "notes.txt", ".a.safetensors.x.tmp"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in checkpoint.find(tmp_path)] == ["a.safetensors", "b.safetensors"]
    assert checkpoint.find(tmp_path / "nowhere") == []


# --- files that are no checkpoints --------------------------------------------------------------------------


def torch_saved(legacy):
    buffer = io.BytesIO()
    torch.save(small().model.state_dict(), buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def png():
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    return buffer.getvalue()


FOREIGN = {
    "empty": b"",
    "one byte": b"\x00",
    "eight bytes": b"\x02" + bytes(7),
    "text": b"this is not a checkpoint\n" * 100,
    "JSON": b'{"model": 1}',
    "PNG": png(),
    "zeros": bytes(1000),
    "ones": b"\xff" * 1000,
    "huge header": (2**63).to_bytes(8, "little") + b"{" + b" " * 100,
    "header of a megabyte and more": (2**20 + 1).to_bytes(8, "little") + b"{" + b" " * 2**21,
    "header of lists": (100_000).to_bytes(8, "little") + b'{"a":' + b"[" * 99_995,
    "header of text": (8).to_bytes(8, "little") + b"{nonsens",
    "header of one number": (8).to_bytes(8, "little") + b"12345678",
    "header of a list": (8).to_bytes(8, "little") + b"[1,2,3] ",
    "header in another encoding": (16).to_bytes(8, "little") + '{"a": 1}'.encode("utf-16-le"),
    "header that is no text": (8).to_bytes(8, "little") + b'{"\xff\xfe"}',
    "empty header": (2).to_bytes(8, "little") + b"{}",
}
PICKLES = {
    "torch.save": torch_saved(legacy=False),
    "old torch.save": torch_saved(legacy=True),
    **{f"pickle {protocol}": pickle.dumps({"weight": [1.0] * 100}, protocol) for protocol in (2, 3, 4, 5)},
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
def test_what_is_no_checkpoint_is_refused(content):
    refusal(content)


@pytest.mark.parametrize("content", PICKLES.values(), ids=PICKLES.keys())
def test_a_pickle_is_refused_as_a_pickle(content):
    assert "pickle" in refusal(content)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_in_a_pickle_is_run(tmp_path, protocol):
    flag = tmp_path / "flag"
    content = pickle.dumps(Bomb(flag), protocol)
    refusal(content)
    refusal(rewritten(lambda header: header.update(bomb=content.decode("latin-1"))))
    assert not flag.exists()
    pickle.loads(content).close()
    assert flag.exists()  # the bomb is real


@pytest.mark.parametrize("content", [*FOREIGN.values(), *PICKLES.values()], ids=[*FOREIGN, *PICKLES])
def test_describe_refuses_the_same(tmp_path, content):
    path = tmp_path / "file.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        checkpoint.describe(path)
    with pytest.raises(CheckpointError):
        checkpoint.load(path)


@pytest.mark.parametrize("read", [checkpoint.load, checkpoint.describe])
def test_paths_that_cannot_be_read_are_named(tmp_path, read):
    for path in (tmp_path, tmp_path / "nowhere.safetensors", tmp_path / ("x" * 300)):
        with pytest.raises(CheckpointError, match=path.name):
            read(path)


@pytest.mark.parametrize("read", [checkpoint.load, checkpoint.describe])
def test_a_file_too_large_is_not_read(tmp_path, read):
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.truncate(checkpoint.MAX_FILE_BYTES + 1)  # sparse: takes no room
    tracemalloc.start()
    with pytest.raises(CheckpointError, match="bytes"):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


# --- files that were cut or damaged -------------------------------------------------------------------------


def test_a_file_cut_anywhere_is_refused():
    header = json.loads(GOOD[8:HEADER_END])
    ends = [
        HEADER_END + offset for n, e in header.items() if n != "__metadata__" for offset in e["data_offsets"]
    ]
    rng = random.Random(0)
    cuts = {*range(20), *ends, *(end - 1 for end in ends), *(end + 1 for end in ends)}
    cuts |= {HEADER_END - 1, HEADER_END, HEADER_END + 1} | {rng.randrange(len(GOOD)) for _ in range(200)}
    for cut in sorted(cut for cut in cuts if cut < len(GOOD)):
        refusal(GOOD[:cut])


def test_a_file_with_something_after_its_end_is_refused():
    for tail in (b"\x00", b"PK\x05\x06" + bytes(18)):
        refusal(GOOD + tail)


def loads_or_refuses(content):
    """Either a checkpoint that can be written again, or one line."""
    try:
        loaded = from_bytes(content)
    except CheckpointError:
        refusal(content)
        return
    assert all(torch.isfinite(tensor).all() for tensor in loaded.model.state_dict().values())
    to_bytes(loaded)


@given(st.lists(st.tuples(st.integers(0, HEADER_END - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes_in_the_header_never_do_harm(flips):
    content = bytearray(GOOD)
    for place, value in flips:
        content[place] = value
    loads_or_refuses(bytes(content))


@given(
    st.lists(st.tuples(st.integers(HEADER_END, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_flipped_bytes_in_the_numbers_never_do_harm(flips):
    content = bytearray(GOOD)
    for place, value in flips:
        content[place] = value
    loads_or_refuses(bytes(content))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def paths_in(tree, prefix=()):
    for key, value in tree.items():
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from paths_in(value, (*prefix, key))


def put(tree, path, value):
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value


DESCRIPTION = json.loads(json.loads(GOOD[8:HEADER_END])["__metadata__"][KEY])


@given(st.sampled_from([p for p in paths_in(DESCRIPTION) if p[0] != "evaluation"]), JSON)
def test_any_json_in_the_description_is_valid_or_refused(path, value):
    loads_or_refuses(redescribed(lambda description: put(description, path, value)))


@pytest.mark.parametrize("value", ["\ud800", json.loads("[" * 300 + "]" * 300), float("nan")], ids=repr)
def test_an_evaluation_that_is_accepted_can_be_written_again(value):
    content = redescribed(lambda description: description.update(evaluation={"elbo": value}))
    try:
        loaded = from_bytes(content)
    except CheckpointError:
        return
    assert from_bytes(to_bytes(loaded)).description == loaded.description


@pytest.mark.parametrize("key", ["elbo", "reconstruction", "active_units", "continuity", "coverage"])
@pytest.mark.parametrize("value", ["x", True, None, [1.0], {"a": 1}])
def test_a_figure_of_the_evaluation_that_is_no_number_is_named(key, value):
    content = redescribed(lambda description: description.update(evaluation={key: value}))
    with pytest.raises(CheckpointError, match=rf"evaluation\.{key} is .*number"):
        from_bytes(content)


@pytest.mark.parametrize("value", [3.0, "x", [1.0, "x"], [None]])
def test_kl_per_dimension_is_a_list_of_numbers(value):
    content = redescribed(lambda description: description.update(evaluation={"kl_per_dimension": value}))
    with pytest.raises(CheckpointError, match=r"evaluation\.kl_per_dimension is .*list of numbers"):
        from_bytes(content)


@given(st.sampled_from(list(paths_in(json.loads(GOOD[8:HEADER_END])))), JSON)
def test_any_json_in_the_header_is_valid_or_refused(path, value):
    loads_or_refuses(rewritten(lambda header: put(header, path, value)))


# --- tensors that do not fit --------------------------------------------------------------------------------


def tensor_edits():
    def change(name, function):
        return lambda tensors: tensors.update({name: function(tensors[name])})

    def rename(old, new):
        return lambda tensors: tensors.update({new: tensors.pop(old)})

    def fill(value):
        return lambda tensor: tensor.index_fill(0, torch.tensor([1]), value)

    weight, mean, labels = "model.mean.weight", "reference.mean", "reference.labels"
    return {
        "weight missing": (lambda t: t.pop(weight), weight),
        "weight extra": (lambda t: t.update({"model.more": torch.zeros(2)}), "model.more"),
        "weight renamed": (rename(weight, "model.mean.wait"), weight),
        "tensor elsewhere": (lambda t: t.update({"images": torch.zeros(2, 8)}), "images"),
        "prefix missing": (rename(weight, "mean.weight"), weight),
        "weight and its twin": (lambda t: t.update({"mean.weight": t[weight].clone()}), "mean.weight"),
        "weight transposed": (change(weight, lambda w: w.T.contiguous()), weight),
        "weight longer": (change(weight, lambda w: torch.cat((w, w))), weight),
        "weight flat": (change(weight, lambda w: w.flatten()), weight),
        "weight in double": (change(weight, lambda w: w.double()), weight),
        "weight in half": (change(weight, lambda w: w.half()), weight),
        "weight in whole numbers": (change(weight, lambda w: w.long()), weight),
        "weight NaN": (change(weight, fill(torch.nan)), weight),
        "weight infinite": (change(weight, fill(-torch.inf)), weight),
        "codes missing": (lambda t: t.pop(mean), mean),
        "indices missing": (lambda t: t.pop("reference.indices"), "reference.indices"),
        "variances missing": (lambda t: t.pop("reference.log_variance"), "reference.log_variance"),
        "only labels": (
            lambda t: [t.pop(f"reference.{n}") for n in ("mean", "log_variance", "indices")],
            "reference.",
        ),
        "codes NaN": (change(mean, fill(torch.nan)), mean),
        "codes fewer": (change(mean, lambda m: m[:-1]), "reference."),
        "codes none": (
            lambda t: t.update({n: t[n][:0] for n in t if n.startswith("reference.")}),
            "reference.",
        ),
        "codes wider": (change(mean, lambda m: torch.cat((m, m), 1)), mean),
        "codes flat": (change(mean, lambda m: m[:, 0].contiguous()), mean),
        "codes a scalar": (change(mean, lambda m: m[0, 0].clone()), "reference."),
        "labels fewer": (change(labels, lambda x: x[:-1]), labels),
        "labels in floats": (change(labels, lambda x: x.float()), labels),
        "labels in a column": (change(labels, lambda x: x[:, None]), labels),
        "label too large": (change(labels, fill(10)), labels),
        "label negative": (change(labels, fill(-1)), labels),
        "factors nobody described": (
            lambda t: t.update({"reference.factors": torch.zeros(20, 3)}),
            "reference.factors",
        ),
        "reference extra": (
            lambda t: t.update({"reference.images": torch.zeros(20, 64)}),
            "reference.images",
        ),
    }


@pytest.mark.parametrize(("edit", "named"), tensor_edits().values(), ids=tensor_edits().keys())
def test_tensors_that_do_not_fit_are_named(edit, named):
    assert named in refusal(with_tensors(edit))


def header_edits():
    entry = "model.mean.weight"
    return {
        "dtype swapped": lambda h: h[entry].update(dtype="I32"),
        "dtype a list": lambda h: h[entry].update(dtype=["F32"]),
        "dtype unknown": lambda h: h[entry].update(dtype="F99"),
        "shape negative": lambda h: h[entry].update(shape=[-2, -4]),
        "shape in floats": lambda h: h[entry].update(shape=[2.0, 4.0]),
        "shape in booleans": lambda h: h["model.mean.bias"].update(shape=[True, True]),
        "shape a number": lambda h: h[entry].update(shape=8),
        "shape huge": lambda h: h[entry].update(shape=[2**62, 2**62]),
        "shape of many sides": lambda h: h[entry].update(shape=[1] * 100_000),
        "name with a line break": lambda h: h.update({"a\nb\x1b[31m": h[entry]}),
        "name that is no text": lambda h: h.update({"model.\ud800": h[entry]}),
        "name without end": lambda h: h.update({"x" * 500_000: h[entry]}),
        "shape gone": lambda h: h[entry].pop("shape"),
        "offsets gone": lambda h: h[entry].pop("data_offsets"),
        "offsets swapped": lambda h: h[entry]["data_offsets"].reverse(),
        "offsets shared": lambda h: h[entry].update(data_offsets=h["model.std.weight"]["data_offsets"]),
        "offsets far out": lambda h: h[entry].update(data_offsets=[2**40, 2**40 + 32]),
        "entry a number": lambda h: h.update({entry: 3}),
        "entry null": lambda h: h.update({entry: None}),
        "metadata gone": lambda h: h.pop("__metadata__"),
        "metadata a list": lambda h: h.update(__metadata__=[1]),
        "metadata text": lambda h: h.update(__metadata__="text"),
        "metadata of another program": lambda h: h.update(__metadata__={"format": "pt"}),
        "metadata not a string": lambda h: h["__metadata__"].update({KEY: {"format": 1}}),
        "description not JSON": lambda h: h["__metadata__"].update({KEY: "{"}),
        "description a list": lambda h: h["__metadata__"].update({KEY: "[]"}),
        "description deep": lambda h: h["__metadata__"].update({KEY: "[" * 200_000}),
    }


@pytest.mark.parametrize("edit", header_edits().values(), ids=header_edits().keys())
def test_headers_that_do_not_hold_together_are_refused(edit):
    assert len(refusal(rewritten(edit))) < 300


@pytest.mark.parametrize("order", [1, -1])
def test_a_header_that_says_two_things_is_refused(order):
    # The same name twice, once with the right shape and once with another: whichever a reader believes.
    header = json.loads(GOOD[8:HEADER_END])
    name = "model.mean.weight"
    twins = [json.dumps(header[name]), json.dumps(header[name] | {"shape": [1, 8]})][::order]
    header.pop(name)
    text = (json.dumps(header)[:-1] + "".join(f', "{name}": {twin}' for twin in twins) + "}").encode()
    loads_or_refuses(len(text).to_bytes(8, "little") + text + GOOD[HEADER_END:])


# --- descriptions that do not fit ---------------------------------------------------------------------------


def description_edits():
    return {
        "from the future": (("format",), 2, "format"),
        "without a format": (("format",), None, "format"),
        "latent_dim too large": (("model", "latent_dim"), 257, "latent_dim = 257"),
        "latent_dim other": (("model", "latent_dim"), 3, "model.mean.weight"),
        "kind unknown": (("model", "kind"), "gan", "kind = 'gan'"),
        "kind other": (("model", "kind"), "autoencoder", "model.code"),
        "architecture other": (("model", "hidden"), [4, 4], "model.encoder"),
        "conv on a small image": (
            ("model",),
            {"data_shape": [1, 8, 8], "architecture": "conv", "hidden": [4] * 5},
            "",
        ),
        "setting unknown": (("model", "dropout"), 0.5, "dropout"),
        "variance NaN": (("model", "variance"), float("nan"), "not valid JSON"),
        "self": (("model", "self"), 1, "self"),
        "epochs in words": (("training", "epochs"), "many", "epochs = 'many'"),
        "epoch negative": (("epoch",), -1, "epoch = -1"),
        "model a list": (("model",), [1], "model = [1]"),
        "model null": (("model",), None, "model = None"),
        "info gone": (("info",), {}, "info.name"),
        "info of another kind": (("info", "framing"), "loose", "framing = 'loose'"),
        "versions a list": (("versions",), [1], "versions"),
        "more than is known": (("licence",), "mine", "licence"),
    }


@pytest.mark.parametrize(
    ("path", "value", "named"), description_edits().values(), ids=description_edits().keys()
)
def test_descriptions_that_do_not_fit_are_refused_readably(path, value, named):
    message = refusal(redescribed(lambda description: put(description, path, value)))
    assert named in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("info", "data_shape"), [1, 28, 28]),
        (("info", "data_shape"), [0, -5, 10**9]),
        (("info", "extent"), 1e6),
        (("info", "extent"), -1.0),
        (("data", "name"), "sprites"),
    ],
    ids=str,
)
def test_data_that_the_model_cannot_take_are_refused(path, value):
    refusal(redescribed(lambda description: put(description, path, value)))


@pytest.mark.parametrize(
    "model",
    [
        {"latent_dim": 256, "hidden": [4096] * 8},
        {"latent_dim": 256, "hidden": [4096] * 5, "architecture": "conv", "data_shape": [3, 64, 64]},
        {"latent_dim": 256, "hidden": [4096] * 8, "data_shape": [3, 64, 64], "kind": "autoencoder"},
    ],
    ids=lambda model: model.get("architecture", "mlp"),
)
def test_a_giant_that_is_only_described_is_refused_before_memory_is_taken(monkeypatch, model):
    # The largest models the config allows take 1 to 5 GB. A "meta" tensor has a shape and no memory, so
    # every other tensor made on the way must be small.
    def enlarge(description):
        description["model"].update(model)
        description["info"]["data_shape"] = description["model"]["data_shape"]

    content = redescribed(enlarge)
    real, largest = torch.empty, [0]

    def watched(*size, **options):
        tensor = real(*size, **options)
        if tensor.device.type != "meta":
            largest[0] = max(largest[0], tensor.numel())
        return tensor

    monkeypatch.setattr(torch, "empty", watched)
    before, started = resident_bytes(), time.process_time()
    message = refusal(content)
    assert time.process_time() - started < 5
    assert resident_bytes() - before < 200 * 2**20
    assert largest[0] < 10_000
    assert "model." in message


def resident_bytes():
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
