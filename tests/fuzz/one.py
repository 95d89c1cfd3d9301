"""Fuzzes one target for some seconds: `python -m tests.fuzz.one TARGET SECONDS`.

With atheris, which is guided by the coverage of the code, if it can be imported; otherwise with hypothesis. A
bad input is stored as tests/fuzz/found/TARGET-<hash>, and the exit status is then not 0.
"""

import hashlib
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

HERE = Path(__file__).parent
MAX_BYTES = 4096


def main(name: str, seconds: int) -> None:
    found = HERE / "found"
    found.mkdir(exist_ok=True)
    try:
        import atheris  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        _with_hypothesis(name, seconds, found)
        return
    with atheris.instrument_imports(include=["provider_daemon"]):
        from tests.fuzz import targets
    with tempfile.TemporaryDirectory() as grown:
        options = [f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", f"-artifact_prefix={found}/{name}-"]
        atheris.Setup(
            [sys.argv[0], *options, "-verbosity=0", grown, str(HERE / "corpus" / name)],
            lambda data: targets.run(name, data),
        )
        atheris.Fuzz()


def _with_hypothesis(name: str, seconds: int, found: Path) -> None:
    from tests.fuzz import targets

    corpus = [path.read_bytes() for path in sorted((HERE / "corpus" / name).iterdir())]
    inputs = st.binary(max_size=MAX_BYTES) | _changed(corpus)

    def one(data: bytes) -> None:
        try:
            targets.run(name, data)
        except BaseException:
            (found / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}").write_bytes(data)
            raise

    for data in corpus:
        one = example(data)(one)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))(
            given(inputs)(one)
        )()


def _changed(corpus: list[bytes]) -> SearchStrategy[bytes]:
    """Inputs of the corpus with a part replaced."""
    return st.builds(
        lambda data, start, length, new: (
            data[: start % (len(data) + 1)] + new + data[start % (len(data) + 1) + length :]
        ),
        st.sampled_from(corpus),
        st.integers(0, MAX_BYTES),
        st.integers(0, 64),
        st.binary(max_size=64),
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
