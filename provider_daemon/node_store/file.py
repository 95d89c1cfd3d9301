"""The file of the collector's database."""

from provider_daemon.sqlite_file import OwnedFile

FILE = OwnedFile(
    key="collector.path",
    owner="provd collector",
    title="the collector's database",
    package="provider_daemon.node_store",
    version=1,
    users="provd collector and provd run",
)
