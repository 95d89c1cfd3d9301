"""Generates docs/openapi.json from the gateway's routes: `make generate`."""

from provider_daemon.gateway import openapi

if __name__ == "__main__":
    print(openapi.text(), end="")
