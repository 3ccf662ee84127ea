"""The explorer: a page on which a person looks at every cluster of a run, and corrects it.

The model in one sentence: *every row has a position in the leaf order of the tree, so a cluster, a
selection, a page of the gallery and a tile of the map are ranges of positions.* `stages.leaves` and
`stages.map` make these orders once; `atlas` reads them, `cuts` says which cluster each position is
in, `orders` in which order a set of positions is shown, `tiles` what a piece of the map holds.
`explorer` keeps what was made; `views` and `editing` answer requests, `guard` lets them through,
`serve` runs it all.
"""
