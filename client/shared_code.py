"""Takes into the wheel what the client shares with the services: the reader and the rules, as `rollcall._shared`.

There is one copy of them in the tree, below `shared`. A wheel that brought a package of that name would be in the way
of everybody else's, so its imports, and the client's own, are written anew on the way.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The reader and the rules, and the leaves that they and the client import.
SHARED = ("__init__.py", "rows", "errors.py", "duplicate_mode.py", "upload_status.py", "version.py")
_import = re.compile(r"^(\s*)(from|import) shared\b", re.MULTILINE)


class SharedCode(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        here = Path(self.root)
        # Beside the client in a checkout, within it in a source distribution, which is made first.
        shared = next(each for each in (here / "shared", here.parent / "shared") if (each / "rows").is_dir())
        if self.target_name == "sdist":
            build_data["force_include"].update({str(shared / name): f"shared/{name}" for name in SHARED})
            return
        self._folder = tempfile.TemporaryDirectory()
        package = Path(self._folder.name) / "rollcall"
        _copy(here / "rollcall", package)
        for name in SHARED:
            _copy(shared / name, package / "_shared" / name)
        for file in package.rglob("*.py"):
            file.write_text(_import.sub(r"\1\2 rollcall._shared", file.read_text()))
        build_data["force_include"][str(package)] = "rollcall"


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
