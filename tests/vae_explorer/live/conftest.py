"""A server with one batcher of its own, a decoder that can be held up, and a model that uses it."""

import warnings
from collections.abc import Callable, Iterator

import pytest
from starlette.applications import Starlette

from tests.vae_explorer.live.helpers import Decoder, model_of
from vae_explorer.live import registry
from vae_explorer.live.batching import Batcher
from vae_explorer.live.registry import LiveModel
from vae_explorer.live.socket import route

with warnings.catch_warnings():  # starlette asks for httpx2 where httpx is installed; either will do here
    warnings.simplefilter("ignore", UserWarning)
    from starlette.testclient import TestClient


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder()
    yield decoder
    decoder.release()


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    batcher = Batcher()
    yield batcher
    batcher.close()


@pytest.fixture
def app(batcher: Batcher) -> Starlette:
    return Starlette(routes=[route(batcher)])


@pytest.fixture
def client(app: Starlette) -> Iterator[TestClient]:
    with TestClient(app) as client:  # entered, so that all connections share one event loop
        yield client


@pytest.fixture
def model(decoder: Decoder) -> LiveModel:
    model = model_of(decoder)
    registry.register(model.id, model)
    return model


@pytest.fixture
def set_resolver() -> Iterator[Callable[[registry.Resolver], None]]:
    yield registry.set_resolver
    registry.set_resolver(None)
