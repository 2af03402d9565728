"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# In CI a skip for want of a package fails; the hook has a file of its own, so that a test can run it apart.
pytest_plugins = ["tests.house_skips"]

# In CI the same examples every time: a submission must not fail for what another one brought. Elsewhere they vary.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI") == "true":
    settings.load_profile("ci")

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repo() -> Path:
    """The checkout's root."""
    return REPO


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of facts and corpora beside the checkout; tests that want it skip where it is absent."""
    folder = REPO.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder `shared` with facts and corpora is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def corpora(shared: Path) -> Path:
    """Real inputs that nobody here made."""
    return shared / "corpora"


@pytest.fixture(scope="session", autouse=True)
def english() -> Iterator[None]:
    """Tests read English whatever the developer's locale is; those of another language ask for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LC_ALL", "C.UTF-8")
        yield


@pytest.fixture(scope="session")
def example_outputs(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every output of the registry, each under its option's name, of the example; `stdout` beside them."""
    from tests.cli_help import wormward
    from wormward.command.outputs import OUTPUTS

    folder = tmp_path_factory.mktemp("outputs")
    asked = [word for output in OUTPUTS for word in (f"--{output.option}", folder / output.option)]
    done = wormward("assess", repo / "examples" / "outbreak", *asked, "--block-days", "2")
    assert done.code == 1, done.err
    (folder / "stdout").write_text(done.out, encoding="utf-8")
    return folder
