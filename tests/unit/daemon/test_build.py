"""From the configuration to the settings of a served cluster."""

from fractions import Fraction

import pytest

from provider_daemon.chain.sign import LocalSigner
from provider_daemon.config.model import PaymentConfig
from provider_daemon.daemon.build import served_cluster
from provider_daemon.job.payment import PaymentMode, PaymentPolicy
from tests.unit.doctor.healthy import CONFIG

SIGNER = LocalSigner(bytes(31) + b"\1")


@pytest.mark.parametrize("mode", PaymentMode)
def test_what_must_be_paid(mode: PaymentMode) -> None:
    """The share is exactly what the file says, as no binary fraction can be."""
    payment = PaymentConfig(mode=mode.value, share=0.1)
    cluster = CONFIG.clusters[0].model_copy(update={"payment": payment})
    found = served_cluster(cluster, SIGNER, max_gas=0).payment
    assert (found.mode, Fraction(found.share), found.needed(10**18 + 1)) == (
        mode,
        Fraction(1, 10),
        10**17 + 1,
    )


def test_everything_must_be_paid_by_default() -> None:
    found = served_cluster(CONFIG.clusters[0], SIGNER, max_gas=0).payment
    assert (
        (found.mode, found.needed(7))
        == (PaymentMode.AUTO, 7)
        == (PaymentPolicy().mode, PaymentPolicy().needed(7))
    )
