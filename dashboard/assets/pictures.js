/* What the page of single pictures tells the server: what is in view. */
(function () {
  "use strict";

  const framePictures = (relayout, before) => {
    const { no_update: same } = window.dash_clientside;
    const graph = document.querySelector("#pictures-graph .js-plotly-plot");
    const layout = graph && graph._fullLayout;
    if (!layout || !layout.xaxis || !graph.layout.uirevision) return same;
    const box = [layout.xaxis, layout.yaxis].flatMap(({ range }) => [...range].sort((one, other) => one - other));
    const seen = { box, revision: graph.layout.uirevision };
    return JSON.stringify(seen) === JSON.stringify(before) ? same : seen;
  };

  const shared = { ...window.dash_clientside };
  window.dash_clientside = { ...shared, kinscape: { ...shared.kinscape, framePictures } };
})();
