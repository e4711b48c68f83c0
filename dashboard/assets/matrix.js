/* What the matrix does without asking the server: linked zoom, names along the sides, hovering, pinning. */
(function () {
  "use strict";

  const VIEWS = ["network", "wordnet", "difference"];
  const LEVELS = 255;
  const MIDDLE = 128;
  const LINE = 12; // px that a name needs along a side
  const MARGIN = 4;
  const PATIENCE = 600; // frames until a figure that does not come is no longer waited for
  const GAP = 14;

  const findGraph = (view) => document.querySelector(`#matrix-${view} .js-plotly-plot`);
  const findGraphs = (data) => data.views.map(findGraph).filter((graph) => graph && graph._fullLayout);
  const clamp = (value, count) => Math.min(count - 1, Math.max(0, value));

  // The first and last row and column that are in view.
  const readSpans = (graph, count) => {
    const spans = [graph.layout.yaxis.range, graph.layout.xaxis.range].map((range) => {
      const [low, high] = [...range].sort((one, other) => one - other);
      const first = clamp(Math.floor(low + 0.5 + 1e-6), count);
      return [first, Math.max(first, clamp(Math.ceil(high - 0.5 - 1e-6), count))];
    });
    return spans;
  };
  const writeBlock = (spans, count) =>
    spans.every(([first, last]) => first === 0 && last === count - 1)
      ? ""
      : spans.map(([first, last]) => `${first}-${last}`).join(".");
  const readBlock = (block, count) => {
    const found = /^(\d{1,4})-(\d{1,4})\.(\d{1,4})-(\d{1,4})$/.exec(block || "");
    const [top, bottom, left, right] = found ? found.slice(1).map(Number) : [0, count - 1, 0, count - 1];
    const fits = top <= bottom && bottom < count && left <= right && right < count;
    return fits ? [[top, bottom], [left, right]] : [[0, count - 1], [0, count - 1]];
  };
  const shorten = (name, length) => (name.length > length ? name.slice(0, length - 1) + "\u2026" : name);

  // Names stand along a side as soon as each has a line of its own.
  const dress = (graph, data, ranges) => {
    const count = data.order.length;
    const change = ranges ? { "xaxis.range": ranges[1], "yaxis.range": ranges[0] } : {};
    const [rows, columns] = ranges
      ? readSpans({ layout: { yaxis: { range: ranges[0] }, xaxis: { range: ranges[1] } } }, count)
      : readSpans(graph, count);
    const room = Math.min(128, Math.round(graph.clientWidth * 0.3));
    const sides = [
      ["yaxis", "margin.l", rows, graph.clientHeight],
      ["xaxis", "margin.b", columns, graph.clientWidth],
    ].map(([axis, margin, [first, last], length]) => {
      const named = (length - room) / (last - first + 1) >= LINE;
      change[margin] = named ? room : MARGIN;
      change[`${axis}.showticklabels`] = named;
      if (named) {
        const places = Array.from({ length: last - first + 1 }, (_, at) => first + at);
        change[`${axis}.tickvals`] = places;
        change[`${axis}.ticktext`] = places.map((at) => shorten(data.names[at], Math.floor(room / 6)));
        change[`${axis}.tickfont.size`] = 10;
      }
      return named ? `${first}-${last}` : "";
    });
    change["xaxis.tickangle"] = -90;
    const dressed = [data.drawn, ...sides].join();
    if (ranges || graph.kinscapeDressed !== dressed) window.Plotly.relayout(graph, change);
    graph.kinscapeDressed = dressed;
  };

  const name = (data) => {
    const labels = window.kinscapeMatrixNames;
    return { ...data, names: data.order.map((index) => labels.get(String(index))) };
  };
  const learnNames = (categories) => {
    window.kinscapeMatrixNames = window.kinscapeMatrixNames || new Map(categories.map((each) => [each.value, each.label]));
  };

  let waiting = 0;
  // A figure stands some time after its data was sent.
  const whenDrawn = (data, act) => {
    const turn = (waiting += 1);
    const look = (left) => {
      if (turn !== waiting || !left) return;
      const graphs = findGraphs(data);
      const stand = graphs.length === data.views.length && graphs.every((graph) => graph.layout.meta === data.drawn);
      if (stand && graphs.every((graph) => graph.clientWidth)) act(graphs);
      else requestAnimationFrame(() => look(left - 1));
    };
    look(PATIENCE);
  };

  const frame = (block, data) =>
    whenDrawn(data, (graphs) => {
      const count = data.order.length;
      const spans = readBlock(block, count);
      const [rows, columns] = spans;
      graphs.forEach((graph) => {
        const same = writeBlock(readSpans(graph, count), count) === writeBlock(spans, count);
        dress(graph, data, same ? null : [[rows[1] + 0.5, rows[0] - 0.5], [columns[0] - 0.5, columns[1] + 0.5]]);
      });
    });

  // Rows and columns in view are the same in all views; the address tells them.
  const zoomMatrix = (...inputs) => {
    const { no_update: same, callback_context: context } = window.dash_clientside;
    const [plain, block, categories] = inputs.slice(VIEWS.length);
    if (!plain) return same;
    learnNames(categories);
    const data = name(plain);
    const panes = document.getElementById("matrix-panes");
    const changed = context.triggered.map((each) => each.prop_id);
    if (changed.includes("matrix-data.data")) {
      const moved = panes.dataset.key !== undefined && panes.dataset.key !== data.key;
      panes.dataset.key = data.key;
      frame(moved ? "" : block, data);
      return moved && block ? "" : same;
    }
    const graph = findGraph(VIEWS.find((view) => changed.includes(`matrix-${view}.relayoutData`)));
    if (!graph || graph.layout.meta !== data.drawn || !graph.clientWidth) return same;
    const ranges = [graph.layout.yaxis.range, graph.layout.xaxis.range].map((range) => [...range]);
    findGraphs(data).forEach((each) => {
      const apart = [each.layout.yaxis.range, each.layout.xaxis.range].flat();
      const differs = ranges.flat().some((edge, at) => Math.abs(edge - apart[at]) > 1e-6);
      dress(each, data, differs ? ranges : null);
    });
    const now = writeBlock(readSpans(graph, data.order.length), data.order.length);
    return now === (block || "") ? same : now;
  };

  const frameMatrix = (block, plain) => {
    if (plain && window.kinscapeMatrixNames) frame(block, name(plain));
  };

  const findPoint = (inputs, part) => {
    const changed = window.dash_clientside.callback_context.triggered.map((each) => each.prop_id);
    const at = VIEWS.findIndex((view) => changed.includes(`matrix-${view}.${part}`));
    const event = inputs[at];
    return [VIEWS[at], event && event.points && event.points[0]];
  };

  const pinPair = (...inputs) => {
    const { no_update: same } = window.dash_clientside;
    const data = inputs[VIEWS.length];
    const [, point] = findPoint(inputs, "clickData");
    if (!point || !data || point.x === point.y) return same;
    return `${data.order[point.y]}-${data.order[point.x]}`;
  };

  const tell = (view, level, data) => {
    if (view === "difference") {
      const points = Math.round(((level - MIDDLE) / (MIDDLE - 1)) * 100);
      if (!points) return "as near to the network as in WordNet";
      return `${Math.abs(points)} points ${points < 0 ? "nearer to the network" : "nearer in WordNet"}`;
    }
    const place = (100 * (level - 1)) / (LEVELS - 1);
    const among = place < 50 ? `nearest ${Math.max(place, 0.4).toFixed(1)}` : `farthest ${Math.max(100 - place, 0.4).toFixed(1)}`;
    return `${view === "wordnet" ? "similarity" : "distance"} about ${data.scales[view][level - 1]}, among the ${among} %`;
  };

  // The cell under the mouse is marked in all views.
  const cross = (data, point) => {
    VIEWS.forEach((view) => {
      const graph = findGraph(view);
      const stage = graph && graph.closest(".kin-stage");
      if (!stage) return;
      let mark = stage.querySelector(".matrix-cross");
      if (!mark) {
        mark = stage.appendChild(document.createElement("div"));
        mark.className = "matrix-cross";
      }
      const { xaxis, yaxis } = graph._fullLayout || {};
      const shown = point && xaxis && data.views.includes(view);
      mark.style.display = shown ? "block" : "none";
      if (!shown) return;
      const [left, right] = [-0.5, 0.5].map((half) => xaxis._offset + xaxis.l2p(point.x + half));
      const [top, bottom] = [-0.5, 0.5].map((half) => yaxis._offset + yaxis.l2p(point.y + half));
      const side = 6;
      mark.style.width = `${Math.max(side, right - left)}px`;
      mark.style.height = `${Math.max(side, bottom - top)}px`;
      mark.style.transform = `translate(${Math.min(left, (left + right - side) / 2)}px, ${Math.min(top, (top + bottom - side) / 2)}px)`;
    });
  };

  const hoverMatrix = (...inputs) => {
    const [data, atlas, atlases, categories] = inputs.slice(VIEWS.length);
    const { no_update: same } = window.dash_clientside;
    const [view, point] = findPoint(inputs, "hoverData");
    const shown = VIEWS.flatMap(() => [same, { display: "none" }]);
    if (!data) return shown;
    cross(data, point);
    if (!point) return shown;
    const element = (type, props) => ({ namespace: "dash_html_components", type, props });
    const pair = [...new Set([point.y, point.x])].map((at) =>
      categories.find((each) => each.value === String(data.order[at])),
    );
    if (pair.some((each) => !each)) return shown;
    const base = atlases[atlas].pictures;
    const children = [
      ...(base
        ? [element("Span", {
            className: "matrix-couple",
            children: pair.map(({ value }) => element("Img", { src: `${base}${value}.webp`, alt: "", key: value })),
          })]
        : []),
      ...pair.map(({ label }) => element("Span", { children: label, className: "kin-name", key: `n${label}` })),
      element("Span", {
        children: pair.length > 1 ? tell(view, point.z, data) : "the category itself",
        className: "kin-about",
        key: "told",
      }),
    ];
    const stage = findGraph(view).closest(".kin-stage").getBoundingClientRect();
    const width = pair.length > 1 ? 236 : 176;
    const height = base ? 200 : 84;
    const { x0, x1, y0, y1 } = point.bbox;
    const right = Math.max(x0, x1) + GAP;
    const left = right + width < stage.width ? right : Math.max(0, Math.min(x0, x1) - GAP - width);
    const top = Math.min(Math.max(0, (y0 + y1) / 2 - height / 2), Math.max(0, stage.height - height));
    const at = 2 * VIEWS.indexOf(view);
    shown[at] = children;
    shown[at + 1] = { display: "flex", width, transform: `translate(${Math.round(left)}px, ${Math.round(top)}px)` };
    return shown;
  };

  const shared = { ...window.dash_clientside };
  const mine = { zoomMatrix, frameMatrix, pinPair, hoverMatrix };
  window.dash_clientside = { ...shared, kinscape: { ...shared.kinscape, ...mine } };
})();
