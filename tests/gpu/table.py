"""Turns the JSON lines of steps and baseline.py into a table for the documents. usage: table.py FILE"""
import json
import sys

rows = [json.loads(line) for line in open(sys.argv[1]) if line.startswith("{")]
best, own = {}, {}
for row in rows:
    if row["who"].startswith("PyTorch"):
        key = row["model"], row["numerics"], row["batch"]
        best[key] = min(best.get(key, row["median_ms"]), row["median_ms"])
    if row["who"] == "ours dp-adjoint fw-bw 1":
        own[row["model"], row["numerics"], row["batch"]] = row["median_ms"]
print("| network | batch | products | who | min ms | median ms | of PyTorch's best | of our fw-bw step |")
print("|---|---|---|---|---|---|---|---|")
for row in sorted(rows, key=lambda row: (row["model"], row["batch"], row["numerics"], row["who"])):
    other, ours = (times.get((row["model"], row["numerics"], row["batch"])) for times in (best, own))
    share, over = (f"{row['median_ms'] / time:.2f}" if time else "" for time in (other, ours))
    print(f"| {row['model']} | {row['batch']} | {row['numerics']} | {row['who']} | {row['min_ms']:.3f} | "
          f"{row['median_ms']:.3f} | {share} | {over if row['who'].startswith('ours') else ''} |")
