"""Makes the virtual environment of the comparison, in `target/`, from the versions in requirements.txt. Prints its Python."""

import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE.parent.parent / "target" / "python-benches"
REQUIREMENTS = HERE / "requirements.txt"


def python():
    """Its interpreter; made, or made anew, if its packages are not those asked for."""
    asked, made = REQUIREMENTS.read_text(), HOME / "requirements.txt"
    found = HOME / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not made.exists() or made.read_text() != asked:
        venv.create(HOME, clear=True, with_pip=True)
        subprocess.run([found, "-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS], check=True)
        made.write_text(asked)
    return found


if __name__ == "__main__":
    if sys.version_info < (3, 11):
        sys.exit("Python 3.11 or newer: asyncio's task groups and timeouts are that young")
    print(python())
