"""Shoal as a scikit-learn estimator in a pipeline.

Run it with ``python examples/estimator.py``.
"""

from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from shoal.sklearn import Shoal


def main() -> None:
    x, truth = make_blobs(2000, centers=7, n_features=8, random_state=1)
    pipeline = make_pipeline(StandardScaler(), Shoal(random_state=0))
    labels = pipeline.fit_predict(x)
    print(f"{pipeline[-1].n_clusters_} clusters, ARI {adjusted_rand_score(truth, labels):.3f}")


if __name__ == "__main__":
    main()
