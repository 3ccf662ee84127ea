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

What a server needs to know:

- **Every call that edits** takes `author` (a name for the log), `seen` (the sequence number that
  the client had seen: when one of its clusters was changed since, `ConflictError` says by whom and
  how, and nothing is done) and `token` (any text of the client's own: an edit sent again with the
  same token is not done twice, its first `Entry` is returned). It returns the `Entry` that was
  logged, with its `seq`. When the call returns, the edit is on the disk.
- **What cannot be done** raises `InputError` with a sentence, and nothing is logged:
  `LockedError` for a locked cluster, `NameTakenError` for a name that another cluster has (case
  does not count), with `proposal`, which says who would go into whom: show it, and call
  `merge(proposal.clusters, proposal.into)` when it is agreed to.
- **Reading**: `refresh()` takes in what other processes wrote (cheap when there is nothing new),
  `seq` is the last one taken in, `changes(seq)` gives what clusters are new, changed or gone since
  then, `entries(seq)` the log itself. `state.of_representative` is the cluster of each
  representative, `state.rows` and `state.row_cluster` the moved rows; `labels(start, stop)` and
  `labels_of(rows)` give clusters of rows, `sizes()` and `listing()` the clusters.
- **Before an edit**: `preview` says what would come of it, `preview_merge` under which name.
- Objects may be shared by threads: a lock makes calls wait for each other.

- **Review**: `review.Reviewer(edits).queue()` gives questions, ordered by what an answer would
  gain; `review.quiz_rows` draws rows of a cluster, `answer_quiz` keeps the answers,
  `review.quiz_result` gives the error rate with its interval. `core.compare.compare` says what
  became of clusters between two labellings of the same rows.

The parts: `rows` (sets of rows as bytes), `log` (SQLite), `ground` (what a fit gives to stand
on), `state` (what edits lead to), `operations` (the edits that there are: checked, applied, carried
over), `history` (undo and redo), `curation` (all of it together), `clustering` (what
leaves the run).
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
