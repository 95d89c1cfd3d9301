# As in pyproject.toml; a test compares them. Reading the installed metadata at each start would cost a node
# agent a tenth of its memory.
__version__ = "0.1.0"
