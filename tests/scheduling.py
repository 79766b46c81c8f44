"""Which of several processes runs which tests."""

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # xdist has no types


class FilesTogether(LoadScopeScheduling):  # type: ignore[misc]  # a subclass of what has no types
    """Gives each process whole files, in order; the page's tests to one of them, because one browser serves them."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tests/web" if file.startswith("tests/web/") else file
