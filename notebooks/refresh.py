"""Runs the notebooks and stores them with their outputs; `--check` tells whether what is stored is of today's code.

Stored pictures are reduced to 900 pixels. A hash of the code cells lies in each notebook's metadata.
"""

import argparse
import base64
import hashlib
import io
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).resolve().parent
PICTURE_KB, TOTAL_KB = 300, 1500
"""Most of one stored picture, and of all notebooks together."""
WIDEST_PX = 900
NOT_FOR_READERS = re.compile(r"(?<![\w.])/(home|root|tmp|Users|work|usr)/|\d+%\|")
"""Absolute paths and progress bars."""


def code_hash(notebook) -> str:
    """Hash what the code cells say."""
    code = "\0".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()


def refresh(path: Path) -> None:
    """Run a notebook in its folder and store it with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(FOLDER)}}).execute()
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                output.get("metadata", {}).clear()
                data = output.get("data", {})
                if "image/png" in data:
                    data["image/png"] = _small_png(data["image/png"])
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "spine_tf": {"code_sha256": code_hash(notebook)},
    }
    nbformat.write(notebook, path)


def faults(path: Path) -> list[str]:
    """Say what is wrong with a stored notebook."""
    notebook, found = nbformat.read(path, as_version=4), []
    if notebook.metadata.get("spine_tf", {}).get("code_sha256") != code_hash(notebook):
        found.append("its outputs are of other code")
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if len(data.get("image/png", "")) * 3 / 4 > 1000 * PICTURE_KB:
                found.append(f"a picture has more than {PICTURE_KB} kB")
            if NOT_FOR_READERS.search(output.get("text", "") + str(data.get("text/plain", ""))):
                found.append("an output holds an absolute path or a progress bar")
    return found


def _small_png(encoded: str) -> str:
    picture, small = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"), io.BytesIO()
    picture.thumbnail((WIDEST_PX, WIDEST_PX))
    picture.save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="run nothing; fail where a stored notebook is stale")
    check, paths = parser.parse_args().check, sorted(FOLDER.glob("*.ipynb"))
    if not check:
        os.environ["SPINE_TF_QUIET"] = "1"
        for path in paths:
            print(path.name, flush=True)
            refresh(path)
    found = [f"{path.name}: {fault}" for path in paths for fault in faults(path)]
    total_kb = sum(path.stat().st_size for path in paths) / 1000
    if total_kb > TOTAL_KB:
        found.append(f"the notebooks have {total_kb:.0f} kB, more than {TOTAL_KB}")
    for fault in found:
        print(f"error: {fault}; `make notebooks` stores them anew", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
