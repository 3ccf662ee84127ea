"""Mall customers, following a well-known tutorial: columns, choice of K, profiles, a 3-d plot.

Run it with ``python examples/mall.py FOLDER Mall_Customers.csv``; without a folder it writes no
pictures, and without a table it generates one with the same columns.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

import shoal

INCOME, SCORE, AGE = "Annual Income (k$)", "Spending Score (1-100)", "Age"
# Rows, income, score, age: the five groups that are known of the table.
GROUPS = ((80, 55, 50, 43), (40, 86, 82, 33), (35, 88, 17, 41), (22, 26, 79, 25), (23, 26, 21, 45))


def make_table(path: Path) -> Path:
    """Write a table like that of the tutorial."""
    draw = np.random.default_rng(0)
    rows = np.concatenate(
        [draw.normal(middle, (9, 8, 8), (n, 3)) for n, *middle in GROUPS]
    ).round().astype(int)  # fmt: skip
    columns = {
        "CustomerID": np.arange(1, len(rows) + 1),
        "Genre": draw.choice(["Female", "Male"], len(rows), p=[0.56, 0.44]),
        AGE: rows[:, 2].clip(18, 70),
        INCOME: rows[:, 0].clip(15, 137),
        SCORE: rows[:, 1].clip(1, 99),
    }
    pa.csv.write_csv(pa.table(columns), path)
    return path


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        given = Path(sys.argv[2]) if len(sys.argv) > 2 else None
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
        table = given or make_table(Path(temporary) / "customers.csv")

        ages = pa.csv.read_csv(table)[AGE].to_numpy()
        bands, counts = np.unique(ages // 10 * 10, return_counts=True)
        groups = (f"{band}-{band + 9}: {n}" for band, n in zip(bands, counts, strict=True))
        print("customers by age:", ", ".join(groups))

        whole = shoal.fit(table)
        print(whole.info()["columns"])
        print(f"by all columns: {whole.primary.k} clusters")

        run = shoal.fit(table, columns=[INCOME, SCORE], method="kmeans", k=5)
        for line in run.edits.listing():
            mine = pa.csv.read_csv(table).filter(run.labels() == line["cluster"])
            income, score = (np.mean(mine[name]) for name in (INCOME, SCORE))
            print(
                f"cluster {line['cluster']}: {line['rows']} earn {income:.0f} k$, score {score:.0f}"
            )

        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        pictures = {
            "distributions": whole.plot.distributions(),
            "profile": whole.plot.profile(),
            "elbow": whole.plot.elbow(),
            "silhouette": run.plot.silhouette(),
            "groups": run.plot.scatter([INCOME, SCORE]),
            "space": whole.plot.scatter([INCOME, SCORE, AGE]),
        }
        for name, ax in pictures.items():
            if folder is not None:
                ax.figure.savefig(folder / f"mall-{name}.png", dpi=80)


if __name__ == "__main__":
    main()
