"""Runs `spine-tf NAME ...`: reads the sub-command's flags, and makes an exit code of what it returns or raises.

A sub-command is a module beside this one: its docstring is its help, `Flags` what it takes, `run` what it does. One
whose flags depend on a file has `parse(args, prog)`, which gives the arguments of `run`, its `Flags` last.
"""

import difflib
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from spine_tf._version import __version__
from spine_tf.cli.common import DONE, INTERRUPTED, USAGE
from spine_tf.support.progress import quieted

SUMMARIES = {
    "predict": "segment scans: mask, picture and report of each",
    "predict-many": "segment thousands of scans with Ray Data",
    "train": "train a network",
    "evaluate": "score a run on its held-out cases, or a folder of masks",
    "score-verse": "score label maps, or masks, as VerSe does",
    "prune": "prune a trained run's network, and fine-tune what is left",
    "export": "export a network: SavedModel and LiteRT files, compared with Keras",
    "prepare": "decode a VerSe root once into TFRecord shards",
    "reproduce": "make the paper's tables and figures",
    "demo": "train for minutes, score it, segment a full-size CT",
    "ablate": "measure what each part of the shipped model's recipe is worth",
    "leave-one-out": "train the shipped model's recipe with each real patient left out",
    "gpu-check": "check how this machine trains, and how fast",
    "describe": "print what a network consists of, and draw it",
    "fetch-weights": "fetch pretrained weights ahead of training",
    "import-case": "bring a CT and its label map into VerSe's layout",
    "make-phantoms": "make synthetic CT spines in VerSe's layout",
    "make-synthetic": "make synthetic CTs from label maps and phantoms",
    "publish": "train the model that comes with spine_tf, score and publish it",
}
"""Sub-command -> what it does, in a line. Its module has underscores where its name has hyphens."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command `spine-tf`.

    Args:
        args: without the program's name; None takes those of the process.

    Returns:
        the exit code: one of `cli.common`.

    Example:
        >>> main(["--version"])
        spine-tf 0.1.0
        0
    """
    name, *rest = (sys.argv[1:] if args is None else args) or ["--help"]
    if name in ("-h", "--help"):
        print(_listing())
        return DONE
    if name == "--version":
        print(f"spine-tf {__version__}")
        return DONE
    if name not in SUMMARIES:
        close = difflib.get_close_matches(name, SUMMARIES)
        hint = f"did you mean {' or '.join(close)}?" if close else "spine-tf alone lists them"
        _complain(f"NAME must be a sub-command ({hint}). Received: {name}")
        return USAGE
    return run_command(name, rest, f"spine-tf {name}")


def run_command(name: str, args: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run one sub-command.

    Args:
        name: a key of SUMMARIES.
        args: its flags; None takes those of the process.
        prog: what its usage calls the program; None: the file that was started.

    Returns:
        the exit code: one of `cli.common`.

    Example:
        >>> run_command("make-phantoms", ["--count", "0"])
        0 phantoms in data/phantoms
        0
    """
    try:
        module = importlib.import_module(f"spine_tf.cli.{name.replace('-', '_')}")
        try:
            parsed = _parse(module, list(sys.argv[1:] if args is None else args), prog)
        except SystemExit as stop:  # of tyro, which has said what is wrong, or printed the help
            return USAGE if stop.code else DONE
        with quieted(parsed[-1].quiet):
            return module.run(*parsed)
    except ValueError as error:
        _complain(error)
        return USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _parse(module: ModuleType, args: list[str], prog: str | None) -> tuple:
    import tyro

    if hasattr(module, "parse"):
        return module.parse(args, prog)
    return (tyro.cli(module.Flags, args=args, prog=prog, description=module.__doc__),)


def _listing() -> str:
    width = max(map(len, SUMMARIES)) + 2
    lines = (f"  {name:{width}}{summary}" for name, summary in SUMMARIES.items())
    usage = "usage: spine-tf [--version] NAME [FLAGS ...]"
    return "\n".join([usage, "", *lines, "", "spine-tf NAME --help tells the flags of a sub-command."])


def _complain(message: object) -> None:
    print(f"error: {' '.join(str(message).splitlines())}", file=sys.stderr)
