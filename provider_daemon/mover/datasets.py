"""Inputs that are at the site already: `site:<name>`, from the operator's list.

They are symbolic links. A hard link would let a job change the operator's file, and a copy of a large dataset
for every job would fill the file system.
"""

from collections.abc import Mapping

import structlog

from provider_daemon.mover.ports import Site, SourceProblem
from provider_daemon.site_files.values import NotAllowed, NotThere
from provider_daemon.sources.inputs import Input
from provider_daemon.sources.refusals import InputRefusal, InputRefused

log = structlog.get_logger("provd.mover")


class Datasets:
    """`listed`: name -> absolute path at the site."""

    def __init__(self, listed: Mapping[str, str], site: Site) -> None:
        self._listed = listed
        self._site = site

    async def put(self, source: Input, root: str, target: str) -> None:
        """Links the dataset to `target`, a path below `root`. Raises InputRefused and Transient."""
        path = self._listed.get(source.uri.removeprefix("site:"))
        if path is None:
            raise InputRefused(InputRefusal.URI, f"{source.name}: this cluster has no such dataset")
        if source.encrypted:
            raise InputRefused(
                InputRefusal.CONTENT, f"{source.name}: a dataset of the site cannot be declared as encrypted"
            )
        try:
            await self._site.symlink(path, root, target)
            await self._check(source, path)
        except NotThere:
            log.error(
                "dataset_missing",
                dataset=source.name,
                path=path,
                next="jobs with this dataset wait; restore the path, or correct the datasets in provd.toml",
            )
            raise SourceProblem(
                f"{source.name}: the dataset is missing at the site; the operator must restore it"
            ) from None

    async def _check(self, source: Input, path: str) -> None:
        """Compares a checksum that the customer declared, although the operator's list has none."""
        if source.sha256 is None:
            return
        parent, _, last = path.rstrip("/").rpartition("/")
        try:
            found = await self._site.sha256(f"{parent}/", last)
        except NotAllowed as error:
            raise InputRefused(
                InputRefusal.CHECKSUM, f"{source.name}: the dataset's checksum cannot be computed: {error}"
            ) from None
        if found != source.sha256:
            raise InputRefused(
                InputRefusal.WRONG_CHECKSUM, f"{source.name}: the dataset's SHA-256 is not {source.sha256}"
            )
