"""`provd site audit` on a private site with two hostile customers, in network namespaces of its own.

Run it with `make isolation`, as root.
"""
