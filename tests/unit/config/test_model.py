"""provd.toml: every mistake at once, each with file, line and key."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.config.model import SHAPES, default_toml, json_schema, load, parse
from provider_daemon.config.toml_lines import line_of, lines_of, shown
from provider_daemon.errors import ConfigError

GOOD = """\
[chain]
id = "test-1"
endpoints = ["127.0.0.1:9090"]

[keys.main]
kind = "credential"
name = "provd-key"

[[clusters]]
id = "HPC-1"
name = "alpha"
key = "main"
transport = "local"
region = "eu"
work_root = "/scratch"
"""

SECOND = """\

[[clusters]]
id = "HPC-2"
name = "beta"
key = "main"
region = "eu"
work_root = "/scratch"

[clusters.ssh]
host = "login"
user = "provd"
key_file = "/etc/provd/id"
known_hosts = "/etc/provd/known_hosts"
"""

BROKEN = """\
# five mistakes, in five tables
[chain]
id = "test-1"
endpoints = [
  "127.0.0.1:9090",
  "not an endpoint",
]

[keys.main]
kind = "floppy"

[[clusters]]
id = "HPC-1"
name = "alpha"
key = "main"
transport = "local"
region = "eu"
work_root = "/scratch"

[[clusters]]
id = "HPC-2"
name = "beta"
key = "main"
region = "eu"
work_root = "relative"
prologue = [
  "module purge", # [clusters.limits] in a comment is none
]

[clusters.ssh]
host = "login"
user = "provd"
key_file = "/etc/provd/id"
known_hosts = "/etc/provd/known_hosts"
port = 70000

[clusters.limits]
max_node = 4
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "provd.toml")
    return caught.value.problems


def places(text: str) -> list[str]:
    return [
        line.rsplit(": ", 1)[0] if line.count(": ") == 1 else ": ".join(line.split(": ")[:2])
        for line in problems(text)
    ]


def test_every_mistake_is_reported_at_once_on_its_line() -> None:
    """Five mistakes in five tables are five lines, in the order of the file."""
    assert places(BROKEN) == [
        "provd.toml:4: chain.endpoints[1]",
        "provd.toml:10: keys.main.kind",
        "provd.toml:25: clusters[1].work_root",
        "provd.toml:35: clusters[1].ssh.port",
        "provd.toml:38: clusters[1].limits.max_node",
    ]


def test_windows_lines_count_the_same() -> None:
    """A file from another system has the same mistakes on the same lines."""
    assert places(BROKEN.replace("\n", "\r\n")) == places(BROKEN)


def test_odd_characters_end_no_line() -> None:
    """What other tools take for a line's end is a character like any other in TOML."""
    text = '# \u2028 \x85\nodd = "a\u2028b"\n' + GOOD
    assert places(text) == ["provd.toml:2: odd"]


def test_good_files_load() -> None:
    """The smallest file, and one with a second cluster over SSH."""
    assert [cluster.id for cluster in parse(GOOD, "f").clusters] == ["HPC-1"]
    second = parse(GOOD + SECOND, "f").clusters[1]
    assert second.ssh is not None
    assert (second.transport, second.ssh.port) == ("ssh", 22)


def test_the_shipped_example_loads(tmp_path: Path) -> None:
    """What `provd config print-default` prints is without mistakes as it stands."""
    path = tmp_path / "provd.toml"
    path.write_text(default_toml())
    assert load(path).clusters[0].images[0].launcher == "bubblewrap"


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("[chain]", "chain.extra"),
        ("[keys.main]", "keys.main.extra"),
        ('name = "beta"', "clusters[1].extra"),
        ("[clusters.ssh]", "clusters[1].ssh.extra"),
    ],
)
def test_unknown_keys_are_mistakes(header: str, key: str) -> None:
    """A misspelt key is never silently without effect."""
    text = (GOOD + SECOND).replace(header, f"{header}\nextra = 1")
    line = text.splitlines().index("extra = 1") + 1
    assert places(text) == [f"provd.toml:{line}: {key}"]


@pytest.mark.parametrize(
    ("header", "wrong", "right"),
    [
        ("[chain]", "max_gaz", "max_gas"),
        ("[keys.main]", "pasphrase_file", "passphrase_file"),
        ('name = "beta"', "qoss", "qos"),
        ("[clusters.ssh]", "known_host", "known_hosts"),
        ("[chain]", "prologue", ""),
        ("[keys.main]", "xyz", ""),
    ],
)
def test_a_misspelt_key_is_told_the_right_one(header: str, wrong: str, right: str) -> None:
    """Of the keys of its own table; what is like none of them is only named."""
    (line,) = problems((GOOD + SECOND).replace(header, f"{header}\n{wrong} = 1"))
    assert line.endswith(f"unknown key; did you mean {right}?" if right else ": unknown key")


def test_missing_key_stands_with_its_table() -> None:
    """What is not there is reported on the line of the table that lacks it."""
    assert problems((GOOD + SECOND).replace('host = "login"\n', "")) == [
        "provd.toml:24: clusters[1].ssh.host: is required"
    ]


def test_every_shape_has_words() -> None:
    """No mistake is told by a regular expression."""
    patterns = re.findall(r'"pattern": ("[^"\n]*")', json_schema())
    of_keys = re.findall(r'"patternProperties": \{\s+("[^"\n]*")', json_schema())
    assert {json.loads(pattern) for pattern in (*patterns, *of_keys)} == set(SHAPES)
    (line,) = problems(GOOD.replace('work_root = "/', 'work_root = "'))
    assert line.endswith(
        "clusters[0].work_root: must be an absolute path of letters, digits, '.', '_', '@', '+', '=' and '-'"
    )


@pytest.mark.parametrize(
    ("good", "bad", "expected"),
    [
        ('key = "main"', 'key = "mian"', "provd.toml:12: clusters[0].key: [keys.mian] does not exist"),
        ('kind = "credential"\nname = "provd-key"', 'kind = "armor"', "requires path and passphrase_file"),
        ('"HPC-2"', '"HPC-1"', "provd.toml:18: clusters[1].id: 'HPC-1' is used twice"),
        ('"beta"', '"alpha"', "provd.toml:19: clusters[1].name: 'alpha' is used twice"),
        ('transport = "local"', "", "requires a [clusters.ssh] table"),
        (
            SECOND,
            f'{SECOND}[[clusters.images]]\npattern = "*"\n',
            "provd.toml:29: clusters[1].images[0]: a launcher is required; native = true alone",
        ),
        (
            SECOND,
            f'{SECOND}[[clusters.images]]\npattern = "*"\nrun = []\n',
            "provd.toml:31: clusters[1].images[0].run: a launcher is required; native = true alone",
        ),
        (
            SECOND,
            f'{SECOND}[[clusters.images]]\npattern = "*"\nrun = ["bwrap"]\nnative = true\n',
            "images[0].run: native = true does not allow run",
        ),
        (
            SECOND,
            f'{SECOND}[[clusters.images]]\npattern = "*"\nnative = true\nnetwork = true\n',
            "images[0]: network requires a launcher",
        ),
        (
            SECOND,
            f'{SECOND}[[clusters.images]]\npattern = "*"\nlauncher = "apptainer"\nnative = true\n',
            "provd.toml:31: clusters[1].images[0].launcher: native = true requires the launcher bubblewrap",
        ),
        (
            SECOND,
            f'{SECOND}[[clusters.images]]\npattern = "*"\nlauncher = "pyxis"\n',
            "images[0].launcher: pyxis cannot withhold the node's network",
        ),
        (
            SECOND,
            f'{SECOND}[[clusters.images]]\npattern = "*"\nlauncher = "pyxis"\nrun = ["srun"]\n',
            "images[0].launcher: either launcher or run is allowed",
        ),
        (
            'region = "eu"',
            'region = "eu"\npoll_seconds = 60',
            "report_margin_seconds: 30 is less than poll_seconds (60): otherwise the chain times the job out",
        ),
        (
            'region = "eu"',
            'region = "eu"\nreport_margin_seconds = 4',
            "provd.toml:15: clusters[0].report_margin_seconds: 4 is less than",
        ),
        (
            'known_hosts = "/etc/provd/known_hosts"',
            "",
            "exactly one of known_hosts and host_key_fingerprint is required",
        ),
        ('user = "provd"', f'user = "provd"\nhost_key_fingerprint = "SHA256:{"a" * 43}"', "exactly one of"),
    ],
)
def test_contradictions_are_mistakes(good: str, bad: str, expected: str) -> None:
    """What only several keys together show is reported like any other mistake."""
    (line,) = problems((GOOD + SECOND).replace(good, bad, 1))
    assert expected in line


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("127.0.0.1:9090", "127.0.0.1:65536"),
        ("127.0.0.1:9090", "http://a/b:1"),
        ('"/scratch"', '"/scratch; rm -rf /"'),
        ('"/scratch"', '"/scratch\\n"'),
        ('name = "alpha"', 'name = "al pha"'),
        ('region = "eu"', 'region = "eu"\nheartbeat_seconds = 600'),
        ('region = "eu"', 'region = "eu"\naccount = "provd --uid=0"'),
        ('region = "eu"', 'region = "eu"\npayment = {mode = "credit"}'),
        ('region = "eu"', 'region = "eu"\npayment = {share = 0}'),
        ('region = "eu"', 'region = "eu"\npayment = {share = 1.1}'),
        ("[keys.main]", '[metrics]\nlisten = "127.0.0.1:99999"\n[keys.main]'),
        ("[keys.main]", "[keys]\n[keys.main]\n[log]\nlevel = 3\n[keys.other]"),
    ],
)
def test_values_out_of_range_are_mistakes(good: str, bad: str) -> None:
    """What would only fail later, or reach a batch script, is refused at the start."""
    assert problems(GOOD.replace(good, bad))


def test_no_value_is_quoted_that_may_be_a_secret() -> None:
    """A mnemonic pasted into the file is refused without being printed."""
    text = GOOD.replace('name = "provd-key"', 'mnemonic = "abandon ability able"')
    assert problems(text)
    assert "ability" not in "".join(problems(text))


@pytest.mark.parametrize(
    ("text", "line"),
    [("[chain\n", 1), ("[chain]\nid = \n", 2), ("[chain]\n[chain]\n", 2), ('id = "a"\nid = "b"\n', 2)],
)
def test_broken_syntax_has_its_line(text: str, line: int) -> None:
    """What is no TOML at all is one mistake, where editors look for it."""
    (problem,) = problems(text)
    assert problem.startswith(f"provd.toml:{line}: ")


def test_unreadable_files_are_one_line(tmp_path: Path) -> None:
    """A file that is not there, or no text, is a mistake of the operator like any other."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, why in (
        ("missing", "no such file; use -c"),
        ("binary", "not UTF-8 text"),
        (".", "Is a directory"),
    ):
        with pytest.raises(ConfigError, match=why):
            load(tmp_path / name)


PARTS = ["chain", "keys", "main", "clusters", "ssh", "limits", "images", '"a.b"', "'c]'", "x"]
HEADERS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map(".".join)
STATEMENTS = st.one_of(
    HEADERS.map("[{}]".format),
    HEADERS.map("[[{}]]".format),
    HEADERS.map("{} = 1".format),
    HEADERS.map('{} = ["a", # ]\n  "b",\n]'.format),
    HEADERS.map('{} = """\n[no.header]\nno = key\n"""'.format),
    HEADERS.map("{} = {{ port = 1, host.name = 2 }}".format),
    st.just("# [comment]"),
    st.text(max_size=20),
)


@given(st.lists(STATEMENTS, max_size=12).map("\n".join))
def test_whatever_the_file_says_the_answer_is_lines(text: str) -> None:
    """Any text at all is either loaded or answered with lines of the file, never with a crash."""
    for problem in problems(text):
        number = problem.removeprefix("provd.toml:").split(":")[0]
        assert not number.isdigit() or 1 <= int(number) <= len(text.split("\n")) + 1


@given(st.lists(st.one_of(st.text(max_size=5), st.integers()), max_size=5).map(tuple))
def test_every_key_has_some_line(where: tuple[str | int, ...]) -> None:
    """A key that the file does not have stands with the nearest table that it has, or on the first line."""
    known = lines_of(GOOD + SECOND)
    assert 1 <= line_of(where, known) <= 28
    assert line_of(("clusters", 1, *where), known) >= 17
    assert isinstance(shown(where), str)


@pytest.mark.parametrize(
    ("host", "read"), [("[::1]", "::1"), ("::1", "::1"), ("login.example.org", "login.example.org")]
)
def test_an_address_in_brackets(host: str, read: str) -> None:
    """As it stands before a port, or alone: the host is the same."""
    ssh = parse(default_toml().replace('"login.example.org"', f'"{host}"'), "provd.toml").clusters[0].ssh
    assert ssh
    assert ssh.host == read


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ('account = "provd"', 'account = "abc@v100"'),
        ('# standard = "batch"', 'standard = "short,long"'),
        ('user = "provd"', 'user = "EXAMPLE\\\\jdoe"'),
        ('user = "provd"', 'user = "jdoe@example.org"'),
        ('user = "provd"', 'user = "_svc"'),
        ('work_root = "/scratch/provd"', 'work_root = "/gpfs/users/svc@site/work+1"'),
    ],
)
def test_names_of_real_sites(shown: str, real: str) -> None:
    """What SLURM and ssh accept is accepted."""
    text = default_toml()
    assert shown in text
    parse(text.replace(shown, real), "provd.toml")


@pytest.mark.parametrize(
    ("shown", "bad"),
    [
        ('account = "provd"', 'account = "-x"'),
        ('account = "provd"', 'account = "a b"'),
        ('account = "provd"', 'account = "a,b"'),
        ('account = "provd"', 'account = "a\\n#SBATCH --uid=0"'),
        ('# standard = "batch"', 'standard = "short,,long"'),
        ('user = "provd"', 'user = "-oProxyCommand=x"'),
        ('user = "provd"', 'user = "a\\\\b\\\\c"'),
        ('work_root = "/scratch/provd"', 'work_root = "/scratch/%j"'),
        ('host = "login.example.org"', 'host = "-oProxyCommand=x"'),
    ],
)
def test_names_that_would_be_taken_apart(shown: str, bad: str) -> None:
    text = default_toml()
    assert shown in text
    with pytest.raises(ConfigError):
        parse(text.replace(shown, bad), "provd.toml")
