"""Where the cached images of a site are."""

IMAGES = ".provd-images"  # below work_root


def directory_name(digest: str) -> str:
    """Returns the name of an image's directory: the hex digits of its digest `sha256:...`."""
    return digest.removeprefix("sha256:")


def images_of(work_root: str) -> str:
    return f"{work_root.rstrip('/')}/{IMAGES}"


def image_directory(work_root: str, digest: str) -> str:
    return f"{images_of(work_root)}/{directory_name(digest)}"
