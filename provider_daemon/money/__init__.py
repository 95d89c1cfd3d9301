"""What a job costs and who gets it: integers in, integers out, nothing else touched (docs/billing.md)."""
