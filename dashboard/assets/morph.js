/* Walking along a way without asking the server: the picture, the marks on both figures, what is seen. */
(function () {
  "use strict";

  const find = (id) => {
    const stage = document.getElementById(id);
    const plot = stage && stage.querySelector(".js-plotly-plot");
    return plot && plot.data && plot.data.length ? plot : null;
  };
  const place = (plot, name) => plot.data.findIndex((trace) => trace.name === name);

  const mark = (number, data) => {
    const curves = find(data.curves);
    if (curves) {
      const x = data.steps[number];
      const here = { x: [[x, x]], y: [[data.a[number], data.b[number]]] };
      window.Plotly.update(curves, here, { "shapes[0].x0": x, "shapes[0].x1": x }, [place(curves, "here")]);
    }
    const map = find(data.map);
    const point = data.points[number];
    if (map && point) window.Plotly.restyle(map, { x: [[point[0]]], y: [[point[1]]] }, [place(map, "here")]);
  };

  let fetched = null;

  const showWay = (number, data) => {
    const { no_update: same } = window.dash_clientside;
    if (!data || number === undefined || number === null) return [same, same];
    if (fetched !== data.frames[0]) {
      fetched = data.frames[0];
      for (const address of data.frames) new Image().src = address; // so that none is waited for while it plays
    }
    mark(number, data);
    return [data.frames[number], data.told[number]];
  };

  // A point of a figure leads to its frame.
  const pickFrame = (curve, path, data) => {
    const { no_update: same, callback_context: context } = window.dash_clientside;
    const [by] = context.triggered;
    const point = by && by.value && by.value.points && by.value.points[0];
    if (!point || !data) return same;
    const onMap = by.prop_id.startsWith(data.map);
    const { name } = find(onMap ? data.map : data.curves).data[point.curveNumber];
    return (onMap ? name === "way" : name !== "here") ? point.pointIndex : same;
  };

  // What was chosen as a start is shown from the browser's own copy.
  const showStart = (contents) => {
    const shown = contents ? "block" : "none";
    return [contents || "", { display: shown }, contents ? "inline-block" : "none"];
  };
  const forgetStart = (clicks) => (clicks ? [null, ""] : Array(2).fill(window.dash_clientside.no_update));

  const shared = { ...window.dash_clientside };
  window.dash_clientside = { ...shared, kinscape: { ...shared.kinscape, showWay, pickFrame, showStart, forgetStart } };
})();
