"""Prepares the Python interpreter of a command, whatever folder and locale it is started in.

This module runs before anything else is imported. It must not import more than `os` and `sys`:
until it has run, the name of a library may stand for a file of the current folder.
"""

import os
import sys

PACKAGE_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120


def prepare() -> None:
    """Prepares this process and, by the environment, every process that it starts."""
    use_utf8()
    leave_out_current_folder()
    # Without a name, a terminal is taken for one that can do everything.
    if not os.environ.get("TERM"):
        os.environ["TERM"] = "dumb"


def use_utf8() -> None:
    """Makes file names, files and output UTF-8 in every locale.

    Python decides that when it starts, so the process begins again if the locale is another one.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def leave_out_current_folder() -> None:
    """Keeps Python from importing files of the current folder, here and in child processes.

    The folder gets onto the path by ``python -m`` and by an empty, relative or equal entry of
    ``PYTHONPATH``. It stays there if this package is imported from it.
    """
    try:
        current = os.getcwd()  # noqa: PTH109
    except OSError:  # it was deleted
        current = ""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    named = [os.path.abspath(entry) if current or entry[:1] == "/" else "" for entry in entries]  # noqa: PTH100
    kept = [entry for entry in named if entry and not _is_current(entry, current)]
    if "PYTHONPATH" in os.environ:
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(kept))
    os.environ["PYTHONSAFEPATH"] = "1"
    is_on_path = not sys.flags.safe_path or len(kept) < len(named)
    if is_on_path:
        sys.path[:] = [entry for entry in sys.path if entry and not _is_current(entry, current)]


def _is_current(entry: str, current: str) -> bool:
    """Returns whether an entry of the path is the current folder and not that of this package."""
    if not current:
        return False
    real = os.path.realpath(entry)
    return real == os.path.realpath(current) and real != os.path.realpath(PACKAGE_ROOT)
