"""The routes of the maps: what they tell is what the core says, and whom and what they refuse."""

import io
import struct
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from pyarrow import csv, parquet
from scipy.spatial.distance import cdist
from sklearn.manifold import trustworthiness
from starlette.applications import Starlette

from tests.vae_explorer import making
from tests.vae_explorer.live.conftest import TestClient
from vae_core import checkpoint, data
from vae_core import maps as core
from vae_core.config import DataConfig, MapConfig, ProjectionConfig
from vae_core.latent import density, groups
from vae_core.latent.codes import ReferenceCodes
from vae_core.maps import Map, MapInfo
from vae_explorer import library
from vae_explorer.live import columns, splits
from vae_explorer.map import answers, routes

REPOSITORY = library.Path(library.__file__).parents[1]


@pytest.fixture(scope="module")
def opened():
    return library.open_file("digits-vae-2d", REPOSITORY / "checkpoints" / "digits-vae-2d.safetensors")


@pytest.fixture(autouse=True)
def forgotten():
    yield
    columns._shown.clear()
    answers._log_density.cache_clear()
    splits.forget()


@pytest.fixture
def client():
    with TestClient(Starlette(routes=[routes.route()])) as client:
        yield client


def asked(source="reference", count=300, **projection):
    return MapConfig(source=source, count=count, projection=ProjectionConfig(**projection))


def show(opened, **settings):
    return columns.publish(core.make(opened.checkpoint, asked(**settings)), opened)


@pytest.fixture
def shown(opened):
    return show(opened)


def packed(first, second=()):
    """Groups of points as the browser sends them."""
    return struct.pack(f"<{1 + len(first) + len(second)}I", len(first), *first, *second)


def is_sentence(answer, status):
    return answer.status_code == status and answer.text.endswith(".") and "\n" not in answer.text


# --- columns ------------------------------------------------------------------------------------------------


def test_columns_are_handed_out_byte_for_byte(client, shown):
    held = {"xy": shown.map.xy, "codes": shown.map.codes, **shown.map.columns}
    assert set(held) == {"xy", "codes", "label", "index", "log_variance", "kl", "log_prior", "spread"}
    for name, values in held.items():
        answer = client.get(f"/maps/{shown.id}/{name}")
        little_endian = core.COLUMNS[name][0]
        assert answer.content == values.astype(little_endian).tobytes(), name
        assert columns.types(shown)[name]["type"] == np.dtype(little_endian).name
        assert answer.headers["content-encoding"] == "identity"
        assert "immutable" in answer.headers["cache-control"]


def test_columns_that_are_not_stored_row_by_row_travel_so(client, opened):
    made = core.make(opened.checkpoint, asked())
    sideways = Map(made.info, np.asfortranarray(made.xy), made.codes, made.columns)
    shown = columns.publish(sideways, opened)
    assert client.get(f"/maps/{shown.id}/xy").content == made.xy.tobytes()


def test_columns_of_a_map_on_disk_are_its_files(client, opened, tmp_path):
    place = tmp_path / "map"
    core.compute(opened.checkpoint, asked("held-out", method="pca"), place)
    shown = columns.publish(core.open_map(place), opened)
    for name in ("xy", "codes", *shown.map.info.columns):
        assert client.get(f"/maps/{shown.id}/{name}").content.endswith(
            np.load(place / f"{name}.npy").tobytes()
        )
    assert "error" in shown.map.info.columns


def test_the_error_of_reference_codes_is_that_of_their_examples(client, opened, shown):
    """Squared error per pixel between an example and what its code decodes to."""
    found = np.frombuffer(client.get(f"/maps/{shown.id}/error").content, "<f4")
    held_out = data.load(opened.checkpoint.description.data, "held-out")
    model, reference = opened.checkpoint.model, opened.checkpoint.reference
    for point in (0, 17, 359):
        x = held_out.examples[held_out.indices == reference.indices[point]].float()
        x = x / 255 if x.max() > 1 else x
        with torch.inference_mode():
            decoded = model.decode(reference.mean[point : point + 1]).mean
        np.testing.assert_allclose(found[point], ((decoded - x) ** 2).mean(), rtol=1e-3)


@pytest.mark.parametrize(
    "name", ["nothing", "summary", "xy.npy", "XY", "%2e%2e", "..%2fsecret", "__class__", "a" * 300]
)
def test_an_unknown_column_is_a_sentence(client, shown, name):
    answer = client.get(f"/maps/{shown.id}/{name}")
    assert answer.status_code == 404
    assert len(answer.text) < 250


def test_draws_have_no_error_column(client, opened):
    assert is_sentence(client.get(f"/maps/{show(opened, source='draws').id}/error"), 404)


# --- which maps there are -----------------------------------------------------------------------------------


@pytest.mark.parametrize("map_id", ["0" * 32, "nobody", "%2e%2e", "٣", "a" * 500, "-"])
@pytest.mark.parametrize(
    "path", ["xy", "item/0", "search/worst", "search/outliers", "inverse?x=0&y=0", "points.csv"]
)
def test_a_map_that_no_page_shows_is_a_sentence(client, map_id, path):
    answer = client.get(f"/maps/{map_id}/{path}")
    assert is_sentence(answer, 404)
    assert "reload" in answer.text


def test_the_map_used_longest_ago_is_forgotten_first(client, opened):
    first = show(opened)
    others = [show(opened, source="draws", count=count) for count in range(1, columns.MAX_SHOWN)]
    show(opened)  # again
    last = show(opened, method="pca")
    assert client.get(f"/maps/{first.id}/xy").status_code == 200
    assert client.get(f"/maps/{last.id}/xy").status_code == 200
    assert client.get(f"/maps/{others[0].id}/xy").status_code == 404
    assert len(columns._shown) == columns.MAX_SHOWN


def test_the_same_question_has_the_same_map(opened, shown):
    assert show(opened, neighbours=99) is shown  # nothing to a plane
    assert show(opened, first=1, second=0).id != shown.id


# --- originals ----------------------------------------------------------------------------------------------


def test_originals_are_the_examples_behind_the_points(client, opened, shown):
    held_out = data.load(DataConfig(name="digits"), "held-out")
    for point in (0, 100, 359):
        content = client.get(f"/maps/{shown.id}/item/{point}").content
        assert struct.unpack("<HHH", content[:6]) == (8, 8, 1)
        (row,) = torch.nonzero(held_out.indices == opened.checkpoint.reference.indices[point])[0]
        example = held_out.examples[row].float()
        pixels = np.frombuffer(content, np.uint8, offset=6).reshape(8, 8) / 255
        np.testing.assert_allclose(
            pixels, example[0] / (255 if example.max() > 1 else 1), atol=0.51 / 255 + 1e-6
        )
        label = int(np.frombuffer(client.get(f"/maps/{shown.id}/label").content, "<i2")[point])
        assert label == int(held_out.labels[row])


def test_originals_of_training_data_are_of_that_split(client, opened, tmp_path):
    core.compute(opened.checkpoint, asked("train", method="plane"), tmp_path / "map")
    shown = columns.publish(core.open_map(tmp_path / "map"), opened)
    train = data.load(DataConfig(name="digits"), "train")
    assert len(shown.map) == len(train)
    pixels = np.frombuffer(client.get(f"/maps/{shown.id}/item/5").content, np.uint8, offset=6)
    example = train.examples[5].float().numpy().ravel()
    np.testing.assert_allclose(pixels / 255, example / (255 if example.max() > 1 else 1), atol=0.51 / 255)


@pytest.mark.parametrize("number", ["360", "999999999"])
def test_a_point_that_is_not_there_is_a_sentence(client, shown, number):
    answer = client.get(f"/maps/{shown.id}/item/{number}")
    assert is_sentence(answer, 404)
    assert "359" in answer.text


@pytest.mark.parametrize("number", ["-1", "1.5", "x", "٣", "9" * 5000, "0x1", " 1", "nan"])
def test_a_senseless_number_is_refused(client, shown, number):
    assert is_sentence(client.get(f"/maps/{shown.id}/item/{number}"), 400)


def test_draws_have_no_originals(client, opened):
    assert is_sentence(client.get(f"/maps/{show(opened, source='draws').id}/item/0"), 404)


def test_data_that_are_not_here_are_missed_in_a_sentence(client, shown, monkeypatch):
    monkeypatch.setattr(data, "is_available", lambda source: False)
    for path in ("item/0", "search/worst", "error"):
        assert is_sentence(client.get(f"/maps/{shown.id}/{path}"), 404), path
    assert client.get(f"/maps/{shown.id}/search/outliers").status_code == 200
    assert client.get(f"/maps/{shown.id}/points.csv").status_code == 200


def test_other_data_under_the_same_name_are_not_shown(client, opened, monkeypatch):
    reference = opened.checkpoint.reference
    elsewhere = replace(reference, indices=reference.indices + 10_000)
    changed = replace(opened, checkpoint=replace(opened.checkpoint, reference=elsewhere, id="f" * 16))
    shown = show(changed)
    assert is_sentence(client.get(f"/maps/{shown.id}/item/0"), 404)
    assert np.isnan(np.frombuffer(client.get(f"/maps/{shown.id}/error").content, "<f4")).all()
    assert client.get(f"/maps/{shown.id}/search/worst").json() == {"points": []}


def of_own_data(path):
    made = making.make()
    described = made.description.model_copy(update={"data": DataConfig(name="digits", path=str(path))})
    made = replace(made, description=described)
    return replace(made, id=checkpoint.content_id(checkpoint.to_bytes(made)))


def test_a_checkpoint_that_somebody_sent_names_no_file_of_this_machine(client, tmp_path):
    np.save(tmp_path / "secret.npy", np.full((400, 8, 8), 77, np.uint8))
    made = of_own_data(tmp_path / "secret.npy")
    shown = show(library.opened("sent", made))
    assert is_sentence(client.get(f"/maps/{shown.id}/item/0"), 404)
    local = show(library.opened("mine", made, local=True))  # the same model, opened by who has its file
    assert local.id == shown.id
    assert local.has_originals


# --- groups -------------------------------------------------------------------------------------------------


def test_a_group_is_summarised_as_the_core_does(client, shown):
    members = [5, 3, 200, 359, 17]
    told = client.post(f"/maps/{shown.id}/summary", content=packed(members)).json()
    found = groups.summarise(shown.map.codes, shown.map.columns["label"], np.array(members))
    assert told["count"] == 5
    assert sum(told["classes"]) == 5
    assert {label: count for label, count in enumerate(told["classes"]) if count} == found.classes
    assert told["mean"] == found.mean.tolist()
    assert told["deviation"] == found.deviation.tolist()
    assert told["radius"] == found.spread


def test_a_group_without_classes_is_summarised_too(client):
    shown = show(library.opened("colours", making.make(info=making.COLOURS)))
    told = client.post(f"/maps/{shown.id}/summary", content=packed(range(360))).json()
    assert (told["count"], told["classes"]) == (360, [])
    np.testing.assert_allclose(told["mean"], shown.map.codes.mean(0), atol=1e-6)


def test_an_attribute_is_that_of_the_core(client, shown):
    labels = shown.map.columns["label"]
    a, b = np.flatnonzero(labels == 0), np.flatnonzero(labels == 7)
    told = client.post(f"/maps/{shown.id}/attribute", content=packed(a, b)).json()
    found = groups.attribute(shown.map.codes, a, b)
    assert told["vector"] == found.vector.tolist()
    assert (told["length"], told["effect"]) == (found.length, found.effect)
    assert (told["null_length"], told["p_value"]) == (found.null_length, found.p_value)
    assert told["p_value"] >= told["smallest_p"]
    assert told["length"] > told["null_length"]  # zeros are no sevens


def test_groups_of_equal_codes_have_no_effect_and_are_told(client):
    shown = show(library.opened("digits", making.make()))
    told = client.post(f"/maps/{shown.id}/attribute", content=packed([0], [1])).json()
    assert told["effect"] is None
    np.testing.assert_allclose(told["vector"], shown.map.codes[0] - shown.map.codes[1], rtol=1e-6)


@pytest.mark.parametrize("body", [b"", b"\1\0\0\0", b"\1\0\0\0\0\0\0", b"x" * 9])
@pytest.mark.parametrize("what", ["summary", "attribute"])
def test_a_body_that_is_no_groups_is_refused(client, shown, what, body):
    assert is_sentence(client.post(f"/maps/{shown.id}/{what}", content=body), 400)


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("summary", struct.pack("<2I", 2, 0)),  # one is missing
        ("summary", struct.pack("<2I", 2**32 - 1, 0)),
        ("summary", packed([360])),
        ("summary", packed([2**32 - 1])),
        ("summary", packed([], [1])),
        ("attribute", packed([1, 2])),
        ("attribute", packed([], [1, 2])),
        ("attribute", packed([1, 2], [2, 3])),
        ("attribute", packed([1], [999])),
    ],
)
def test_groups_that_cannot_be_are_explained(client, shown, what, body):
    assert is_sentence(client.post(f"/maps/{shown.id}/{what}", content=body), 404)


@pytest.mark.parametrize("what", ["summary", "attribute"])
def test_a_body_beyond_all_points_is_not_read_to_its_end(client, shown, what, monkeypatch):
    monkeypatch.setattr(routes, "MOST_BODY", 4000)
    sent = []

    def endless():
        for _ in range(1000):
            sent.append(1)
            yield b"\0" * 1000

    answer = client.post(f"/maps/{shown.id}/{what}", content=endless())
    assert is_sentence(answer, 400)
    assert "4,000 bytes" in answer.text
    assert client.post(f"/maps/{shown.id}/summary", content=packed(range(360))).status_code == 200


def test_the_largest_map_can_be_selected_whole():
    assert 4 * (1 + core.MAX_AT_ONCE) <= routes.MOST_BODY
    most = MapConfig.model_fields["count"].metadata[1].le
    assert 4 * (1 + most) <= routes.MOST_BODY


# --- search -------------------------------------------------------------------------------------------------


def test_the_worst_reconstructed_of_each_class(client, shown):
    told = client.get(f"/maps/{shown.id}/search/worst").json()["points"]
    error = np.frombuffer(client.get(f"/maps/{shown.id}/error").content, "<f4")
    labels = shown.map.columns["label"]
    for label in range(10):
        found = [each["i"] for each in told if each["label"] == label]
        of_class = np.flatnonzero(labels == label)
        assert len(found) == answers.PER_CLASS
        assert error[found].tolist() == sorted(error[of_class], reverse=True)[: answers.PER_CLASS]
    assert told[0]["words"] == f"squared error {error[told[0]['i']]:.4f}"


def test_outliers_are_the_loneliest_codes(client, shown):
    told = client.get(f"/maps/{shown.id}/search/outliers").json()["points"]
    codes = shown.map.codes.astype(np.float64)
    lonely = np.sort(cdist(codes, codes), 1)[:, density.NEIGHBOURS]
    assert [each["i"] for each in told] == np.argsort(-lonely)[: answers.LONELY].tolist()
    found = density.log_density(shown.map.codes)
    assert told[0]["words"] == f"log density {found.min():.1f} nats"
    assert told[0]["label"] == shown.map.columns["label"][told[0]["i"]]


def few(count):
    """A model with so few encoded examples, and nothing else known of them."""
    made = making.make()
    codes = ReferenceCodes(torch.randn(count, 2), torch.zeros(count, 2), torch.arange(count))
    return library.opened("few", replace(made, reference=codes, id=f"{count:016x}"))


def test_a_handful_of_points_has_outliers_too(client):
    told = client.get(f"/maps/{show(few(5)).id}/search/outliers").json()["points"]
    assert sorted(each["i"] for each in told) == list(range(5))
    assert {each["label"] for each in told} == {-1}
    assert is_sentence(client.get(f"/maps/{show(few(1)).id}/search/outliers"), 404)


@pytest.mark.parametrize("kind", ["best", "__class__", "table", "a" * 300])
def test_nothing_else_can_be_searched_for(client, shown, kind):
    answer = client.get(f"/maps/{shown.id}/search/{kind}")
    assert is_sentence(answer, 400)
    assert len(answer.text) < 120


def test_how_faithful_a_map_is_can_be_asked(client):
    """All of 360 points are looked at, so the figure is scikit-learn's."""
    shown = show(library.opened("five", making.make(latent_dim=5)))
    told = client.get(f"/maps/{shown.id}/faithful").json()
    assert told["rows"] == 360
    expected = trustworthiness(shown.map.codes, shown.map.xy, n_neighbors=12)
    assert told["trustworthiness"] == pytest.approx(expected, abs=1e-6)
    there_and_back = trustworthiness(shown.map.xy, shown.map.codes, n_neighbors=12)
    assert told["continuity"] == pytest.approx(there_and_back, abs=1e-6)


# --- the inverse of UMAP ------------------------------------------------------------------------------------


@pytest.fixture
def folded(opened):
    """A map that says it is UMAP's; its places are a circle of radius 1."""
    angle = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    places = np.stack((np.cos(angle), np.sin(angle)), 1).astype(np.float32)
    made = core.make(opened.checkpoint, asked())
    info = made.info.model_copy(
        update={"config": asked(method="umap"), "axes": None, "origin": None, "explained": ()}
    )
    return columns.publish(Map(MapInfo(**dict(info)), places, made.codes, made.columns), opened)


def test_where_umap_has_no_inverse_the_code_is_interpolated(client, folded):
    told = client.get(f"/maps/{folded.id}/inverse", params={"x": 9, "y": 0}).json()
    code, _ = folded.map.projection.lift(np.array([[9, 0]], np.float32))
    assert told == {"code": code[0].tolist(), "inside": False}


@pytest.mark.parametrize(
    "query",
    ["", "x=1", "x=a&y=0", "x=nan&y=0", "x=0&y=inf", "x=0&y=-inf", "x=1e39&y=0", "x=&y=", "x=0,1&y=2"],
)
def test_a_senseless_place_is_refused(client, folded, query):
    assert is_sentence(client.get(f"/maps/{folded.id}/inverse?{query}"), 400)


def test_far_places_are_answered_in_finite_numbers(client, folded):
    told = client.get(f"/maps/{folded.id}/inverse", params={"x": 1e30, "y": -1e30}).json()
    assert np.isfinite(told["code"]).all()


def test_other_maps_have_no_inverse_to_ask(client, shown):
    assert is_sentence(client.get(f"/maps/{shown.id}/inverse?x=0&y=0"), 404)


# --- files to keep ------------------------------------------------------------------------------------------


def kept(client, shown, suffix):
    """The table in a file, column by column, and what the file is called."""
    answer = client.get(f"/maps/{shown.id}/points.{suffix}")
    assert answer.status_code == 200
    read = {"csv": csv.read_csv, "parquet": parquet.read_table}[suffix]
    return read(io.BytesIO(answer.content)), answer.headers["content-disposition"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_points_can_be_kept_as_a_file(client, shown, suffix):
    table, called = kept(client, shown, suffix)
    assert called == f"attachment; filename*=UTF-8''digits-vae-2d-plane.{suffix}"
    held, columns = shown.map, shown.map.columns
    assert table["point"].to_pylist() == list(range(360))
    expected = {
        "x": held.xy[:, 0], "y": held.xy[:, 1], "z1": held.codes[:, 0], "z2": held.codes[:, 1],
        "log_variance1": columns["log_variance"][:, 0], "log_variance2": columns["log_variance"][:, 1],
        "kl": columns["kl"], "log_prior": columns["log_prior"], "spread": columns["spread"],
    }  # fmt: skip
    for name, values in expected.items():
        assert np.array_equal(table[name].to_numpy().astype(np.float32), values), name
    assert [str(label) for label in table["label"].to_pylist()] == [str(each) for each in columns["label"]]
    assert table["index"].to_pylist() == columns["index"].tolist()
    assert set(table.column_names) == {"point", "label", "index", *expected}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_factors_and_missing_labels_are_kept(client, opened, suffix):
    made = core.make(opened.checkpoint, asked())
    factors = np.stack((np.arange(360), np.arange(360) / 2), 1).astype(np.float32)
    labels = np.where(np.arange(360) % 2, made.columns["label"], -1).astype(np.int16)
    info = made.info.model_copy(
        update={"factor_names": ("shape", "scale, of it"), "class_names": tuple("abcdefghij")}
    )
    held = dict(made.columns) | {"label": labels, "factors": factors}
    shown = columns.publish(Map(info, made.xy, made.codes, held), opened)
    table, _ = kept(client, shown, suffix)
    assert np.array_equal(table["scale, of it"].to_numpy(), factors[:, 1])
    names = ["" if label < 0 else "abcdefghij"[label] for label in labels]
    assert table["label"].to_pylist() == names


@pytest.mark.parametrize("name", ["run/7", 'a "quoted" name', "чертёж", "two\r\nlines: x", "bad\udcff"])
def test_a_model_may_be_called_anything(client, opened, name):
    shown = show(replace(opened, name=name))
    _, called = kept(client, shown, "csv")
    assert called.startswith("attachment; filename*=UTF-8''")
    assert called.isascii()
    assert not set('"\r\n/') & set(called)


@pytest.mark.parametrize("suffix", ["npy", "csv2", "pickle", "%2e%2e", "x" * 300])
def test_no_other_files_are_made(client, shown, suffix):
    assert is_sentence(client.get(f"/maps/{shown.id}/points.{suffix}"), 400)


# --- whom they answer ---------------------------------------------------------------------------------------

READ = [
    "xy",
    "faithful",
    "item/0",
    "search/worst",
    "search/outliers",
    "inverse?x=0&y=0",
    "points.csv",
    "points.parquet",
]
STRANGERS = [
    {"origin": "https://elsewhere.example"},
    {"origin": "null"},
    {"origin": "http://testserver:9"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://elsewhere.example", "sec-fetch-site": "same-origin"},
]


@pytest.mark.parametrize("headers", STRANGERS)
def test_pages_of_other_sites_are_refused(client, shown, headers):
    for path in READ:
        assert client.get(f"/maps/{shown.id}/{path}", headers=headers).status_code == 403, path
    for path in ("summary", "attribute"):
        url = f"/maps/{shown.id}/{path}"
        assert client.post(url, content=packed([1], [2]), headers=headers).status_code == 403, path


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://testserver"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}],
)
def test_our_own_pages_and_programs_are_answered(client, shown, headers):
    assert client.get(f"/maps/{shown.id}/xy", headers=headers).status_code == 200
    url = f"/maps/{shown.id}/summary"
    assert client.post(url, content=packed([1]), headers=headers).status_code == 200


def test_maps_are_only_read(client, shown):
    for path in READ:
        assert client.post(f"/maps/{shown.id}/{path}").status_code == 405
        assert client.delete(f"/maps/{shown.id}/{path}").status_code == 405


@pytest.mark.parametrize("path", ["", "/", "/item", "/item/", "/item/0/1", "/search"])
def test_other_addresses_lead_nowhere(client, shown, path):
    assert client.get(f"/maps/{shown.id}{path}").status_code == 404


def test_a_server_that_starts_does_not_wait_for_torch():
    code = "import sys, vae_explorer.map.routes; sys.exit('torch' in sys.modules or 'pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
