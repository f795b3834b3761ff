"""Turns the JSON lines of steps and baseline.py into a table for the documents. usage: table.py FILE"""
import json
import sys

rows = [json.loads(line) for line in open(sys.argv[1]) if line.startswith("{")]
best = {}
for row in rows:
    if row["who"].startswith("PyTorch"):
        key = row["model"], row["numerics"], row["batch"]
        best[key] = min(best.get(key, row["median_ms"]), row["median_ms"])
print("| network | batch | products | who | min ms | median ms | of PyTorch's best |")
print("|---|---|---|---|---|---|---|")
for row in sorted(rows, key=lambda row: (row["model"], row["batch"], row["numerics"], row["who"])):
    other = best.get((row["model"], row["numerics"], row["batch"]))
    share = f"{row['median_ms'] / other:.2f}" if other else ""
    print(f"| {row['model']} | {row['batch']} | {row['numerics']} | {row['who']} | {row['min_ms']:.3f} | "
          f"{row['median_ms']:.3f} | {share} |")
