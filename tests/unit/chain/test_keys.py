"""Every source of a key, what each refuses, and that no refusal shows a secret."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider_daemon.chain import armor, keyring, keys
from provider_daemon.errors import ConfigError
from tests.unit.chain.vectors import ADDRESS, FIXTURES, MNEMONIC, PASSPHRASE, SECRET

Write = Callable[[str, str | bytes], str]


@pytest.fixture
def private(tmp_path: Path) -> Write:
    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o600)
        return str(path)

    return write


@pytest.fixture
def passphrase(private: Write) -> str:
    return private("passphrase", PASSPHRASE + "\n")


def refusal(kind: str, name: str = "", path: str = "", passphrase_file: str = "") -> str:
    """The one line of the ConfigError; asserts that no part of the key or the passphrase is in it, nor in
    what Python would print."""
    with pytest.raises(ConfigError) as caught:
        keys.load(kind, name, path, passphrase_file)
    (problem,) = caught.value.problems
    assert caught.value.__suppress_context__
    for secret in (SECRET.hex(), SECRET.hex()[:12], "abandon", PASSPHRASE, "horse"):
        assert secret not in f"{problem} {caught.value!r}"
    assert "\n" not in problem
    return problem


@pytest.mark.parametrize(
    ("kind", "content"),
    [("plaintext-hex", SECRET.hex()), ("plaintext-mnemonic", MNEMONIC)],
    ids=["hex", "mnemonic"],
)
def test_plaintext_when_asked_for(private: Write, kind: str, content: str) -> None:
    """A plaintext file is read when the kind says so."""
    assert keys.load(kind, path=private("key", content + "\n")).address == ADDRESS


@pytest.mark.parametrize("content", [SECRET.hex(), MNEMONIC], ids=["hex", "mnemonic"])
def test_plaintext_is_never_guessed(private: Write, passphrase: str, content: str) -> None:
    """A plaintext file behind an encrypted kind is refused."""
    assert "not an armored" in refusal("armor", path=private("key", content), passphrase_file=passphrase)
    entry = Path(private("main.info", content)).parent
    assert "not a keyring entry" in refusal(
        "keyring", name="main", path=str(entry), passphrase_file=passphrase
    )


@pytest.mark.parametrize("content", [SECRET.hex(), MNEMONIC + "\n"], ids=["hex", "mnemonic"])
def test_credential(private: Write, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """A systemd credential holds a hex key or a mnemonic."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(Path(private("provd-key", content)).parent))
    assert keys.load("credential", name="provd-key").address == ADDRESS


def test_credential_without_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside systemd the line says what is missing."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "LoadCredential" in refusal("credential", name="provd-key")


def test_missing_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential that systemd did not pass is named with its path."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert "No such file" in refusal("credential", name="provd-key")


def test_armor_by_go(private: Write, passphrase: str) -> None:
    """Armor written by Go's Argon2, ChaCha20-Poly1305 and OpenPGP armor opens."""
    path = private("key.armor", (FIXTURES / "go.armor").read_bytes())
    assert keys.load("armor", path=path, passphrase_file=passphrase).address == ADDRESS


def test_keyring_by_go(private: Write, passphrase: str) -> None:
    """An entry written by the keyring's JOSE library, with its extra header, opens."""
    directory = Path(private("provider.info", (FIXTURES / "go.info").read_bytes())).parent
    assert (
        keys.load("keyring", name="provider", path=str(directory), passphrase_file=passphrase).address
        == ADDRESS
    )


@settings(max_examples=5, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_round_trips(secret: bytes, words: str) -> None:
    """What provd writes, provd reads: any key, any passphrase; the key is in neither file."""
    sealed, entry = armor.encrypt(secret, words), keyring.encrypt("main", secret, words)
    assert armor.decrypt(sealed, words) == secret
    assert armor.decrypt(sealed.replace("\n", "\r\n"), words) == secret
    assert keyring.decrypt(entry, words) == secret
    assert secret.hex() not in sealed + entry


def test_armor_is_canonical() -> None:
    """The written armor is the one that Go writes: lines of 64, the checksum on its own line."""
    ours, theirs = (
        armor.encrypt(SECRET, PASSPHRASE).splitlines(),
        (FIXTURES / "go.armor").read_text().splitlines(),
    )
    assert [len(line) for line in ours[4:]] == [len(line) for line in theirs[4:]]
    assert sorted(line.partition(": ")[0] for line in ours[:5]) == sorted(
        line.partition(": ")[0] for line in theirs[:5]
    )


def test_wrong_passphrase(private: Write) -> None:
    """Both encrypted kinds say so, without the passphrase."""
    wrong = private("wrong", "horse")
    path = private("main.info", keyring.encrypt("main", SECRET, PASSPHRASE))
    assert "wrong passphrase" in refusal(
        "keyring", name="main", path=str(Path(path).parent), passphrase_file=wrong
    )
    path = private("key.armor", armor.encrypt(SECRET, PASSPHRASE))
    assert "wrong passphrase" in refusal("armor", path=path, passphrase_file=wrong)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("=6KaZ", "=6KaY", "checksum"),
        ("itNnJI", "itNnJJ", "checksum"),
        ("kdf: argon2", "kdf: bcrypt", "argon2"),
        ("type: secp256k1", "type: ed25519", "secp256k1"),
        ("salt: 00112233445566778899AABBCCDDEEFF", "salt: zz", "salt"),
        ("BEGIN TENDERMINT", "BEGIN PGP", "not an armored"),
    ],
)
def test_damaged_armor(private: Write, passphrase: str, old: str, new: str, why: str) -> None:
    """Damage and foreign kinds are told apart from a wrong passphrase."""
    text = (FIXTURES / "go.armor").read_text()
    assert old in text
    assert why in refusal(
        "armor", path=private("key.armor", text.replace(old, new)), passphrase_file=passphrase
    )


@pytest.mark.parametrize(
    "content",
    ["", "a.b.c", "....", "e30.e30.e30.e30.e30", "W10.e30.e30.e30.e30", "!.é.?.=.", "eyJhbGciOjF9.a.b.c.d"],
)
def test_damaged_keyring(private: Write, passphrase: str, content: str) -> None:
    """Whatever stands in the file, the answer is one line."""
    directory = Path(private("main.info", content)).parent
    assert "not a keyring entry" in refusal(
        "keyring", name="main", path=str(directory), passphrase_file=passphrase
    )


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_key_files_of_others(private: Write, mode: int) -> None:
    """A key file that group or others can touch is refused, with what to do."""
    path = private("key", SECRET.hex())
    os.chmod(path, mode)
    assert "chmod 600" in refusal("plaintext-hex", path=path)


@pytest.mark.parametrize("kind", ["armor", "keyring"])
def test_passphrase_files_of_others(private: Write, passphrase: str, kind: str) -> None:
    """So is a passphrase file, and an encrypted key file."""
    directory = Path(private("main.info", keyring.encrypt("main", SECRET, PASSPHRASE))).parent
    path = private("main.armor", armor.encrypt(SECRET, PASSPHRASE)) if kind == "armor" else str(directory)
    os.chmod(passphrase, 0o644)
    assert "chmod 600" in refusal(kind, name="main", path=path, passphrase_file=passphrase)
    os.chmod(passphrase, 0o600)
    for file in directory.glob("main.*"):
        file.chmod(0o644)
    assert "chmod 600" in refusal(kind, name="main", path=path, passphrase_file=passphrase)


@pytest.mark.parametrize(
    "content",
    [SECRET.hex().encode()[:-2], SECRET.hex().encode() + b"zz", SECRET, b"\xff" + SECRET, b"00" * 32],
    ids=["short", "not hex", "raw bytes", "not text", "zero"],
)
def test_bad_hex(private: Write, content: bytes) -> None:
    """Too short, too long, raw bytes, zero: one line that quotes nothing of the file."""
    assert "0xff" not in refusal("plaintext-hex", path=private("key", content))


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(MNEMONIC.split()) + "\n",
        "\r\n".join(MNEMONIC.split()),
        "\t" + "   ".join(MNEMONIC.split()) + " ",
        MNEMONIC.upper(),
        "\n".join(word.title() for word in MNEMONIC.split()),
    ],
    ids=["lines", "dos", "blanks", "capitals", "titles"],
)
def test_mnemonic_however_it_was_written_down(private: Write, text: str) -> None:
    """One word a line, as many write it down; extra blanks; capitals."""
    assert keys.load("plaintext-mnemonic", path=private("key", text)).address == ADDRESS
    assert keys.parse(text) == SECRET


def test_unknown_words_are_named_by_their_places(private: Write) -> None:
    """Never by themselves: the rest of a mnemonic can be found out from a few of its words."""
    words = MNEMONIC.split()
    words[2], words[6] = "abandonn", "sekret"
    said = refusal("plaintext-mnemonic", path=private("key", "\n".join(words)))
    assert f"word 3, 7 of {len(words)}" in said
    assert not [word for word in {*words} if word in said]


def test_bad_mnemonic(private: Write) -> None:
    """A mnemonic with a word too few is refused without its words."""
    assert "invalid mnemonic" in refusal(
        "plaintext-mnemonic", path=private("key", MNEMONIC.removesuffix(" about"))
    )


def test_missing_files(tmp_path: Path) -> None:
    """A file that is not there is named."""
    assert f"No such file or directory: {tmp_path / 'none'}" in refusal("armor", path=str(tmp_path / "none"))


def test_unknown_kind() -> None:
    """The line lists the kinds that there are."""
    assert "credential, armor, keyring, plaintext-hex, plaintext-mnemonic" in refusal("vault")


def test_never_over_an_old_key(private: Write) -> None:
    """Writing a key never replaces a file, and the new one is its owner's alone."""
    old = private("old", "key")
    with pytest.raises(FileExistsError):
        keys.write_private(old, "new")
    keys.write_private(f"{old}.2", "new")
    assert os.stat(f"{old}.2").st_mode & 0o777 == 0o600
