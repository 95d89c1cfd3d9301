"""The file of the mover's database. Pure."""

from provider_daemon.sqlite_file import OwnedFile

FILE = OwnedFile(
    key="data.path",
    owner="provd mover",
    title="the mover's database",
    package="provider_daemon.transfers",
    version=2,
    users="provd mover, provd run and provd gateway",
)
