"""What provd's own work costs: transactions, gas, queries of SLURM, and rows in the ledger. Pure."""
