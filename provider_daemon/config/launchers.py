"""Detects image launchers that would parse a customer's words as options or as shell code. Pure."""

from collections.abc import Sequence

from provider_daemon.job.words import SHELLS, TEXT_FOLLOWS

PERMUTING = frozenset({"ch-run"})  # accept options anywhere before --, measured on charliecloud 0.31
PARSE_AGAIN = frozenset({"ssh", "eval", "parallel", "xargs", "watch", "screen", "tmux"})


def launcher_problem(words: Sequence[str]) -> str:
    """Returns '' if the launcher passes its arguments on unchanged."""
    names = [word.rpartition("/")[2] for word in words]
    if again := sorted(PARSE_AGAIN.intersection(names[:1])):
        return f"{again[0]} passes its arguments to a shell: a customer's arguments would run as commands"
    if late := [
        name for number, name in enumerate(names) if name in PERMUTING and "--" not in words[number:]
    ]:
        return f"{late[0]} also parses options after the program: add -- as the last word"
    if "--multi-prog" in words:
        return "--multi-prog is not allowed: it reads the program as a configuration file"
    if not words:
        return ""
    shell = False
    for name, word, following in zip(names, words, [*words[1:], None], strict=True):
        shell = shell or name in SHELLS
        if not (shell and TEXT_FOLLOWS.fullmatch(word)):
            continue
        if following is None:
            return f'{word} must be followed by a shell script that runs "$@"'
        if "{image}" in following:
            return "{image} is not allowed inside a shell script: pass it as an argument after the script"
    return ""
