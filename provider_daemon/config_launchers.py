"""Launchers of images that would read a customer's words as options or as a shell's text. Pure."""

from collections.abc import Sequence

from provider_daemon.job.words import SHELLS, TEXT_FOLLOWS

PERMUTING = frozenset({"ch-run"})  # take options anywhere before --, measured on charliecloud 0.31
PARSE_AGAIN = frozenset({"ssh", "eval", "parallel", "xargs", "watch", "screen", "tmux"})


def launcher_problem(words: Sequence[str]) -> str:
    """'' for one that passes what stands behind it on as it is."""
    names = [word.rpartition("/")[2] for word in words]
    if again := sorted(PARSE_AGAIN.intersection(names[:1])):
        return f"{again[0]} reads its words again as a shell would: a customer's arguments would be commands"
    if late := [name for number, name in enumerate(names) if name in PERMUTING and "--" not in words[number:]]:
        return f"{late[0]} reads options behind the program too: give it -- as the last word"
    if "--multi-prog" in words:
        return "--multi-prog reads the program's name as a file of further options"
    if not words:
        return ""
    shell = False
    for name, word, following in zip(names, words, [*words[1:], None], strict=True):
        shell = shell or name in SHELLS
        if not (shell and TEXT_FOLLOWS.fullmatch(word)):
            continue
        if following is None:
            return f'what follows {word} is a shell\'s text: give it one that runs "$@"'
        if "{image}" in following:
            return "{image} inside a shell's text: pass it behind the text, as an argument"
    return ""
