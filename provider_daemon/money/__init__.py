"""The price of a job and who is paid, in integers, without side effects (docs/billing.md)."""
