"""The daemon's side of the control socket: what an operation works with, and which loops it wakes."""

from collections.abc import Mapping

from provider_daemon import __version__
from provider_daemon.chain.keys import Signer
from provider_daemon.config.control import socket_path
from provider_daemon.config.model import Config
from provider_daemon.control.daemon import DaemonDescription
from provider_daemon.control.operation import Context
from provider_daemon.control.server import ControlSocket
from provider_daemon.daemon.loops import LoopSet
from provider_daemon.daemon.reload import Reload
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ports import Clock


def control_socket(
    config: Config,
    reload: Reload,
    ledger: Ledger,
    clock: Clock,
    loop_set: LoopSet,
    signers: Mapping[str, Signer],
    runtime_directory: str,
) -> ControlSocket:
    """`signers`: by key name. `runtime_directory`: systemd's for this service, "" without systemd."""
    used = {name: signer for name, signer in signers.items() if signer.address in loop_set.addresses}
    public_keys = {signer.address: signer.public_key for signer in used.values()}

    def describe() -> DaemonDescription:
        return DaemonDescription(
            version=__version__,
            chain_id=config.chain.id,
            ledger=config.ledger.path,
            ledger_id=ledger.id,
            clusters=tuple(cluster.id for cluster in config.clusters),
            keys={address: key.hex() for address, key in public_keys.items()},
            key_names={name: signer.address for name, signer in used.items()},
        )

    def context(operator: str) -> Context:
        return Context(ledger, reload.running, operator, clock.now(), public_keys, used)

    path = socket_path(config.control, config.ledger.path, runtime_directory)
    return ControlSocket(path, describe, context, loop_set.wake)
