"""Links to an operator's datasets."""

from pathlib import Path

import pytest

from provider_daemon.site_files.files import SiteFiles
from provider_daemon.site_files.values import NotAllowed, NotThere
from provider_daemon.slurm.local import LocalTransport


async def test_symlink(tmp_path: Path) -> None:
    """A link to what exists, below directories that are made; it is removed without its target."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a").write_text("A")
    (tmp_path / "work").mkdir()
    files = SiteFiles(LocalTransport())
    root, source = f"{tmp_path}/work/", f"{tmp_path}/data"
    try:
        await files.symlink(source, root, "staged/job/genomes")
        link = tmp_path / "work/staged/job/genomes"
        assert link.readlink() == tmp_path / "data"
        with pytest.raises(NotAllowed):
            await files.symlink(source, root, "staged/job/genomes")
        with pytest.raises(NotThere):
            await files.symlink(f"{tmp_path}/none", root, "other")
        with pytest.raises(NotAllowed):
            await files.symlink("data", root, "other")
        await files.remove(root, "staged")
        assert not link.parent.exists()
        assert (tmp_path / "data/a").read_text() == "A"
    finally:
        await files.close()
