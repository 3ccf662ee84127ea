"""Cluster a table of customers with numbers, categories, dates and gaps; then assign new ones.

Run it with ``python examples/customers.py``; it generates the table itself.
"""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

import shoal

KINDS = {  # visits a month, typical basket, part that is on a plan, age
    "regulars": (8, 25, {"none": 0.1, "basic": 0.6, "plus": 0.3}, 45),
    "families": (3, 160, {"none": 0.1, "basic": 0.2, "plus": 0.7}, 38),
    "students": (4, 12, {"none": 0.8, "basic": 0.2}, 22),
    "one-offs": (0.6, 60, {"none": 1.0}, 55),
}


def make_customers(n: int = 3000) -> tuple[pa.Table, np.ndarray]:
    """Make a table, and the kind of each row, which Shoal does not see."""
    draw = np.random.default_rng(0)
    kind = draw.choice(len(KINDS), n, p=[0.4, 0.2, 0.25, 0.15])
    visits, basket, plans, age = zip(*KINDS.values(), strict=True)
    joined = np.datetime64("2021-01-01") + draw.integers(0, 1500, n)
    pay = np.array(basket)[kind] * np.exp(draw.normal(0, 0.35, n))
    columns = {
        "customer_id": [f"C{10_000 + at}" for at in range(n)],
        "age": np.clip(draw.normal(np.array(age)[kind], 5), 18, 90).round().astype(int),
        "basket_eur": [None if draw.random() < 0.05 else round(float(x), 2) for x in pay],
        "visits": draw.poisson(np.array(visits)[kind]),
        "plan": [str(draw.choice(list(plans[k]), p=list(plans[k].values()))) for k in kind],
        "city": draw.choice(["Bergen", "Oslo", "Trondheim"], n),
        "joined": pa.array(joined.astype("datetime64[D]")),
    }
    return pa.table(columns), kind


def main() -> None:
    table, kind = make_customers()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "customers.csv"
        pa.csv.write_csv(table, path)

        run = shoal.fit(path)
        print(run.info()["columns"])
        print(f"{run.primary.k} clusters; cells filled: {run.info()['gaps']}")
        scores = next(s for s in run.evaluate(kind) if s["primary"])
        print(f"against the kinds that made them: ARI {scores['ari']:.2f}")

        labels = run.labels()
        for cluster in range(run.primary.k):
            rows = table.filter(labels == cluster)
            basket, visits = (np.nanmedian(rows[name]) for name in ("basket_eur", "visits"))
            print(f"cluster {cluster}: {rows.num_rows} rows, {visits:.0f} visits of {basket:.0f} €")

        found = run.predict(
            [
                {"age": 21, "basket_eur": 11.5, "visits": 5, "plan": "none", "city": "Oslo"},
                {"plan": "plus", "basket_eur": 190, "age": 40},
            ]
        )
        print("new customers:", found.cluster.tolist(), *found.remarks, sep="\n  ")


if __name__ == "__main__":
    main()
