"""Programs for developers: set-up, images of the tests, and generators of code, documents and boards."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
