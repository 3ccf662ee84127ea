"""Runs being explored, with leaves and maps, and what asks the server as the page does."""

import os
import shutil
from contextlib import ExitStack

import numpy as np
import pytest
from sklearn.datasets import load_digits
from starlette.testclient import TestClient
from tests.explore.browsing import CHROMIUM, PATIENCE, ready

import shoal
from shoal.explore.drawing import start_drawing
from shoal.explore.explorer import Explorer
from shoal.explore.prepare import prepare_leaves
from shoal.explore.serve import Address, make_app
from shoal.storage import RunFolder

HOST = "127.0.0.1:7430"


def prepared(path):
    """Make leaves and map of a run in its folder."""
    folder = RunFolder.open(path)
    prepare_leaves(folder, path)
    told = []
    start_drawing(path, path, told.append).wait()
    assert told[-1]["trouble"] is None
    return path


@pytest.fixture(scope="session")
def digits_path(tmp_path_factory):
    """600 digits, every one a representative; edits are made on copies only."""
    path = tmp_path_factory.mktemp("digits")
    images = (load_digits().images[:600] * 15).astype(np.uint8)
    np.save(path / "digits.npy", images)
    shoal.fit(path / "digits.npy", path / "digits.shoal", workers=1)
    return prepared(path / "digits.shoal")


@pytest.fixture(scope="session")
def vectors_path(tmp_path_factory):
    """900 vectors through 90 representatives: equal ones, outliers, and two that are bad."""
    draw = np.random.default_rng(5)
    truth = np.repeat(np.arange(6), [300, 200, 180, 120, 60, 40])
    rows = draw.normal(size=(900, 5)) + 9 * draw.normal(size=(6, 5))[truth]
    rows[[17, 444]] = np.nan
    rows[100:105] = rows[100]
    rows[7] = 300
    path = tmp_path_factory.mktemp("vectors")
    np.save(path / "vectors.npy", rows[draw.permutation(900)].astype(np.float32))
    settings = {"workers": 1, "representatives": 90, "layers": (6, 3)}
    shoal.fit(path / "vectors.npy", path / "vectors.shoal", **settings)
    return prepared(path / "vectors.shoal")


@pytest.fixture(params=["digits", "vectors"])
def explorer(request, tmp_path):
    """A run being explored; a copy of its own."""
    path = request.getfixturevalue(f"{request.param}_path")
    return opened(path, tmp_path)


@pytest.fixture
def digits(digits_path, tmp_path):
    """The digits being explored; a copy of their own."""
    return opened(digits_path, tmp_path)


@pytest.fixture
def vectors(vectors_path, tmp_path):
    """The vectors being explored; a copy of their own."""
    return opened(vectors_path, tmp_path)


def opened(path, tmp_path):
    copy = tmp_path / path.name
    shutil.copytree(path, copy)
    return Explorer(shoal.open(copy), copy)


def client_of(explorer, token=None, host=HOST):
    """A client that asks as the page does."""
    address = Address(None, "127.0.0.1", 7430, token)
    app = address.guarded(make_app(explorer))
    headers = {"x-shoal": "1"}
    return TestClient(app, f"http://{host}", headers=headers, raise_server_exceptions=False)


@pytest.fixture
def ask():
    """Make a client of an explorer."""
    return client_of


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


@pytest.fixture
def serve(tmp_path):
    """Serve copies of runs, by this process; they stop when the pages that look are closed."""
    with ExitStack() as stack:

        def served(path, **settings):
            shutil.copytree(path, tmp_path / path.name)
            page = shoal.open(tmp_path / path.name).explore(tab=False, **settings)
            stack.callback(page.stop)
            return page.url

        served.stop = stack.close
        yield served


@pytest.fixture
def served(serve, digits_path):
    """A copy of the digits, served."""
    return serve(digits_path)


@pytest.fixture
def open_page(browser, serve):  # after `serve`, so that pages are closed before servers stop
    """Open pages; a fault in any of them fails the test."""
    contexts, faults = [], []

    def opened(url, width=1440, height=900, script=None, slower=None, **more):
        context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, **more
        )
        context.set_default_timeout(1000 * PATIENCE)
        contexts.append(context)
        page = context.new_page()
        slower = slower or float(os.environ.get("SHOAL_TEST_SLOWER", 1))
        if slower > 1:
            devtools = context.new_cdp_session(page)
            devtools.send("Emulation.setCPUThrottlingRate", {"rate": slower})
        if script:
            page.add_init_script(script)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.goto(url)
        ready(page)
        return page

    opened.faults = faults
    yield opened
    for context in contexts:
        context.close()
    assert faults == []
