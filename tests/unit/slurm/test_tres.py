"""SLURM's notations for amounts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import Unreadable
from provider_daemon.slurm import tres


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("8G", 8192),
        ("1536M", 1536),
        ("1536.50M", 1536),
        ("1.50G", 1536),
        ("2T", 2 * 1024**2),
        ("1P", 1024**3),
        ("512", 512),
        ("2048K", 2),
        ("0", 0),
    ],
)
def test_memory(text: str, mib: int) -> None:
    """Every suffix, fractions dropped below a MiB, a bare number in MiB."""
    assert tres.mebibytes(text) == mib


@pytest.mark.parametrize("text", ["", "8 G", "G", "-1M", "1e3M", "8X"])
def test_amount_that_is_none(text: str) -> None:
    """An amount is never guessed."""
    with pytest.raises(Unreadable):
        tres.mebibytes(text)


@given(st.integers(0, 10**12))
def test_memory_is_exact(mib: int) -> None:
    """Whole MiB come back whole, however large: no float is involved."""
    assert tres.mebibytes(f"{mib}M") == mib
    assert tres.mebibytes(f"{mib}G") == mib * 1024


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("cpu=4,gres/gpu=2", (("", 2),)),
        ("cpu=4,gres/gpu:a100=2", (("a100", 2),)),
        ("gres/gpu=2,gres/gpu:a100=2", (("a100", 2),)),
        ("gres/gpu:a100=2,gres/gpu=3", (("", 1), ("a100", 2))),
        ("gres/gpu=4,gres/gpu:a100=1,gres/gpu:h100=3", (("a100", 1), ("h100", 3))),
        ("cpu=4,mem=8G", ()),
        ("", ()),
        ("(null)", ()),
        ("gres/gpu=0,gres/gpu:a100=0", ()),
        ("gres/gpumem=80G,gres/gpu=1", (("", 1),)),
    ],
)
def test_gpus_of_tres(text: str, gpus: tuple[tuple[str, int], ...]) -> None:
    """Typed and untyped rows name the same cards: none is counted twice, none lost."""
    assert tres.gpus(tres.tres(text)) == gpus


@given(st.dictionaries(st.sampled_from(["a100", "h100", "mi300x"]), st.integers(1, 64)), st.integers(0, 9))
def test_gpu_count_is_the_total(typed: dict[str, int], rest: int) -> None:
    """However a site names its GPUs, the sum is gres/gpu's."""
    total = sum(typed.values()) + rest
    text = ",".join([f"gres/gpu={total}", *(f"gres/gpu:{name}={number}" for name, number in typed.items())])
    assert sum(number for _, number in tres.gpus(tres.tres(text))) == total


@pytest.mark.parametrize("text", ["cpu", "cpu=", "=4", "cpu=4,,mem=1G", "cpu=4,mem"])
def test_cut_tres(text: str) -> None:
    """A TRES list that was cut is unreadable, not smaller."""
    with pytest.raises(Unreadable):
        tres.tres(text)


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("gpu:a100:4(S:0-1)", (("a100", 4),)),
        ("gpu:2", (("", 2),)),
        ("gpu:a100:2,gpu:h100:1(IDX:0),nic:1", (("a100", 2), ("h100", 1))),
        ("gpu:a100", (("a100", 1),)),
        ("gpu:4090:2", (("4090", 2),)),
        ("gpu:4090:2(S:0),gpu:1g.10gb:7", (("1g.10gb", 7), ("4090", 2))),
        ("gpu", (("", 1),)),
        ("gpu:a100:2(S:0,2-3),gpu:a100:2(S:1)", (("a100", 4),)),
        ("(null)", ()),
        ("", ()),
        ("shard:8,gpumem:4", ()),
    ],
)
def test_gpus_of_gres(text: str, gpus: tuple[tuple[str, int], ...]) -> None:
    """A node's gres, with sockets, several types, and gres that are no GPUs."""
    assert tres.gres_gpus(text) == gpus


@given(st.integers(1, 400 * 24 * 3600))
def test_elapsed(seconds: int) -> None:
    """SLURM's D-HH:MM:SS comes back to the second, also over 31 days."""
    days, rest = divmod(seconds, 86400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    assert tres.elapsed_seconds(f"{days}-{clock}" if days else clock) == seconds
    assert tres.elapsed_seconds(str(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0:04", 4), ("12:34", 754), ("1-02", 93600), ("1-02:03", 93780), ("INVALID", 0), ("", 0)],
)
def test_elapsed_short_forms(text: str, seconds: int) -> None:
    """squeue leaves out what is zero on the left."""
    assert tres.elapsed_seconds(text) == seconds
