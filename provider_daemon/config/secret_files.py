"""The files with secrets that the configuration names. Pure."""

from provider_daemon.config.model import KeyConfig


def secret_files(key: KeyConfig) -> list[str]:
    """Returns the files that a key is read from."""
    key_file = f"{key.path}/{key.name}.info" if key.kind == "keyring" else key.path
    return [path for path in (key_file, key.passphrase_file) if path]
