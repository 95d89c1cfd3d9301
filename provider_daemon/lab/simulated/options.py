"""Command lines of the querying programs: squeue, sacct, scontrol, scancel, sinfo."""

from collections.abc import Iterator, Sequence

from provider_daemon.lab.simulated.model import Failure

Options = dict[str, str]

# program: (flags, options with a value), short form -> long name. An option without a short form stands under
# its long name; "--" is an alternative key to "".
FLAGS: dict[str, dict[str, str]] = {
    "squeue": {"h": "noheader", "a": "all", "": "me"},
    "sacct": {
        "X": "allocations",
        "D": "duplicates",
        "n": "noheader",
        "P": "parsable2",
        "p": "parsable",
        "a": "allusers",
        "": "noconvert",
    },
    "scontrol": {"o": "oneliner"},
    "scancel": {"Q": "quiet", "f": "full", "v": "verbose"},
    "sinfo": {"h": "noheader", "N": "Node"},
    "sdiag": {},
    "sacctmgr": {},
}
VALUED: dict[str, dict[str, str]] = {
    "squeue": {
        "o": "format",
        "O": "Format",
        "t": "states",
        "j": "jobs",
        "n": "name",
        "u": "user",
        "A": "account",
    },
    "sacct": {
        "o": "format",
        "s": "state",
        "j": "jobs",
        "S": "starttime",
        "E": "endtime",
        "u": "user",
        "A": "accounts",
        "": "name",
        "--": "delimiter",
    },
    "scontrol": {},
    "scancel": {"n": "name", "t": "state", "u": "user"},
    "sinfo": {"o": "format", "p": "partition", "n": "nodes"},
    "sdiag": {},
    "sacctmgr": {},
}


def read(program: str, argv: Sequence[str]) -> tuple[Options, list[str]]:
    """Returns the options by their long names, and all other arguments, in any order.

    Raises Failure as the programs do.
    """
    found: Options = {}
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if name in FLAGS[program].values():
                found[name] = ""
            elif name in VALUED[program].values():
                found[name] = value if equals else next(words, "")
            else:
                raise _unknown(program, f"unrecognized option '{word}'")
        elif word.startswith("-") and len(word) > 1:
            _short(program, word[1:], words, found)
        else:
            rest.append(word)
    return found, rest


def _short(program: str, letters: str, words: Iterator[str], found: Options) -> None:
    for position, letter in enumerate(letters, 1):
        if letter in FLAGS[program]:
            found[FLAGS[program][letter]] = ""
        elif letter in VALUED[program]:
            found[VALUED[program][letter]] = letters[position:] or next(words, "")
            return
        else:
            raise _unknown(program, f"invalid option -- '{letter}'")


def _unknown(program: str, what: str) -> Failure:
    return Failure(f'{program}: {what}\nTry "{program} --help" for more information\n')


def split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
