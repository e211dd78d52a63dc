"""Steps 1, 3, 4 and 5 of the Equations page in a real browser: what is dragged changes numbers, and they are the core's."""

import base64
import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from tests.browser.moves import answered
from vae_core.equations.evidence import Grid
from vae_core.equations.reconstruction import log_likelihood, squared_errors
from vae_explorer import library
from vae_explorer.equations.answers import evidence, gradients, marginal, reconstruction
from vae_explorer.live import models
from vae_explorer.posterior.answers import subject_of

pytestmark = pytest.mark.browser

DIGITS = "digits-vae-2d"
MOVES = 15


class Reader:
    """Somebody at one step of the Equations page."""

    def __init__(self, visitor):
        self.visitor, self.page = visitor, visitor.page

    def find(self, selector):
        return self.page.locator(f".eq {selector}")

    def said(self, selector):
        """The numbers of an element's words."""
        return [
            number(text) for text in re.findall(r"−?[\d,]*\d(?:\.\d+)?", self.find(selector).inner_text())
        ]

    def handle(self, name):
        return self.page.get_by_role("slider", name=name, exact=True)

    def at(self, name):
        return np.array([float(part) for part in self.handle(name).get_attribute("data-at").split()])

    def drag(self, name, right, down):
        """Carry a handle so many pixels with the mouse."""
        self.handle(name).scroll_into_view_if_needed()
        box = self.handle(name).locator(".dot").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + right, y + down, steps=5)
        self.page.mouse.up()

    def bars(self):
        return [number(text) for text in self.find(".eq-bar output").all_inner_texts()]

    def q(self):
        """Mean and covariance of the ellipse, from where its handles stand: ends are two standard deviations out."""
        mean = self.at("Centre of q")
        ends = [(self.at(f"{which} axis of q") - mean) / 2 for which in ("First", "Second")]
        return mean, sum(np.outer(end, end) for end in ends)

    def slide(self, label, value):
        self.page.get_by_label(label, exact=True).fill(str(value))

    def answered_handle(self, name):
        moves = [[40 * np.sin(k / 5), 30 * np.cos(k / 7)] for k in range(1, MOVES + 1)]
        return answered(self.handle(name), moves)

    def answered_slider(self, label):
        return answered(
            self.page.get_by_label(label, exact=True), [k / (MOVES + 1) for k in range(1, MOVES + 1)]
        )


def number(text):
    return float(text.replace("−", "-").replace(",", ""))


def floats(text):
    return np.frombuffer(base64.b64decode(text), "<f4").astype(float)


@pytest.fixture
def read(visit):
    def open_page(step, ready, model=DIGITS, more="", **options):
        visitor = visit(**options)
        visitor.page.goto(f"{visitor.home}equations?model={model}&step={step}{more}")
        expect(visitor.page.locator(f".eq {ready}").first).not_to_be_empty()
        return Reader(visitor)

    return open_page


@pytest.fixture(scope="module")
def opened(data_folder):
    found = library.open_file(DIGITS, library.FOLDER / f"{DIGITS}.safetensors")
    models.publish(found)
    return found


@pytest.fixture
def ask(opened):
    def answer(route, **more):
        return route({"model": opened.id, "label": -1, "nth": 0} | more, lambda done: None, lambda: False)

    return answer


# --- step 1: draws of the prior -------------------------------------------------------------------------------------


def test_the_estimate_at_every_number_of_draws_is_the_routes(read, ask):
    reader, found = read(1, ".eq-figures .mean"), ask(marginal)
    reference = found["evidence"]["value"]
    assert reader.said("b.evidence")[-1] == pytest.approx(reference, abs=0.006)
    weights = floats(found["logLikelihood"])
    for place in (0, 20, len(found["counts"]) - 1):
        reader.slide("Number of draws of the prior", place)
        column, n = [line[place] for line in found["estimates"]], found["counts"][place]
        assert reader.said(".eq-figures .mean") == pytest.approx([np.mean(column)], abs=0.006)
        assert reader.said(".eq-figures .spread") == pytest.approx([np.std(column, ddof=1)], abs=0.006)
        first = np.sort(np.exp(weights[:n] - weights[:n].max()))[::-1]
        carriers = int(np.searchsorted(first.cumsum(), 0.9 * first.sum())) + 1
        assert reader.said(".carries") == [carriers]


def test_draws_of_the_prior_can_be_made_anew(read):
    reader = read(1, ".eq-figures .mean")
    before = reader.said(".eq-figures .mean")
    reader.page.get_by_role("button", name="Draw anew").click()
    reader.visitor.until(lambda: reader.said(".eq-figures .mean") != before, "another estimate")


# --- step 3: log p(x) = ELBO + KL -----------------------------------------------------------------------------------


def test_a_q_that_is_dragged_moves_both_bars_and_their_sum_stays(read, ask):
    reader, found = read(3, ".closes"), ask(evidence)
    grid = found["grid"]
    core = Grid(
        grid["left"],
        grid["bottom"],
        grid["cell"],
        floats(grid["values"]).reshape(grid["rows"], grid["columns"]),
    )
    assert reader.bars() == pytest.approx(
        [found["logEvidence"], found["encoder"]["elbo"], found["encoder"]["kl"]], abs=0.006
    )
    before = reader.bars()
    reader.drag("Centre of q", 25, 18)
    reader.drag("First axis of q", 8, -12)
    log_evidence, elbo, kl = reader.bars()
    bound = core.bound(*reader.q())
    assert (elbo, kl) == pytest.approx((bound.elbo, bound.kl), abs=0.01)
    assert log_evidence == before[0] == pytest.approx(elbo + kl, abs=0.016)
    assert kl > before[2] + 0.1
    assert abs(reader.said(".closes")[0]) < 0.01


def test_the_best_q_is_reached_by_a_button_and_by_arrow_keys_it_only_gets_worse(read, ask):
    reader, found = read(3, ".closes"), ask(evidence)
    for name, kind in (("Best q, turned", "full"), ("Best q", "best"), ("Encoder's q", "encoder")):
        reader.page.get_by_role("button", name=name, exact=True).click()
        expected = [found["logEvidence"], found[kind]["elbo"], found[kind]["kl"]]
        reader.visitor.until(
            lambda expected=expected: reader.bars() == pytest.approx(expected, abs=0.006), name
        )
    reader.page.get_by_role("button", name="Best q, turned").click()
    reader.visitor.until(lambda: reader.bars()[2] == pytest.approx(found["full"]["kl"], abs=0.006))
    reader.handle("Centre of q").focus()
    for key in ("ArrowLeft", "ArrowUp"):
        reader.page.keyboard.press(f"Shift+{key}")
        assert reader.bars()[2] > found["full"]["kl"]


def test_the_browsers_bound_is_the_cores_for_any_q(read, ask):
    reader, found = read(3, ".closes"), ask(evidence)
    grid = found["grid"]
    values = floats(grid["values"])
    core = Grid(grid["left"], grid["bottom"], grid["cell"], values.reshape(grid["rows"], grid["columns"]))
    generator, posterior = np.random.default_rng(0), found["posterior"]
    qs = []
    for _ in range(30):
        root = np.linalg.cholesky(posterior["covariance"]) @ (np.eye(2) + 0.4 * generator.normal(size=(2, 2)))
        covariance = root @ root.T + np.eye(2) * grid["cell"] ** 2
        qs.append([(posterior["mean"] + root @ generator.normal(size=2)).tolist(), covariance.tolist()])
    said = reader.page.evaluate(
        """async ([grid, values, evidence, qs]) => {
          const { JointGrid } = await import("/live-js/equations/web/bound.js");
          const joint = new JointGrid({ ...grid, values: Float32Array.from(values) }, evidence);
          return qs.map(([mean, covariance]) => joint.bound(mean, covariance));
        }""",
        [{**grid, "values": None}, values.tolist(), found["gridEvidence"], qs],
    )
    for (mean, covariance), each in zip(qs, said, strict=True):
        bound = core.bound(np.array(mean), np.array(covariance))
        assert each["elbo"] == pytest.approx(bound.elbo, abs=1e-6)
        assert each["kl"] == pytest.approx(bound.kl + found["gridEvidence"] - core.log_evidence, abs=1e-6)
        assert each["reconstruction"] - each["rate"] == pytest.approx(bound.elbo, abs=1e-6)
        assert bool(each["doubt"]) == (bound.doubt is not None)


# --- step 4: the reconstruction term --------------------------------------------------------------------------------


def test_another_c_and_another_z_give_the_cores_log_likelihood(read, opened, ask):
    reader = read(4, ".closes")
    x, found = subject_of({"model": opened.id, "nth": 0}).x, ask(reconstruction)
    reader.drag("z", 40, 25)
    for exponent in (-1.5, 0.7):
        reader.slide("Variance c of the likelihood", exponent)
        c = 10 ** float(reader.page.get_by_label("Variance c of the likelihood").input_value())
        z = torch.from_numpy(reader.at("z"))[None].float()
        core = log_likelihood(float(squared_errors(opened.checkpoint.model, x, z)), x.numel(), c)
        assert reader.said(".formula b") == pytest.approx([core.log_likelihood], rel=1e-3, abs=0.02)
        with torch.inference_mode():  # pictures are cut to [0, 1] and hold 256 shades
            seen = log_likelihood(
                float((x - opened.checkpoint.model.decode(z).mean.clamp(0, 1)).square().sum()), x.numel(), c
            )
        reader.visitor.until(
            lambda seen=seen, c=c: (
                number(re.search(r"Σ log N = (\S+)", reader.find(".closes").inner_text())[1])
                == pytest.approx(seen.log_likelihood, abs=0.05 / c**0.5)
            ),
            "the sum over the pixels",
        )
        near = min(found["curve"], key=lambda each: abs(np.log(each["c"] / c)))
        rate, error = reader.said(".parts")[1], reader.said(".parts")[3]
        assert rate == pytest.approx(near["rate"], rel=0.1, abs=0.1)
        assert error == pytest.approx(near["squared"], rel=0.1)


def test_a_larger_c_gives_up_reconstruction_for_a_smaller_kl(read):
    reader = read(4, ".closes")
    found = []
    for exponent in (-1.5, -1, -0.5, 0, 0.5, 1, 1.4):
        reader.slide("Variance c of the likelihood", exponent)
        _, rate, _, error, _ = reader.said(".parts")
        found.append((rate, error))
    rates, errors = np.array(found).T
    assert (np.diff(rates) < 0).all()
    assert (np.diff(errors) > 0).all()
    assert rates[-1] < 0.3


# --- step 5: gradients ----------------------------------------------------------------------------------------------


def test_variances_and_their_ratio_follow_the_number_of_draws(read, ask):
    reader, found = read(5, ".closes"), ask(gradients)
    draws = {name: floats(found[name]["draws"]).reshape(-1, 4) for name in ("score", "reparameterized")}
    for parameter, words in enumerate(("mean m₁", "mean m₂", "width s₁", "width s₂")):
        reader.page.get_by_role("button", name=words, exact=True).click()
        for share, n in ((100, 1000), (50, 45)):
            reader.slide("Number of draws", share)
            assert reader.said(".eq-slide output") == [n]
            variances = {name: each[:n, parameter].var(ddof=1) for name, each in draws.items()}
            ratio = variances["score"] / variances["reparameterized"]
            assert reader.said("[data-road=score] .ratio") == pytest.approx([ratio], rel=0.06)
            mean = draws["score"][:n, parameter].mean()
            assert reader.said("[data-road=score] .mean") == pytest.approx([mean], rel=1e-3, abs=0.06)
        assert ratio > 5
        assert f"{found['exact'][parameter]:.2f}".lstrip("-") in reader.find(".closes").inner_text()


# --- all of them ----------------------------------------------------------------------------------------------------


def test_dragging_anything_answers_in_the_next_frame(read):
    reader = read(1, ".eq-figures .mean")
    found = {"draws": reader.answered_slider("Number of draws of the prior")}
    reader = read(3, ".closes")
    found |= {name: reader.answered_handle(name) for name in ("Centre of q", "First axis of q")}
    reader = read(4, ".closes")
    found |= {"c": reader.answered_slider("Variance c of the likelihood"), "z": reader.answered_handle("z")}
    reader = read(5, ".closes")
    found |= {"gradients": reader.answered_slider("Number of draws")}
    assert found == dict.fromkeys(found, MOVES)


def test_another_x_is_another_x_at_every_step_and_the_address_keeps_it(read):
    reader = read(3, ".closes")
    before = reader.bars()
    reader.page.get_by_label("Next example").click()
    reader.visitor.until(lambda: reader.bars()[0] != before[0], "another log p(x)")
    reader.page.wait_for_url(re.compile(r"x=-1(%2F|/)1"))
    chosen = reader.bars()
    reader.page.get_by_role("radio", name="4 Reconstruction").click()
    expect(reader.find(".eq-subject .turn output")).to_have_text("no. 1")
    reader.page.goto(f"{reader.visitor.home}equations?model={DIGITS}&step=3&x=-1/1")
    expect(reader.find(".closes")).not_to_be_empty()
    assert reader.bars() == chosen


@pytest.mark.parametrize(
    ("step", "ready", "model", "words"),
    [
        (1, ".eq-figures .mean", "mnist-ae-2d", "mnist-ae-2d encodes every x to one point"),
        (3, ".closes", "mnist-vae-10d", "mnist-vae-10d has 10 latent dimensions"),
    ],
)
def test_where_a_model_lacks_something_another_stands_in_and_it_is_said(read, step, ready, model, words):
    reader = read(step, ready, model=model)
    expect(reader.find(".eq-subject .note")).to_contain_text(words)
    expect(reader.find(".eq-subject .note")).to_contain_text("mnist-vae-2d stands in for it here")


@pytest.mark.parametrize(
    ("step", "ready"), [(1, ".eq-figures .mean"), (3, ".closes"), (4, ".closes"), (5, ".closes")]
)
def test_a_phone_shows_it_without_scrolling_sideways(read, step, ready):
    reader = read(step, ready, viewport=PHONE)
    main = reader.page.get_by_test_id("stMain")
    assert main.evaluate("element => element.scrollWidth - element.clientWidth") <= 1
