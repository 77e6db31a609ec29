"""How tests are shared out among processes: a file to one of them, and all notebooks, which share a run, to one."""

from xdist.scheduler import LoadFileScheduling


class Files(LoadFileScheduling):
    """`--dist loadfile`, with the notebooks as if they were one file."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "notebooks" if file.endswith(".ipynb") else file


def pytest_xdist_make_scheduler(config, log):
    return Files(config, log)
