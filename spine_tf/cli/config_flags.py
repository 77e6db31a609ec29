"""Reads a config from command-line flags, by tyro: typed, explained by the fields' docstrings, unknown ones refused."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from spine_tf.config import ENCODER_FIELDS, PRESETS, Config, config_from_dict, idle_fields
from spine_tf.config.old_names import RENAMED, REPLACED
from spine_tf.support.json_reading import read_json


@dataclass(frozen=True)
class _Start:
    preset: Literal["paper", "small", "tiny"] | None = None
    config: Path | None = None


def parse_config(
    args: list[str] | None = None,
    default_preset: str = "small",
    extra: type | None = None,
    description: str = "",
    prog: str | None = None,
):
    """Read a Config: the preset first, over it the JSON file of `--config`, over both the single flags.

    Where `extra` has the fields `run` and `resume`, a resumed run's own config.json stands in for `--config`.

    Args:
        args: without the program's name; None takes those of the process.
        default_preset: where neither a flag nor the file names one.
        extra: a dataclass of further flags (the sub-command's own), returned beside the config.
        prog: what its usage calls the program; None: the file that was started.

    Returns:
        Config, or (Config, extra instance).

    Raises:
        SystemExit: 2 with a message, for unknown flags, ill-typed or refused values, an unreadable file.

    Example:
        >>> parse_config(["--preset", "tiny", "--epochs", "3"]).train.epochs
        3
    """
    args = current_flags(sys.argv[1:] if args is None else args)
    wanted = [a for a in args if a not in ("-h", "--help")]
    start, _ = tyro.cli(_Start, args=wanted, return_unknown_args=True, add_help=False)
    try:
        path = start.config or _resumed_config(wanted, extra)
        values = read_json(path) if path else {}
        preset = start.preset or values.get("preset", default_preset)
        if preset not in PRESETS:
            raise ValueError(f"preset must be one of {sorted(PRESETS)}. Received: preset={preset!r}")
        base = config_from_dict(values | {"preset": preset}, PRESETS[preset])
        parsed = _parse(args, base, extra, description, prog)
        _refuse_idle(args, (parsed[0] if extra else parsed).model.architecture)
        return parsed
    except (ValueError, TypeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def current_flags(args: Sequence[str]) -> list[str]:
    """Give flags that older versions had the names they have today (`config.old_names`).

    Example:
        >>> current_flags(["--max-steps", "20", "--window_cases=4", "--mixed-precision"])
        ['--max-positions', '20', '--cases-open=4', '--precision', 'mixed_float16']

    Raises:
        SystemExit: 2 with a message, for a switch of before beside the flag that replaced it.
    """
    made, replaced = [], set()
    for arg in args:
        flag, equals, value = arg.partition("=")
        name = flag.removeprefix("--").replace("-", "_") if flag.startswith("--") else ""
        switch = name.removeprefix("no_")
        if name in RENAMED:
            made.append(f"--{RENAMED[name].replace('_', '-')}{equals}{value}")
        elif switch in REPLACED and not equals:
            today, meanings = REPLACED[switch]
            made += [f"--{today.replace('_', '-')}", meanings[switch == name]]
            replaced.add(today)
        else:
            made.append(arg)
    for today in sorted(replaced):
        if sum(word.partition("=")[0] == f"--{today}" for word in made) > 1:
            print(f"error: {today} must be given once. Received: {' '.join(args)}", file=sys.stderr)
            raise SystemExit(2)
    return made


def _resumed_config(args: list[str], extra: type | None) -> Path | None:
    """Find the config.json of the run that the flags ask to resume; None without one."""
    if not {"run", "resume"} <= set(getattr(extra, "__dataclass_fields__", ())):
        return None
    own, _ = tyro.cli(extra, args=args, return_unknown_args=True, add_help=False)
    path = own.run / "config.json"
    return path if own.resume and path.exists() else None


def _refuse_idle(args: list[str], architecture: str) -> None:
    """Refuse an encoder that the architecture does not read: presets set both, so that ModelConfig has to let it be."""
    given = {arg.partition("=")[0].replace("_", "-") for arg in args}
    for name in sorted(idle_fields(architecture).intersection(ENCODER_FIELDS)):
        flag = f"--{name.replace('_', '-')}"
        if flag in given:
            raise ValueError(f"{flag} is not read by architecture={architecture!r}. Received: {flag}")


def _parse(args: list[str], base: Config, extra: type | None, description: str, prog: str | None):
    @dataclass(frozen=True)
    class Flags:
        run: tyro.conf.OmitArgPrefixes[Config]
        own: tyro.conf.OmitArgPrefixes[extra or _Nothing]
        config: Annotated[Path | None, tyro.conf.arg(help="JSON file with any part of a run's config.json.")] = None

    flags = tyro.cli(
        Flags,
        args=args,
        prog=prog,
        default=Flags(base, (extra or _Nothing)()),
        description=description,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    return (flags.run, flags.own) if extra else flags.run


@dataclass(frozen=True)
class _Nothing:
    pass
