"""Names what a user can act on: one family of errors, whose messages are one line.

An argument that a function does not take stays a plain ValueError, as in Keras. All of these are ValueErrors too, so
`except ValueError` catches both.
"""


class SpineError(ValueError):
    """What a user can act on; its message is one line that names what is wrong.

    Example:
        >>> issubclass(ScanError, SpineError), issubclass(SpineError, ValueError)
        (True, True)
    """


class ScanError(SpineError):
    """A scan or a mask that is refused; the message names the file, what was expected and what was received.

    Example:
        >>> from spine_tf.scans import read_scan
        >>> try:
        ...     read_scan("absent.nii.gz")
        ... except ScanError as error:
        ...     print("absent.nii.gz" in str(error))
        True
    """


class OutputError(SpineError):
    """Files that cannot be written: no folder, no right, no room, or a place that is taken by somebody else's file."""


class ShardError(SpineError):
    """Shards that cannot be trained on; the message names the file and, where it is one case's fault, the case."""


class ModelError(SpineError):
    """A model that cannot be loaded: it is missing, damaged, unsafe, or not made by this package.

    Example:
        >>> issubclass(ModelError, SpineError)
        True
    """


class ServerError(SpineError):
    """A model server that does not answer, or refuses the request."""


class RunError(SpineError):
    """A run's folder that does not hold what is needed, or holds a run of other settings.

    Example:
        >>> issubclass(RunError, SpineError)
        True
    """


class WorkerError(SpineError):
    """Another worker is missing, was lost, or trains something else."""


class MakerError(SpineError):
    """A process that makes scans during training has ended."""


class DownloadError(SpineError):
    """Files that cannot be downloaded or kept: no network, no pip, no place, or another content than the pinned one."""


class CheckpointRefused(SpineError):
    """A PyTorch file that is no checkpoint of tensors and dicts alone, or not a whole one."""


class ExportRefused(SpineError):
    """A required product that is past its limit; `rows` are the figures of all products."""

    def __init__(self, message: str, rows: list[dict]):
        super().__init__(message)
        self.rows = rows
