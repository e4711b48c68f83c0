/* What the graph of neighbours does without asking the server: choosing, focusing, and the card under the mouse. */
(function () {
  "use strict";

  const CLOSEST = 1.1; // zoom at which a chosen category is shown
  const DURATION = 450; // ms

  // Dash's component keeps Cytoscape's own object where Cytoscape itself leaves it.
  const findCy = (graph) => document.getElementById(graph)?._cyreg?.cy;

  const waitFor = (find, then, tries = 100) => {
    const found = find();
    if (found) then(found);
    else if (tries) requestAnimationFrame(() => waitFor(find, then, tries - 1));
  };

  const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  const mark = (cy, node) => {
    cy.batch(() => {
      cy.elements().removeClass("away near chosen");
      if (!node) return;
      const near = node.closedNeighborhood();
      cy.elements().not(near.union(node.component())).addClass("away");
      near.addClass("near");
      node.addClass("chosen");
    });
  };

  const show = (cy, node) => {
    const eles = node ? node.closedNeighborhood() : cy.elements();
    const box = eles.boundingBox({ includeLabels: false });
    const padding = 40;
    const fits = Math.min((cy.width() - 2 * padding) / (box.w || 1), (cy.height() - 2 * padding) / (box.h || 1));
    const zoom = Math.min(fits, CLOSEST);
    const pan = {
      x: cy.width() / 2 - (zoom * (box.x1 + box.x2)) / 2,
      y: cy.height() / 2 - (zoom * (box.y1 + box.y2)) / 2,
    };
    cy.stop();
    // What is seen first should not move under the mouse.
    if (isCalm() || !cy.scratch("kinscape-shown")) cy.viewport({ zoom, pan });
    else cy.animate({ zoom, pan }, { duration: DURATION, easing: "ease-in-out" });
  };

  // The graph listens once for each time that it is laid out.
  const listen = (cy, told) => {
    cy.scratch("kinscape", told);
    if (cy.scratch("kinscape-listens")) return;
    cy.scratch("kinscape-listens", true);
    const set = (id, props) => window.dash_clientside.set_props(id, props);
    const hide = () => set(cy.scratch("kinscape").card, { style: { display: "none" } });
    cy.on("tap", "node", (event) => set(cy.scratch("kinscape").field, { value: event.target.data("label") }));
    cy.on("mouseover", "node", (event) => {
      const { card, graph, atlas, atlases, categories } = cy.scratch("kinscape");
      const { x1: x0, x2: x1, y1: y0, y2: y1 } = event.target.renderedBoundingBox({ includeLabels: false });
      const point = { customdata: event.target.id(), bbox: { x0, x1, y0, y1 } };
      const [children, style] = window.dash_clientside.kinscape.hover(
        { points: [point] }, atlas, atlases, categories, graph);
      set(card, { children, style });
    });
    cy.on("mouseout", "node", hide);
    cy.on("viewport", hide);
    cy.container().addEventListener("mouseleave", hide);
  };

  const focusLink = (name, elements, fits, graph, card, field, atlas, atlases, categories) => {
    const { callback_context: context } = window.dash_clientside;
    const byFit = context.triggered.some((each) => each.prop_id.endsWith(".n_clicks"));
    const category = categories.find((each) => each.label === name) ||
      categories.find((each) => each.words.includes(name) || each.code === name);
    // The component takes its new elements after this; until then the old ones stand, or lie elsewhere.
    const isThere = () => {
      const cy = findCy(graph);
      if (!cy || !elements.length) return cy;
      const [first, last] = [elements[0], elements[elements.length - 1]];
      const at = cy.getElementById(first.data.id).position();
      const isPlaced = at && at.x === first.position.x && at.y === first.position.y;
      return isPlaced && cy.getElementById(last.data.id).nonempty() ? cy : null;
    };
    waitFor(isThere, (cy) => requestAnimationFrame(() => {
      if (cy.destroyed()) return; // another page was opened in between
      listen(cy, { graph, card, field, atlas, atlases, categories });
      const found = category ? cy.getElementById(category.value) : cy.collection();
      const node = found.nonempty() ? found[0] : null;
      mark(cy, node);
      // Dash may say the same twice; then the view stays as the user has it.
      const last = elements.length ? elements[elements.length - 1].data.id : "";
      const shown = JSON.stringify([node && node.id(), last, elements.length && elements[0].position]);
      if (byFit || shown !== cy.scratch("kinscape-shown")) show(cy, byFit ? null : node);
      cy.scratch("kinscape-shown", shown);
    }));
    return category ? category.value : "";
  };

  const shared = { ...window.dash_clientside };
  window.dash_clientside = { ...shared, kinscape: { ...shared.kinscape, focusLink } };
})();
