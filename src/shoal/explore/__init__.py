"""The explorer: a web page on which a person inspects the clusters of a run, and corrects them.

The model in one sentence: *every row has a position in the leaf order of the tree, so a cluster, a
selection, a page of the gallery and a tile of the map are ranges of positions.* `stages.leaves` and
`stages.map` compute these orders once.

==================  =============================================================================
server              `serve`, `guard` (who may ask), `routes` (every request), `params`, `events`
                    (news to open pages), `page` (one run), `shelf` (a folder of runs)
state of a run      `explorer`; `atlas` (its stored arrays), `cuts` (its clusters), `positions`
map                 `map_views` (requests), `tiles` (dots and density), `map_layout` (images moved
                    apart), `area` (an outline), `colours`; `drawing` and `prepare` compute it;
                    in the browser `static/map.js` and `labels.js`
gallery             `views` (requests), `orders` (typical, boundary, outliers ...), `pictures`,
                    `numbers` (rows that are not images), `detail` (one row); `static/gallery.js`
selection, filters  `explorer.Explorer.choose`, `metadata`, `facets`; `static/store.js`, `filter.js`
edits, undo         `editing`, `parts` (previews of a split); `static/actions.js`, `dialogs.js`
review queue        `judging` (also quiz, comparison, overview); `static/review.js`
names               `names`, `suggestions`, `words`
search, duplicates  `searching`, `copies`
export, report      `exporting`, `coordinates` (the map as a table); the report of a run as one
                    HTML file is `shoal.export.report`
assistants          `mcp`
==================  =============================================================================
"""
