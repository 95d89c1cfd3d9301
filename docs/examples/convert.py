"""Converts a CSV file to JSON: `convert.py FROM TO`."""

import csv
import json
import sys

source, target = sys.argv[1:]
with open(source, newline="") as file:
    rows = list(csv.DictReader(file))
with open(target, "w") as file:
    json.dump(rows, file, indent=1)
print(f"{len(rows)} rows")
