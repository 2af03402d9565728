"""One folder that installs and runs Wormward on a machine without any network.

`make offline`, or

    .venv/bin/python scripts/offline.py FOLDER

Wheels of everything in `requirements/runtime.txt` (of the hashes that stand there) for this machine's Python and system, the
project's own wheel, the lock, docs, the example, `install.sh`, and `SHA256SUMS` over all of it. The same checkout gives the
same bytes. What is fetched comes from wherever pip is set up to look; nothing else asks a network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HOME = Path(__file__).resolve().parent.parent
EPOCH = "1262304000"  # 2010-01-01: the time of all files in the wheel
BESIDE = ("README.md", "README.ja.md", "LICENSE", "CHANGELOG.md")
SUMS = "SHA256SUMS"

INSTALL = """\
#!/bin/sh
# Installs Wormward from this folder alone into a Python environment of its own; no network is asked.
#     sh install.sh [FOLDER]        (./wormward-venv)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${{1:-$(pwd)/wormward-venv}}
python=${{PYTHON:-python3}}
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != ({major}, {minor}))' || {{
    echo "these wheels are for Python {major}.{minor} on {system}: name that one with PYTHON=..." >&2
    echo "or make this folder on a machine like yours" >&2; exit 1; }}
(cd "$here" && sha256sum --quiet --check {sums})
"$python" -m venv "$target"
pip="$target/bin/python -m pip --disable-pip-version-check --quiet --isolated"
$pip install --no-index --find-links "$here/wheels" --require-hashes --only-binary :all: -r "$here/requirements/runtime.txt"
$pip install --no-index --no-deps "$here"/wheels/wormward-*.whl
echo "installed: $target/bin/wormward assess $here/examples/outbreak"
"""


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words]
    subprocess.run(command, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH})  # noqa: S603 - pip with words of ours


def _wheels(folder: Path) -> None:
    lock = HOME / "requirements" / "runtime.txt"
    _pip("download", "--require-hashes", "--only-binary", ":all:", "--no-deps", "-r", str(lock), "-d", str(folder))
    with TemporaryDirectory() as name:  # a build leaves things behind
        tree = Path(name) / "wormward"
        tree.mkdir()
        for own in ("pyproject.toml", *BESIDE):
            if (HOME / own).exists():
                shutil.copy(HOME / own, tree)
        shutil.copytree(HOME / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(tree))


def build(folder: Path) -> None:
    """Make `folder`, which must not be there yet or be one of ours. Raises OSError, CalledProcessError."""
    if folder.exists():
        if any(folder.iterdir()) and not (folder / SUMS).is_file():
            raise FileExistsError(f"{folder} is not empty and none of ours")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    _wheels(folder / "wheels")
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(HOME / "docs", folder / "docs", ignore=skipped)
    shutil.copytree(HOME / "examples", folder / "examples", ignore=skipped)
    (folder / "requirements").mkdir()
    shutil.copy(HOME / "requirements" / "runtime.txt", folder / "requirements")
    for name in BESIDE:
        if (HOME / name).exists():
            shutil.copy(HOME / name, folder)
    version = sys.version_info
    script = INSTALL.format(
        major=version.major, minor=version.minor, system=os.uname().sysname + " " + os.uname().machine, sums=SUMS
    )
    (folder / "install.sh").write_text(script, encoding="ascii")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n" for path in files]
    (folder / SUMS).write_text("".join(sums), encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else HOME / "out" / "offline"))
