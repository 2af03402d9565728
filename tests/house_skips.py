"""Pytest hook: in CI a test that skips because something "is not installed" counts as failed."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.need import in_ci


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn such a skip into a failure that keeps the reason."""
    report = yield
    if in_ci() and report.skipped and not hasattr(report, "wasxfail") and "not installed" in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"in CI nothing may be lacking: {report.longrepr}"
    return report
