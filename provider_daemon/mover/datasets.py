"""Inputs that are at the site already: `site:<name>`, from the operator's list."""

from collections.abc import Mapping

from provider_daemon.mover.ports import Site
from provider_daemon.sources.inputs import Input
from provider_daemon.sources.refusals import InputRefusal, InputRefused


class Datasets:
    """`listed`: name -> absolute path at the site. `work_root` ends with "/"."""

    def __init__(self, listed: Mapping[str, str], work_root: str, site: Site) -> None:
        self._listed = listed
        self._root = work_root
        self._site = site

    async def put(self, source: Input, target: str) -> None:
        """Puts the dataset at `target`, a path below work_root. Raises InputRefused."""
        path = self._listed.get(source.uri.removeprefix("site:"))
        if path is None:
            raise InputRefused(InputRefusal.URI, f"{source.name}: this cluster has no such dataset")
        if source.encrypted:
            raise InputRefused(InputRefusal.CONTENT, f"{source.name}: datasets of the site are not encrypted")
        await self._site.place(path, self._root, target)
        if source.sha256 is not None and await self._site.sha256(self._root, target) != source.sha256:
            raise InputRefused(
                InputRefusal.WRONG_CHECKSUM, f"{source.name}: the dataset's SHA-256 is not {source.sha256}"
            )
