"""sbatch's options and directives, as the simulated site reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.lab.simulated.model import Failure
from provider_daemon.lab.simulated.submission import minutes, request


def asked(script: str, *argv: str):  # type: ignore[no-untyped-def]
    return request(argv, script.encode(), "/home/me", {"PATH": "/bin", "A": "b"})


def test_directives_end_at_the_first_command() -> None:
    """#SBATCH lines count until the first command; the command line wins over them."""
    found = asked(
        (
            "#!/bin/sh\n#SBATCH --job-name=one\n#SBATCH -N 2\n# a remark\n#SBATCH --mem=2G\ntrue\n#SBATCH "
            "--nodes=4\n"
        ),
        "-J",
        "two",
    )
    assert (found.name, found.nodes, found.mebibytes) == ("two", 2, 2048)


def test_what_the_daemon_asks_for() -> None:
    """Amounts are for each node."""
    options = (
        "--nodes=2",
        "--ntasks-per-node=1",
        "--cpus-per-task=4",
        "--gres=gpu:a100:2",
        "--no-requeue",
        "--time=90",
    )
    found = asked("#!/bin/bash\n" + "".join(f"#SBATCH {option}\n" for option in options))
    assert (found.cpus, found.gpus, found.gpu_type, found.minutes, found.requeue) == (4, 2, "a100", 90, False)
    assert found.mebibytes == 4096  # DefMemPerCPU


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("1:30", 2), ("1:00", 1), ("1:30:00", 90), ("2-0", 2880), ("1-12", 2160), ("0-00:01:30", 2)],
)
def test_time(text: str, expected: int) -> None:
    """Every way to write a limit, in whole minutes, rounded up."""
    assert minutes(text) == expected


@pytest.mark.parametrize(
    ("script", "argv", "words", "code"),
    [
        ("", (), "Batch script is empty!", 1),
        ("echo hi\n", (), "This does not look like a batch script", 1),
        ("#!/bin/sh\n", ("-t", "xx"), "Invalid --time specification", 255),
        ("#!/bin/sh\n", ("--bogus=1",), "unrecognized option '--bogus=1'", 255),
        ("#!/bin/sh\n", ("--gres=card:1",), "Invalid generic resource (gres) specification", 1),
    ],
)
def test_refusals(script: str, argv: tuple[str, ...], words: str, code: int) -> None:
    """sbatch's own words and exit codes."""
    with pytest.raises(Failure) as caught:
        asked(script, *argv)
    assert words in caught.value.text
    assert caught.value.code == code


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_time_agrees_with_itself(days: int, hours: int, minute: int, second: int) -> None:
    """Days, hours, minutes and seconds add up."""
    assert minutes(f"{days}-{hours}:{minute}:{second}") == days * 1440 + hours * 60 + minute + (second > 0)
