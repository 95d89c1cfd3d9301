"""Fuzzing of what reads strangers' bytes: `make fuzz T=60`, T seconds for each target."""
