"""Manual corrections of a clustering: a log of edits, replayed over a fit.

**The model in one sentence**: *a row lies in the cluster of the representative that decides it at
the base cut, unless an edit moved the row itself.* So the state is a small map from
representatives to clusters and a sparse list of moved rows; a merge, a split or its undoing takes
milliseconds, whatever the number of rows, and counts are exact.

How to use it (`run.edits`, or `Curation(result)` on a `stages.result.Result`):

>>> import numpy as np, shoal
>>> rows = np.random.default_rng(0).normal(size=(300, 4)) + np.repeat([[0], [20], [50]], 100, 0)
>>> run = shoal.fit(rows, workers=1)
>>> edits = run.edits
>>> _ = edits.rename(2, "far away", author="ada")
>>> edits.merge([0, 1]).describe()
'Merged cluster 1 into cluster 0'
>>> [(line["cluster"], line["name"], line["rows"]) for line in edits.listing()]
[(0, None, 200), (2, 'far away', 100)]
>>> edits.undo().seq, edits.sizes()
(3, {0: 100, 1: 100, 2: 100})

What callers need to know:

- **Every call that edits** takes `author` (a name for the log), `seen` (the sequence number that
  the client had seen: `ConflictError` if someone changed one of its clusters since) and `token`
  (any text of the client's own: an edit that is sent again with it is not done twice). It returns
  the `Entry` that was logged; the edit is then on the disk.
- **An edit that is impossible** raises `InputError`, and nothing is logged: `LockedError` for a
  locked cluster; `NameTakenError` for the name of another cluster (ignoring case), with a
  `proposal` to show and, if accepted, to pass on: `merge(proposal.clusters, proposal.into)`.
- **Reading**: `refresh()` reads what other processes wrote, `changes(seq)` returns the clusters
  that are new, changed or gone since an entry. `labels()`, `labels_of(rows)`, `sizes()` and
  `listing()` are of the state after the last entry read, `seq`.
- `preview` shows the result of an edit before it is done, `preview_merge` also its name.
- Threads may share an object: a lock makes calls wait for each other.
- `review.Reviewer(edits).queue()` asks questions, ordered by what an answer would gain;
  `review.quiz_rows` draws rows of a cluster, `answer_quiz` records the answers, and
  `review.quiz_result` returns the error rate with its interval.
"""

from shoal.edits.clustering import Clustering
from shoal.edits.curation import Curation
from shoal.edits.errors import ConflictError, LockedError, NameTakenError, Proposal
from shoal.edits.history import Changes
from shoal.edits.log import Entry
from shoal.edits.state import Cluster, State

__all__ = [
    "Changes",
    "Cluster",
    "Clustering",
    "ConflictError",
    "Curation",
    "Entry",
    "LockedError",
    "NameTakenError",
    "Proposal",
    "State",
]
